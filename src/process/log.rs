//! The log: lines on stderr, for the journal or a terminal. Never a secret, a token or a cookie secret.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

type SetLevel = Box<dyn Fn(&str) + Send + Sync>;

/// Changes the level of the log that was started.
static SET: OnceLock<SetLevel> = OnceLock::new();

/// Begins to log at this level (checked when the configuration was read).
pub(super) fn start(level: &str) {
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter(level))
        .with_filter_reloading();
    let handle = log.reload_handle();
    let set = move |level: &str| drop(handle.reload(filter(level))); // fails only once there is no log
    let _ = SET.set(Box::new(set)); // there is one already only where a test started it
    let log = log.finish();
    let _ = tracing::subscriber::set_global_default(log); // there is one already only where a test started it
}

/// Logs at another level from now on.
pub(super) fn set_level(level: &str) {
    if let Some(set) = SET.get() {
        set(level);
    }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}
