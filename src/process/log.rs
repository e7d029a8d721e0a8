//! The log: lines on stderr, for the journal or a terminal. Never a secret, a token or a cookie secret.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Begins to log at this level (checked when the configuration was read).
pub(super) fn start(level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .finish();
    let _ = tracing::subscriber::set_global_default(log); // there is one already only where a test started it
}
