//! What the figures were measured on.

use std::path::Path;

use serde_json::{Value, json};

/// The machine and the versions.
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    file_system: String,
    load: f64,
    redis: Option<String>,
}

impl Machine {
    /// Looks at this machine; `dir` holds the store.
    pub(crate) fn look(dir: &Path, redis: Option<String>) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map(|(_, name)| name.trim().to_owned());
        Self {
            cpu: cpu.unwrap_or_else(|| "unknown".to_owned()),
            cores: cores(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), dir).unwrap_or_else(|| "unknown".to_owned()),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
            redis,
        }
    }

    /// For the summary.
    pub(crate) fn json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cores": self.cores,
            "kernel": self.kernel,
            "file_system": self.file_system,
            "load_before": self.load,
            "redis": self.redis,
            "jwtkeeper": env!("CARGO_PKG_VERSION"),
        })
    }

    /// For the head of the table.
    pub(crate) fn lines(&self) -> [String; 2] {
        let memory = match self.file_system.as_str() {
            "tmpfs" | "ramfs" => " (in memory: what is said of fsync means nothing; name a disk with --dir)",
            _ => "",
        };
        // Every peer yields to what else runs, and not alike.
        let busy = if self.load > 0.5 {
            " (not idle: the ratios are less sure)"
        } else {
            ""
        };
        let redis = self.redis.as_deref().unwrap_or("not asked");
        [
            format!(
                "{}, {} cores, Linux {}; load before the run {}{busy}",
                self.cpu, self.cores, self.kernel, self.load
            ),
            format!(
                "jwtkeeper {}, redis {redis}, store on {}{memory}",
                env!("CARGO_PKG_VERSION"),
                self.file_system
            ),
        ]
    }
}

/// Processors that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The type of the file system that `dir` lies in: the longest mount point above it, the last one mounted there.
fn file_system(mounts: &str, dir: &Path) -> Option<String> {
    let parse = |line: &str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let above = mounts
        .lines()
        .filter_map(parse)
        .filter(|(point, _)| dir.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_point_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/vdb /run/disk xfs rw 0 0\n";
        let kind = |dir: &str| file_system(mounts, Path::new(dir)).unwrap();
        assert_eq!(kind("/srv/x"), "ext4");
        assert_eq!(kind("/run/x"), "tmpfs");
        assert_eq!(kind("/run/disk/x"), "xfs");
        assert_eq!(kind("/runner"), "ext4");
    }
}
