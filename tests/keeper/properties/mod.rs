//! Properties: what holds for whatever is tried.

mod agreement;
mod flips;
mod lattice;
mod threads;

use proptest::test_runner::Config;

/// So many cases, and no file of failures beside the sources: a failure prints what it needs.
fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}
