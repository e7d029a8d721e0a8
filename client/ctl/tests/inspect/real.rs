//! A real daemon, with realms that differ in one thing each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use jwtkeeper_testkit::pace::until;

pub(crate) const CTL: &str = env!("CARGO_BIN_EXE_jwtkeeperctl");

/// The name, the algorithm, the key, and the settings of its own.
const REALMS: [(&str, &str, &str, &str); 9] = [
    (
        "default",
        "HS256",
        "one",
        "issuer = \"a\"\naudience = [\"x\"]\nversion_file = \"DIR/version\"",
    ),
    ("secret", "HS256", "two", ""),
    ("issuer", "HS256", "one", "issuer = \"b\"\naudience = [\"x\"]"),
    ("audience", "HS256", "one", "issuer = \"a\"\naudience = [\"y\"]"),
    ("brief", "HS256", "one", "expiry = \"1m\"\nmax_lifetime = \"1m\""),
    ("locked", "HS256", "one", "cookie_lock = \"required\""),
    ("free", "HS256", "one", "rotation_grace = \"0s\""),
    ("ec", "ES256", "ec-one", ""),
    ("ec2", "ES256", "ec-two", "kid = \"two\""),
];

pub(crate) struct Real {
    directory: TempDir,
    child: Option<Child>,
}

impl Real {
    pub(crate) fn start() -> Self {
        let mut real = Self {
            directory: tempfile::tempdir().unwrap(),
            child: None,
        };
        for (key, algorithm) in [
            ("one", "HS256"),
            ("two", "HS256"),
            ("ec-one", "ES256"),
            ("ec-two", "ES256"),
        ] {
            let file = real.path(key);
            let made = Command::new(CTL)
                .args(["secret", "generate", "--algorithm", algorithm])
                .arg(&file)
                .output();
            assert!(made.unwrap().status.success());
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0);
        }
        fs::write(real.path("version"), "1\n").unwrap();
        let directory = real.path("").display().to_string();
        let mut text = format!("socket = \"{directory}/socket\"\nstate_dir = \"{directory}/state\"\n");
        for (name, algorithm, key, lines) in REALMS {
            let file = if algorithm == "HS256" {
                "secret_file"
            } else {
                "key_file"
            };
            let lines = lines.replace("DIR", &directory);
            text.push_str(&format!(
                "[realms.{name}]\nalgorithm = \"{algorithm}\"\n{file} = \"{directory}/{key}\"\n{lines}\n"
            ));
        }
        fs::write(real.path("jwtkeeper.toml"), text).unwrap();
        let made = real.daemon().arg("--init").output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        real.child = Some(real.daemon().stderr(Stdio::null()).spawn().unwrap());
        until("the daemon answers", || {
            real.run(&["--timeout", "1s", "ping"]).status.success()
        });
        real
    }

    fn daemon(&self) -> Command {
        let program = Path::new(CTL).with_file_name("jwtkeeperd");
        assert!(
            program.exists(),
            "{} is not built; run make test, or cargo build --workspace",
            program.display()
        );
        let mut command = Command::new(program);
        command.arg("--config").arg(self.path("jwtkeeper.toml"));
        command
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(CTL);
        command.arg("--socket").arg(self.path("socket")).args(args);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Returns the output; it must succeed.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A token of the realm.
    pub(crate) fn issue(&self, realm: &str, args: &[&str]) -> String {
        let said = self.done(&[&["--realm", realm, "issue"], args].concat());
        said.lines().next().unwrap().to_owned()
    }

    /// The object that `inspect` prints, and its exit code.
    pub(crate) fn inspect(&self, realm: &str, token: &str) -> (i32, Value) {
        let output = self.run(&["--json", "--realm", realm, "inspect", token]);
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let shape = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {said}"));
        (output.status.code().unwrap(), shape)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = child.kill();
            let _waited = child.wait();
        }
    }
}
