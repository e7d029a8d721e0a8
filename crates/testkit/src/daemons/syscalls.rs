//! The system calls of a daemon that the unit's filter would kill: those that are not in SystemCallFilter= of
//! systemd/jwtkeeperd.service, told by strace, which the kernel asks for no others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const UNIT: &str = include_str!("../../../../systemd/jwtkeeperd.service");

/// The daemon's command; as `make prove-syscalls` has it, watched: JWTKEEPER_TEST_SYSCALLS is the directory for what
/// it finds.
pub fn watched(program: &Path) -> Command {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| std::env::var_os("JWTKEEPER_TEST_SYSCALLS").map(PathBuf::from));
    match found {
        None => Command::new(program),
        Some(directory) => {
            static ALLOWED: OnceLock<BTreeSet<String>> = OnceLock::new();
            std::fs::create_dir_all(directory).unwrap();
            let file = tempfile::Builder::new()
                .prefix("daemon-")
                .tempfile_in(directory)
                .unwrap();
            let (_, path) = file.keep().unwrap();
            outside(ALLOWED.get_or_init(allowed), &path, program)
        }
    }
}

/// A command that writes to a file each system call outside of `allowed`. The program stays this process's child: the
/// one that traces is a grandchild.
pub fn outside(allowed: &BTreeSet<String>, file: &Path, program: &Path) -> Command {
    // A question mark: a call that this strace does not know is none that it could tell of.
    let allowed: Vec<_> = allowed.iter().map(|name| format!("?{name}")).collect();
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "--seccomp-bpf", "-e", "signal=none", "-e"]);
    command
        .arg(format!("trace=!{}", allowed.join(",")))
        .arg("-o")
        .arg(file)
        .arg(program);
    command
}

/// The system calls that the unit allows.
pub fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    let lines = UNIT.lines().filter_map(|line| line.strip_prefix("SystemCallFilter="));
    for line in lines {
        let (forbid, sets) = match line.strip_prefix('~') {
            Some(sets) => (true, sets),
            None => (false, line),
        };
        for call in sets.split_whitespace().flat_map(expand) {
            if forbid {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    allowed
}

/// A call, or those of a set of systemd's.
fn expand(name: &str) -> Vec<String> {
    if !name.starts_with('@') {
        return vec![name.to_owned()];
    }
    let output = Command::new("systemd-analyze").args(["syscall-filter", name]).output();
    let output = output.expect("systemd-analyze is missing; make test installs it as root");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().skip(1).map(str::trim);
    let calls = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    calls.flat_map(expand).collect()
}
