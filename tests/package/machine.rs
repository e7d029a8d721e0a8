//! A Debian of its own for one test: a copy of the root that tests/tools/debian-root makes, booted by its own systemd.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use jwtkeeper_client::{Config, blocking::Client};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::packages::{DAEMON, kept, package, printed, project, succeeded};
use jwtkeeper_testkit::daemons::{PATIENCE, until, wait_for};

pub struct Machine {
    directory: TempDir,
    container: Child,
    /// Its systemd, as this machine numbers it.
    leader: i32,
}

impl Machine {
    /// Boots one without any of our packages.
    pub fn bare() -> Self {
        let directory = copy_of_debian();
        let log = std::fs::File::create(directory.path().join("console")).unwrap();
        let mut boot = Command::new(project().join("tests/tools/boot"));
        boot.arg(directory.path().join("root"))
            .stdin(Stdio::null())
            .process_group(0);
        let container = boot.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut machine = Self {
            directory,
            container,
            leader: 0,
        };
        machine.leader = wait_for("a systemd", || {
            let ended = machine.container.try_wait().unwrap();
            assert!(ended.is_none(), "it was not booted: {}", machine.console());
            child_of(machine.container.id())
        });
        until("it is booted", || {
            machine.try_sh("systemctl is-system-running --wait").status.success()
        });
        machine
    }

    /// Boots one, and installs the daemon's package.
    pub fn installed() -> Self {
        let machine = Self::bare();
        machine.install();
        machine
    }

    /// Installs the package, or installs it again. Returns what that printed.
    pub fn install(&self) -> String {
        std::fs::copy(package(DAEMON), self.path("jwtkeeperd.deb")).unwrap();
        self.sh("dpkg --install --force-confold /jwtkeeperd.deb 2>&1")
    }

    /// A file of the machine, seen from here. Not below /run or /tmp: those are its own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("root").join(name.trim_start_matches('/'))
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs a script in it, as root.
    pub fn try_sh(&self, script: &str) -> Output {
        let mut command = Command::new("nsenter");
        let leader = self.leader.to_string();
        command.args([
            "--target", &leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
        ]);
        command.args(["--root", "--wd", "/bin/sh", "-eu", "-c", script]);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// The same; it must succeed. Returns what it printed.
    pub fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        if !output.status.success() {
            let journal = self.try_sh("journalctl --no-pager --lines=40");
            eprintln!("{}", String::from_utf8_lossy(&journal.stdout));
        }
        succeeded(script, &output);
        String::from_utf8(output.stdout).unwrap()
    }

    /// A property of a unit, as systemctl shows it.
    pub fn show(&self, unit: &str, property: &str) -> String {
        let shown = self.sh(&format!("systemctl show --value --property={property} {unit}"));
        shown.trim().to_owned()
    }

    /// The daemon, as the machine numbers it.
    pub fn daemon(&self) -> String {
        self.show("jwtkeeperd.service", "MainPID")
    }

    pub fn socket(&self) -> PathBuf {
        format!("/proc/{}/root/run/jwtkeeper/jwtkeeper.sock", self.leader).into()
    }

    /// A client on this side; to the daemon it is root's.
    pub fn client(&self) -> Client {
        Client::new(Config::new(self.socket()).with_deadline(PATIENCE))
    }

    fn console(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("console")).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its init ends, and so everything in it does; then systemd-nspawn.
        if self.leader != 0 {
            let _ = kill(Pid::from_raw(self.leader), Signal::SIGKILL);
        } else {
            let _ = self.container.kill();
        }
        let _ = self.container.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.console());
        }
    }
}

/// A root of Debian that the caller may change.
pub fn copy_of_debian() -> TempDir {
    let root = kept().join("debian");
    printed(Command::new(project().join("tests/tools/debian-root")).arg(&root));
    let copy = tempfile::tempdir_in(kept()).unwrap();
    printed(
        Command::new("cp")
            .args(["--archive", "--reflink=auto"])
            .arg(root.join("root"))
            .arg(copy.path()),
    );
    copy
}

/// The one child of a process that is the first one of its own namespace.
pub fn child_of(parent: u32) -> Option<i32> {
    let of = |status: &str, name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.unwrap_or_default()
    };
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|process| std::fs::read_to_string(Path::new(&process.path()).join("status")).ok())
        .find(|status| {
            let inner = of(status, "NSpid:");
            of(status, "PPid:").trim() == parent.to_string() && inner.split_whitespace().nth(1) == Some("1")
        })
        .and_then(|status| of(&status, "Pid:").trim().parse().ok())
}
