//! The figures of the redis store.

use serde_json::{Map, json};

use super::{Bound, Report, series};
use crate::fleet::{Fleet, MILLION};
use crate::measure::round;
use crate::shape::{C1, C50, C50X32};
use crate::stores::{REVOKES, SHAPES, Stores, VALIDATES};

impl Report {
    /// Validates and revokes of the redis store and of the embedded one.
    pub(crate) fn stores(&mut self, stores: &Stores) {
        let both = [
            (&stores.validate, VALIDATES, "validate"),
            (&stores.revoke, REVOKES, "revoke"),
        ];
        for (rounds, names, operation) in both {
            for name in names {
                self.rows(name, &series(rounds, name));
            }
            let [redis, embedded] = names;
            for shape in SHAPES {
                let ratio = rounds.ratio(redis, embedded, shape);
                self.ratio(format!("{operation}_redis_vs_embedded_{}", shape.name), ratio);
            }
        }
        let [redis, embedded] = VALIDATES;
        for (shape, name) in [
            (C1, "validate, redis / embedded, c1"),
            (C50, "validate, redis / embedded, c50"),
            (C50X32, "validate, redis / embedded, c50x32"),
        ] {
            let ratio = stores.validate.ratio(redis, embedded, shape);
            self.target(name, ratio, Bound::AtLeast(0.95), "");
        }
        let [redis, embedded] = REVOKES;
        for shape in SHAPES {
            let name = format!("revoke, redis / embedded, {}", shape.name);
            self.figure(&name, stores.revoke.ratio(redis, embedded, shape), "");
        }
    }

    /// What 1,000,000 revocations cost.
    pub(crate) fn fleet(&mut self, fleet: &Fleet) {
        let (t, f, l) = (&fleet.through, &fleet.followed, &fleet.loaded);
        let mut summary = Map::new();
        summary.insert("shared".to_owned(), json!(fleet.shared));
        self.heading(&heading(fleet.shared));
        for (name, words, value, unit) in [
            ("revokes_per_s", "revokes, c50x32", t.acks_per_second, "/s"),
            ("revokes_redis_mib", "  memory of Redis", t.redis_mib, "MiB"),
            ("revokes_redis_cpu_s", "  cpu of Redis", t.redis_cpu_s, "s"),
            ("revokes_daemon_mib", "  memory of the daemon", t.daemon_mib, "MiB"),
            ("revokes_daemon_peak_mib", "  at its peak", t.daemon_peak_mib, "MiB"),
            ("revokes_daemon_cpu_s", "  cpu of the daemon", t.daemon_cpu_s, "s"),
            ("revokes_idle_ms", "  idle after the last, in", t.idle_ms, "ms"),
            ("followed_set_ms", "SETs of another host, in", f.set_ms, "ms"),
            ("followed_behind_ms", "  complete after the last, in", f.behind_ms, "ms"),
            ("followed_redis_mib", "  memory of Redis", f.redis_mib, "MiB"),
            ("followed_redis_cpu_s", "  cpu of Redis", f.redis_cpu_s, "s"),
            ("followed_daemon_mib", "  memory of the daemon", f.daemon_mib, "MiB"),
            ("followed_daemon_peak_mib", "  at its peak", f.daemon_peak_mib, "MiB"),
            ("followed_daemon_cpu_s", "  cpu of the daemon", f.daemon_cpu_s, "s"),
            ("loaded_complete_ms", "a start, complete in", l.complete_ms, "ms"),
            ("loaded_redis_cpu_s", "  cpu of Redis", l.redis_cpu_s, "s"),
            ("loaded_daemon_mib", "  memory of the daemon", l.daemon_mib, "MiB"),
            ("loaded_daemon_peak_mib", "  at its peak", l.daemon_peak_mib, "MiB"),
            ("loaded_daemon_cpu_s", "  cpu of the daemon", l.daemon_cpu_s, "s"),
        ] {
            summary.insert(name.to_owned(), json!(round(value)));
            self.figure(words, value, unit);
        }
        self.note("fleet", summary.into());
    }
}

fn heading(shared: usize) -> String {
    let made = match shared as f64 {
        MILLION => String::new(),
        _ => format!(", of which {shared} were made (memory and cpu scaled up, times as they were)"),
    };
    format!("for 1,000,000 revocations{made}:")
}
