//! Properties: what holds for whatever is tried.

mod agreement;
mod flips;
mod lattice;
mod threads;

use proptest::test_runner::Config;

/// So many cases, or what PROPTEST_CASES says; and no file of failures beside the sources: a failure prints what it
/// needs.
fn cases(cases: u32) -> Config {
    let default = Config::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    Config {
        cases: if asked { default.cases } else { cases },
        failure_persistence: None,
        ..default
    }
}
