//! Text for whoever runs the program, before there is a log and for `--check`. A closed pipe is no failure of the
//! program.

use std::io::Write;

/// Writes to stdout.
pub(super) fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Writes to stderr.
pub(super) fn warn(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
