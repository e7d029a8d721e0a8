//! The figures, printed and written down.

mod fleet;
mod languages;

use serde_json::{Map, Value, json};

use crate::changes::Rows;
use crate::compare::{Compared, PEERS};
use crate::in_process::InProcess;
use crate::limits::Share;
use crate::measure::{Measured, round};
use crate::rounds::Rounds;
use crate::shape::{C1, C50, C50_LOOPS, C50X32, C50X32_LOOPS, SHAPES};
use crate::startup::Startup;

/// What is held against a target.
struct Target {
    name: &'static str,
    value: f64,
    bound: Bound,
    unit: &'static str,
}

enum Bound {
    AtLeast(f64),
    Below(f64),
}

impl Target {
    fn line(&self) -> String {
        let (met, word, bound) = match self.bound {
            Bound::AtLeast(bound) => (self.value >= bound, "at least", bound),
            Bound::Below(bound) => (self.value < bound, "below", bound),
        };
        let mark = if met { "met" } else { "MISSED" };
        let unit = self.unit;
        format!(
            "{:<40}{:>12.2} {unit:<4} {word} {bound} {unit:<4} {mark}",
            self.name, self.value
        )
    }
}

/// What has been measured so far.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<String>,
    figures: Vec<String>,
    targets: Vec<Target>,
    summary: Map<String, Value>,
}

impl Report {
    /// Says something of the run as a whole.
    pub(crate) fn note(&mut self, name: &str, value: Value) {
        self.summary.insert(name.to_owned(), value);
    }

    /// Validate, echo and redis.
    pub(crate) fn compared(&mut self, compared: &Compared) {
        for peer in PEERS {
            self.rows(peer, &series(&compared.rounds, peer));
        }
        for (peer, other) in [("redis_get", "redis"), ("echo", "echo")] {
            for shape in SHAPES {
                let name = format!("validate_vs_{other}_{}", shape.name);
                self.ratio(name, compared.ratio(peer, shape));
            }
        }
        self.note("token_bytes", json!(compared.token_bytes));
        for (shape, name, bound) in [
            (C1, "validate / redis GET, c1", 1.1),
            (C50, "validate / redis GET, c50", 0.95),
            (C50X32, "validate / redis GET, c50x32", 0.5),
        ] {
            self.target(name, compared.ratio("redis_get", shape), Bound::AtLeast(bound), "");
        }
        for shape in [C50_LOOPS, C50X32_LOOPS] {
            let name = format!("validate / redis GET, {}", shape.name);
            self.figure(&name, compared.ratio("redis_get", shape), "");
        }
        for shape in SHAPES {
            let name = format!("validate / echo, {}", shape.name);
            self.figure(&name, compared.ratio("echo", shape), "");
        }
    }

    /// An operation in some shapes.
    pub(crate) fn rows(&mut self, name: &str, rows: &Rows) {
        let mut shapes = Map::new();
        for (shape, measured) in rows {
            self.row(name, shape.name, measured);
            shapes.insert(shape.name.to_owned(), measured.json());
        }
        self.note(name, Value::Object(shapes));
    }

    /// Revoke, and its acknowledgements for each fsync on fifty connections.
    pub(crate) fn revoke(&mut self, rows: &Rows, acks_per_fsync: f64) {
        self.rows("revoke", rows);
        if let Some(Value::Object(revoke)) = self.summary.get_mut("revoke") {
            revoke.insert("acks_per_fsync".to_owned(), json!(round(acks_per_fsync)));
        }
        self.target("revoke acks per fsync, c50", acks_per_fsync, Bound::AtLeast(20.0), "");
    }

    /// Without a socket.
    pub(crate) fn in_process(&mut self, figures: &InProcess) {
        self.note("validate_in_process_ns", json!(figures.keeper_ns.round()));
        self.note("decode_in_process_ns", json!(figures.decode_ns.round()));
        self.figure("validate in process", figures.keeper_ns, "ns");
        self.figure("jsonwebtoken decode in process", figures.decode_ns, "ns");
    }

