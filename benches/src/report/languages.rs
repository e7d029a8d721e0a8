//! The figures of the languages.

use serde_json::{Map, json};

use super::Report;
use crate::languages::{Cost, RUST};
use crate::measure::round;

impl Report {
    /// What one validate costs from each language.
    pub(crate) fn languages(&mut self, costs: &[Cost]) {
        self.heading("one validate from each language, on one thread:");
        self.heading(&format!(
            "{:<12}{:>12}{:>12}{:>12}{:>14}{:>12}",
            "language", "per second", "p50 µs", "p99 µs", "time / rust's", "ffi ns"
        ));
        let mut summary = Map::new();
        for cost in costs {
            let ffi = cost.ffi_ns.map_or("-".to_owned(), |ns| format!("{ns:.0}"));
            self.heading(&format!(
                "{:<12}{:>12.0}{:>12.1}{:>12.1}{:>14.2}{ffi:>12}",
                cost.language, cost.per_second, cost.p50_us, cost.p99_us, cost.to_rust
            ));
            let row = json!({
                "per_second": round(cost.per_second),
                "p50_us": round(cost.p50_us),
                "p99_us": round(cost.p99_us),
                "ffi_ns": cost.ffi_ns,
            });
            summary.insert(cost.language.to_owned(), row);
            if cost.language != RUST {
                self.ratio(format!("validate_{}_vs_{RUST}_time", cost.language), cost.to_rust);
            }
        }
        self.note("languages", summary.into());
    }
}
