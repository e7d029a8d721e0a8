//! The log: the journal's entries with their fields where stderr is the journal, else lines on stderr, for a terminal
//! or as JSON. Never a secret, a token or a cookie secret.

use std::io::IsTerminal;
use std::sync::OnceLock;

use nix::sys::stat::fstat;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::journal::Journal;
use crate::config::LogFormat;

type SetLevel = Box<dyn Fn(&str) + Send + Sync>;

/// Changes the level of the log that was started.
static SET: OnceLock<SetLevel> = OnceLock::new();

/// Begins to log at this level (checked when the configuration was read).
pub(super) fn start(level: &str, format: LogFormat) {
    let (filter, handle) = reload::Layer::new(filter(level));
    let log = tracing_subscriber::registry().with(form(format)).with(filter);
    let set = move |level: &str| drop(handle.reload(self::filter(level))); // fails only once there is no log
    let _ = SET.set(Box::new(set)); // there is one already only where a test started it
    let _ = tracing::subscriber::set_global_default(log); // there is one already only where a test started it
}

/// Logs at another level from now on.
pub(super) fn set_level(level: &str) {
    if let Some(set) = SET.get() {
        set(level);
    }
}

fn form(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = || fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => lines().json().flatten_event(true).boxed(),
        LogFormat::Auto
            if is_journal()
                && let Ok(journal) = tracing_journald::layer() =>
        {
            let journal = journal.with_field_prefix(None);
            Journal(journal.with_syslog_identifier("jwtkeeperd".to_owned())).boxed()
        }
        LogFormat::Auto | LogFormat::Text => lines().with_ansi(std::io::stderr().is_terminal()).boxed(),
    }
}

/// Returns true if stderr is the journal's (JOURNAL_STREAM, systemd.exec(5)): else its lines would be lost to whoever
/// redirected it.
fn is_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else {
        return false;
    };
    let stderr = std::io::stderr();
    let found = fstat(&stderr)
        .ok()
        .map(|found| format!("{}:{}", found.st_dev, found.st_ino));
    found.as_deref() == Some(stream.as_str())
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}
