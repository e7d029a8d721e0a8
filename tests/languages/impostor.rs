//! A daemon of another user. Whoever may write to the socket's directory could have put it there: every language refuses it,
//! unless the user owns the directory, or is named.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jwtkeeper_client::{Config, Issue, Server, blocking};
use tempfile::TempDir;

use crate::app::{Language, built};
use crate::exchange::ask;
use jwtkeeper_testkit::daemons::wait_for;

const OTHER: u32 = 64_031;

struct Impostor {
    child: Child,
    directory: TempDir,
}

impl Impostor {
    /// A real daemon, which serves whoever asks.
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(directory.path(), 0o777);
        let (own, program) = (directory.path().join("own"), directory.path().join("jwtkeeperd"));
        fs::create_dir(&own).unwrap();
        mode(&own, 0o755);
        chown(&own, Some(OTHER), Some(OTHER)).unwrap();
        fs::copy(built("jwtkeeperd"), &program).unwrap();
        let uid = OTHER.to_string();
        let child = Command::new("setpriv")
            .args([
                "--reuid",
                &uid,
                "--regid",
                &uid,
                "--clear-groups",
                "--pdeathsig",
                "KILL",
            ])
            .args([program.as_os_str(), "--dev".as_ref(), own.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let impostor = Self { child, directory };
        symlink(impostor.own_socket(), impostor.shared_socket()).unwrap();
        impostor
    }

    /// In a directory of its own user.
    fn own_socket(&self) -> PathBuf {
        self.directory.path().join("own/jwtkeeper.sock")
    }

    /// In a directory to which everybody may write.
    fn shared_socket(&self) -> PathBuf {
        self.directory.path().join("jwtkeeper.sock")
    }

    fn token(&self) -> String {
        let config = Config::new(self.shared_socket()).with_server(Server::any());
        let client = blocking::Client::new(config);
        let minted = wait_for("the daemon answers", || client.issue(Issue::new()).ok());
        minted.token().to_owned()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// Starts an app of the conformance cases, and has it asked for a page with a token that this daemon takes.
pub fn refuses_an_impostor(language: &Language) {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: no daemon of another user can be started");
        return;
    }
    let impostor = Impostor::start();
    let authorization = format!("Bearer {}", impostor.token());
    let status = |socket: PathBuf, environment: &[(&str, &str)]| {
        let realm = ("JWTKEEPER_TEST_REALM", "default");
        let environment = [&[realm, ("JWTKEEPER_TEST_DEADLINE_MS", "5000")], environment].concat();
        let app = language.start("listening ", &socket, &environment);
        let headers = [("Authorization", Some(authorization.as_str()))];
        ask("GET", &app.url("/"), &headers, None).status
    };
    let uid = OTHER.to_string();
    assert_eq!(status(impostor.shared_socket(), &[]), 500, "{}", language.name);
    assert_eq!(status(impostor.own_socket(), &[]), 200, "{}", language.name);
    let named = [("JWTKEEPER_SERVER_UID", uid.as_str())];
    assert_eq!(status(impostor.shared_socket(), &named), 200, "{}", language.name);
    let another = [("JWTKEEPER_SERVER_UID", "0")];
    assert_eq!(status(impostor.own_socket(), &another), 500, "{}", language.name);
}
