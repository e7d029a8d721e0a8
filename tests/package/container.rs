//! The container's image, without an engine: the steps of packaging/container/Containerfile in a root of Debian, and its
//! command as process 1 of a container of systemd-nspawn's.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use jwtkeeper_client::{Config, Issue, blocking::Client};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::machine::{child_of, copy_of_debian};
use crate::packages::{DAEMON, package, printed, project};
use jwtkeeper_testkit::daemons::{PATIENCE, until, wait_for};

/// What the Containerfile says after a word, as a list of arguments.
fn said(word: &str) -> Vec<String> {
    let file = std::fs::read_to_string(project().join("packaging/container/Containerfile")).unwrap();
    let line = file.lines().find(|line| line.starts_with(word)).unwrap().to_owned();
    serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
}

struct Image(TempDir);

impl Image {
    fn new() -> Self {
        let image = Self(copy_of_debian());
        std::fs::create_dir(image.volume()).unwrap();
        std::os::unix::fs::chown(image.volume(), Some(7519), Some(7519)).unwrap();
        std::fs::copy(package(DAEMON), image.root().join("package.deb")).unwrap();
        std::fs::copy(
            project().join("packaging/container/build-root.sh"),
            image.root().join("build-root.sh"),
        )
        .unwrap();
        printed(
            Command::new("chroot")
                .arg(image.root())
                .args(["sh", "/build-root.sh", "/package.deb"]),
        );
        // What is mounted into it: a secret that the daemon's user may read.
        let secret = "printf %s 0123456789012345678901234567890123456789012345678901234567890123456789 > /etc/jwtkeeper/secret\n\
            chown 7519:7519 /etc/jwtkeeper/secret && chmod 0400 /etc/jwtkeeper/secret";
        printed(Command::new("chroot").arg(image.root()).args(["sh", "-euc", secret]));
        image
    }

    /// The directory of the socket, on this side.
    fn volume(&self) -> PathBuf {
        self.0.path().join("socket")
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    /// The image's command, with arguments, as process 1 and as the image's user.
    fn run(&self, arguments: &[&str]) -> Command {
        let mut entry = said("ENTRYPOINT");
        entry.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let mut command = Command::new(project().join("tests/tools/boot"));
        // The volume that apps mount too.
        let volume = format!("--bind={}:/run/jwtkeeper", self.volume().display());
        command
            .arg(self.root())
            .args(["--user=jwtkeeper", &volume])
            .arg("--")
            .args(entry);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

struct Container(Child);

impl Container {
    /// The daemon, as this machine numbers it.
    fn daemon(&self) -> i32 {
        wait_for("a process 1", || child_of(self.0.id()))
    }

    fn ended(&mut self) -> ExitStatus {
        wait_for("it ends", || self.0.try_wait().unwrap())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(daemon) = child_of(self.0.id()) {
            let _ = kill(Pid::from_raw(daemon), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

/// The image's own health check, inside.
fn healthy(daemon: i32) -> bool {
    let mut check = Command::new("nsenter");
    let daemon = daemon.to_string();
    check.args([
        "--target",
        &daemon,
        "--mount",
        "--pid",
        "--net",
        "--root",
        "--wd",
        "--setuid=7519",
        "--setgid=7519",
    ]);
    check.arg("--").arg("/usr/bin/env").args(said("HEALTHCHECK"));
    check.output().unwrap().status.success()
}

/// An engine restarts what is not healthy: that would not mend a file, and would end a daemon that serves.
fn rejected_file_keeps_it_healthy(image: &Image, client: &Client, daemon: i32) {
    let file = image.root().join("etc/jwtkeeper/jwtkeeper.toml");
    let right = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("no_such_key = 1\n{right}")).unwrap();
    until("the file is rejected", || !client.health().unwrap().ready);
    assert!(healthy(daemon));
    std::fs::write(&file, right).unwrap();
    until("the file is accepted", || client.health().unwrap().ready);
}

#[test]
fn serves_as_process_1_and_stops_when_told() {
    let image = Image::new();
    // A lost volume is no first start: the store is made once, by hand.
    let first = image.run(&[]).output().unwrap();
    assert_eq!(
        first.status.code(),
        Some(78),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    let made = image.run(&["--init"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let mut token: Option<String> = None;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut container = Container(image.run(&[]).spawn().unwrap());
        let daemon = container.daemon();
        until("the health check passes", || healthy(daemon));
        let status = std::fs::read_to_string(Path::new("/proc").join(daemon.to_string()).join("status")).unwrap();
        assert!(
            status.contains("Name:\tjwtkeeperd") && status.contains("Uid:\t7519"),
            "{status}"
        );

        let socket = image.volume().join("jwtkeeper.sock");
        let client = Client::new(Config::new(socket).with_deadline(PATIENCE));
        if let Some(token) = &token {
            let valid = client.validate(token.as_str()).unwrap().is_valid();
            assert!(valid, "what an earlier one minted");
        }
        token = Some(client.issue(Issue::new()).unwrap().token().to_owned());
        rejected_file_keeps_it_healthy(&image, &client, daemon);
        kill(Pid::from_raw(daemon), signal).unwrap();
        let ended = container.ended();
        assert!(ended.success(), "{signal}: {ended}");
    }
}
