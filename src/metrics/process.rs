//! Metrics of the process by the kernel, under the names that Prometheus's clients have for them. A value that is
//! missing is left out.

use std::fmt;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;

use super::families::Families;
use jwtkeeper_core::types::Millis;

pub(super) fn collect(began: Millis, families: &mut Families<'_>) -> fmt::Result {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
    let cpu = usage.map(|usage| (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6);
    families.counter_if_any("process_cpu_seconds", "CPU time, user and system.", cpu)?;
    families.gauge(
        "process_start_time_seconds",
        "When the daemon began, in seconds since 1970.",
        began.0 as f64 / 1e3,
    )?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    families.gauge_if_any(
        "process_resident_memory_bytes",
        "Memory that is resident.",
        number(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024),
    )?;
    families.gauge_if_any(
        "process_virtual_memory_bytes",
        "Memory that is mapped.",
        number(&status, "VmSize:").map(|kibibytes| kibibytes * 1024),
    )?;
    families.gauge_if_any("process_threads", "Threads.", number(&status, "Threads:"))?;
    // Less the one that it is counted by.
    let open = std::fs::read_dir("/proc/self/fd")
        .ok()
        .map(|all| all.count().saturating_sub(1));
    families.gauge_if_any("process_open_fds", "Open descriptors.", open.map(|open| open as u64))?;
    let most = getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft as f64);
    families.gauge_if_any("process_max_fds", "Descriptors that may be open.", most)
}

/// The number behind a name.
fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