    /// One uid with the default limits.
    pub(crate) fn limits(&mut self, shares: &[Share]) {
        let mut json = Map::new();
        for share in shares {
            let algorithm = share.algorithm;
            self.row(&format!("validate_{algorithm}"), "no limit", &share.possible);
            self.row(&format!("validate_{algorithm}"), "default", &share.limited);
            let percent = share.of_possible() * 100.0;
            self.figure(&format!("default limits allow, {algorithm}"), percent, "%");
            json.insert(algorithm.to_owned(), json!(round(percent)));
        }
        self.note("default_limits_allow_percent", Value::Object(json));
        let all = || shares.iter().map(Share::of_possible);
        let alike = all().fold(f64::MAX, f64::min) / all().fold(0.0, f64::max);
        self.target("default limits, least / most share", alike, Bound::AtLeast(0.6), "");
    }

    /// Memory and starts.
    pub(crate) fn startup(&mut self, figures: &Startup) {
        let over_empty = figures.load_ms - figures.ready_ms;
        for (name, value) in [
            ("idle_rss_mib", figures.idle_rss_mib),
            ("rss_100k_mib", figures.full_rss_mib),
            ("ready_ms", figures.ready_ms),
            ("load_100k_ms", figures.load_ms),
            ("load_100k_over_empty_ms", over_empty),
            ("load_100k_after_kill_ms", figures.load_after_kill_ms),
        ] {
            self.note(name, json!(round(value)));
        }
        self.target("idle memory", figures.idle_rss_mib, Bound::Below(12.0), "MiB");
        self.target("ready, empty store", figures.ready_ms, Bound::Below(50.0), "ms");
        self.target("ready, 100,000 entries", figures.load_ms, Bound::Below(1000.0), "ms");
        self.figure("the same, over an empty store", over_empty, "ms");
        self.figure("the same, after a kill", figures.load_after_kill_ms, "ms");
        self.figure("memory with 100,000 entries", figures.full_rss_mib, "MiB");
    }

    fn ratio(&mut self, name: String, value: f64) {
        let ratios = self.summary.entry("ratios").or_insert_with(|| json!({}));
        if let Value::Object(ratios) = ratios {
            ratios.insert(name, json!((value * 1000.0).round() / 1000.0));
        }
    }

    fn heading(&mut self, text: &str) {
        self.figures.push(text.to_owned());
    }

    fn target(&mut self, name: &'static str, value: f64, bound: Bound, unit: &'static str) {
        self.targets.push(Target {
            name,
            value,
            bound,
            unit,
        });
    }

    fn figure(&mut self, name: &str, value: f64, unit: &str) {
        self.figures.push(format!("{name:<40}{value:>12.2} {unit}"));
    }

    fn row(&mut self, name: &str, shape: &str, measured: &Measured) {
        let Measured {
            rps,
            p50_us,
            p99_us,
            p999_us,
            cpu_us,
            ..
        } = measured;
        self.rows.push(format!(
            "{name:<20}{shape:<14}{rps:>12.0}{p50_us:>12.1}{p99_us:>12.1}{p999_us:>12.1}{cpu_us:>12.2}"
        ));
    }

    /// The summary.
    pub(crate) fn summary(self) -> Value {
        Value::Object(self.summary)
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut lines = Vec::new();
        if !self.rows.is_empty() {
            let head = ["per second", "p50 µs", "p99 µs", "p99.9 µs", "cpu µs"].map(|name| format!("{name:>12}"));
            lines.push(format!("{:<20}{:<14}{}", "operation", "shape", head.concat()));
            lines.extend(self.rows.iter().cloned());
            lines.push(String::new());
        }
        lines.extend(self.targets.iter().map(Target::line));
        lines.extend(self.figures.iter().cloned());
        lines.join("\n")
    }
}

/// The medians of one peer's runs.
fn series(rounds: &Rounds, peer: &str) -> Rows {
    let series = rounds.0.iter().filter(|series| series.peer == peer);
    series
        .map(|series| (series.shape, Measured::median(&series.runs)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_or_missed() {
        let line = |value, bound| {
            let (name, unit) = ("x", "ms");
            let target = Target {
                name,
                value,
                bound,
                unit,
            };
            target.line()
        };
        assert!(line(1.1, Bound::AtLeast(1.1)).ends_with(" met"));
        assert!(line(1.0, Bound::AtLeast(1.1)).ends_with(" MISSED"));
        assert!(line(11.9, Bound::Below(12.0)).ends_with(" met"));
        assert!(line(12.0, Bound::Below(12.0)).ends_with(" MISSED"));
    }
}
