//! The output of an observation: a screen, a line, or an object.

use std::time::Duration;

use serde::Serialize;

use super::Seen;
use super::look::{Look, Rates};
use crate::document::Document;
use crate::paint::{Line, Paint, Part, columns};
use crate::summary::{headline, realms, texts};
use crate::times::{span, time};

/// At most as many lines as there is room for.
pub(super) fn frame(seen: &Seen, interval: Duration, height: usize) -> Vec<Line> {
    let mut lines = match &seen.look {
        Ok((look, rates)) => of_look(look, rates),
        Err(error) => vec![Line::new().with(Paint::Bad.on("NO ANSWER")).with(format!(", {error}"))],
    };
    let ping = match &seen.look {
        Ok((look, _)) => format!(", ping {} µs", look.ping.as_micros()),
        Err(_) => String::new(),
    };
    let every = humantime::format_duration(interval);
    let about = format!("{}, every {every}{ping}; q ends", time(seen.at));
    lines.insert(1, Line::new().with(Paint::Dim.on(about)));
    lines.truncate(height);
    lines
}

fn of_look(look: &Look, rates: &Rates) -> Vec<Line> {
    let document = look.document();
    let mut lines = vec![headline(&look.health, &document)];
    lines.extend(texts("faults", Paint::Bad, &document.faults));
    lines.extend(texts("warnings", Paint::Odd, &document.warnings));
    let mut rows: Vec<Vec<Part>> = Vec::new();
    let mut row = |name: &str, total: Option<u64>, rate: Option<&f64>| {
        if let Some(total) = total {
            let rate = rate.map_or(String::new(), |rate| format!("{rate:.1}/s"));
            rows.push(vec![name.into(), total.to_string().into(), rate.into()]);
        }
    };
    row("entries", document.store.entries, None);
    row("age of the copy, ms", document.store.age_ms, None);
    row("pending for Redis", document.store.pending, None);
    row("repaired", document.store.repaired, None);
    for (name, total) in look.counters() {
        row(name, Some(*total), rates.get(name));
    }
    lines.extend(columns(0, &rows));
    lines.extend(realms(&document));
    lines
}

/// One line, and below it the faults that were not said before. `said` are those of the line before.
pub(super) fn lines(seen: &Seen, said: &mut Vec<String>) -> Vec<Line> {
    let line = Line::new().with(format!("{} ", time(seen.at)));
    let (look, rates) = match &seen.look {
        Ok(look) => look,
        Err(error) => return vec![line.with(Paint::Bad.on("NO ANSWER")).with(format!(", {error}"))],
    };
    let document = look.document();
    let state = match look.health.ready {
        true => Paint::Good.on("ready"),
        false => Paint::Bad.on("NOT READY"),
    };
    let mut parts = vec![format!(", generation {}", look.health.generation)];
    parts.extend(document.uptime_seconds.map(|seconds| format!("up {}", span(seconds))));
    parts.extend(document.store.entries.map(|entries| format!("{entries} entries")));
    for name in ["changes", "commits"] {
        parts.extend(rates.get(name).map(|rate| format!("{rate:.1} {name}/s")));
    }
    parts.extend(requests(rates).map(|rate| format!("{rate:.1} requests/s")));
    parts.extend(document.reuses.map(|reuses| format!("{reuses} reuses")));
    parts.push(format!("{} faults", document.faults.len()));
    parts.push(format!("ping {} µs", look.ping.as_micros()));
    let mut lines = vec![line.with(state).with(parts.join(", "))];
    let new: Vec<_> = document
        .faults
        .iter()
        .filter(|fault| !said.contains(fault))
        .cloned()
        .collect();
    lines.extend(texts("", Paint::Bad, &new).into_iter().skip(1));
    *said = document.faults;
    lines
}

/// All requests in a second; none where the daemon does not count them.
fn requests(rates: &Rates) -> Option<f64> {
    let is_one = |name: &&String| name.starts_with("requests") || name.contains(" requests");
    let rates: Vec<f64> = rates
        .iter()
        .filter(|(name, _)| is_one(name))
        .map(|(_, rate)| *rate)
        .collect();
    (!rates.is_empty()).then(|| rates.iter().sum())
}

#[derive(Serialize)]
pub(super) struct Shape {
    at: u64,
    /// Why there was no answer; then the others are null.
    error: Option<String>,
    ready: Option<bool>,
    generation: Option<u64>,
    uptime_seconds: Option<u64>,
    entries: Option<u64>,
    reuses: Option<u64>,
    faults: Option<Vec<String>>,
    ping_microseconds: Option<u64>,
    /// In a second since the look before; empty in the first.
    rates: Rates,
}

impl Shape {
    pub(super) fn of(seen: &Seen) -> Self {
        let (look, rates) = match &seen.look {
            Ok((look, rates)) => (Some(look), rates.clone()),
            Err(_) => (None, Rates::new()),
        };
        let document = look.map(Look::document).unwrap_or_default();
        let Document { store, faults, .. } = document;
        Self {
            at: seen.at,
            error: seen.look.as_ref().err().map(ToString::to_string),
            ready: look.map(|look| look.health.ready),
            generation: look.map(|look| look.health.generation),
            uptime_seconds: document.uptime_seconds,
            entries: store.entries,
            reuses: document.reuses,
            faults: look.map(|_| faults),
            ping_microseconds: look.map(|look| look.ping.as_micros() as u64),
            rates,
        }
    }
}
