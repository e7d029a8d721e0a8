//! A daemon in namespaces of its own: with mounts that nobody else sees, or less of what the kernel hands out.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::unistd::geteuid;

/// True for a user namespace of its own, with limits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    Shared,
    Own,
}

/// `command`, run after a shell script in a mount namespace.
pub fn inside(command: &Command, script: &str, users: Users) -> Command {
    let mut inside = unshare(users);
    let script = format!("set -eu\n{script}\nexec \"$@\"");
    inside.args(["sh", "-c", &script, "sh"]).arg(command.get_program());
    inside.args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        inside.env(name, value.unwrap_or_default());
    }
    inside
}

/// A small disk of its own (tmpfs) in the place of a directory, for whatever runs on it one after the other.
pub struct SmallDisk {
    shell: Child,
    answers: BufReader<ChildStdout>,
    directory: String,
}

impl SmallDisk {
    /// With what the directory holds, and this much room (as mount has it).
    pub fn new(directory: &Path, size: &str) -> Self {
        let mut shell = unshare(Users::Shared);
        let mut shell = shell
            .args(["sh", "-eu"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(shell.stdout.take().unwrap());
        let directory = directory.display().to_string();
        let mut disk = Self {
            shell,
            answers,
            directory,
        };
        let own = &disk.directory;
        let copy = "cp --recursive --preserve --sparse=never";
        disk.run(&format!(
            "{copy} '{own}' '{own}.aside'; mount -t tmpfs -o size={size},mode=0700 tmpfs '{own}'; {copy} '{own}.aside/.' '{own}'"
        ));
        disk
    }

    /// Leaves no room.
    pub fn fill(&mut self) {
        self.run(&format!("cat /dev/zero 2>/dev/null >'{}/fill' || true", self.directory));
    }

    /// Makes room again.
    pub fn free(&mut self) {
        self.run(&format!("rm '{}/fill'", self.directory));
    }

    /// `command`, run where the disk is seen.
    pub fn on(&self, command: &Command) -> Command {
        let mut on = Command::new("nsenter");
        on.arg(format!("--target={}", self.shell.id())).arg("--mount");
        if !geteuid().is_root() {
            on.args(["--user", "--preserve-credentials"]);
        }
        on.arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            on.env(name, value.unwrap_or_default());
        }
        on
    }

    fn run(&mut self, script: &str) {
        writeln!(self.shell.stdin.as_mut().unwrap(), "{script}\necho done").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "{script}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.shell.stdin.take()); // at the end of its script it ends
        let _ = self.shell.wait();
    }
}

/// Returns true if this host permits such namespaces; some containers do not.
#[allow(
    clippy::print_stdout,
    reason = "whoever reads what was tested must be told what was not"
)]
pub fn can(users: Users) -> bool {
    let mut command = unshare(users);
    let can = command
        .arg("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !can {
        println!("not shown: this host allows no namespaces ({command:?})");
    }
    can
}

fn unshare(users: Users) -> Command {
    let mut unshare = Command::new("unshare");
    // Who is not root can mount only as the root of a user namespace.
    if users == Users::Own || !geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.arg("--mount");
    unshare
}
