//! A daemon in namespaces of its own: with mounts that nobody else sees, or less of what the kernel hands out.

use std::process::{Command, Stdio};

use nix::unistd::geteuid;

/// Whether it is to have users of its own, and with them limits of its own.
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

/// Whether this host lets us have such namespaces: some containers do not. Says so where it does not.
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
