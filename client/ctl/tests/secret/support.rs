//! A directory of a test's own, and the command run in it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const CTL: &str = env!("CARGO_BIN_EXE_jwtkeeperctl");

/// The previous content of the file.
pub(crate) const OLD: &str = "the old secret, long enough for every hash: 0123456789abcdef 0123456789abcdef";

/// The length of a secret for HS512 in bytes: 64 of them as base64url.
pub(crate) const NEW_LENGTH: usize = 86;

pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// With a file `secret` that holds the old secret.
    pub(crate) fn with_old() -> Self {
        let place = Self::new();
        fs::write(place.secret(), OLD).unwrap();
        chmod(&place.secret(), 0o600);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.path("secret")
    }

    pub(crate) fn content(&self) -> String {
        fs::read_to_string(self.secret()).unwrap()
    }

    /// The names of all that is there, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The one backup.
    pub(crate) fn backup(&self) -> PathBuf {
        let names = self.names().into_iter().filter(|name| name.starts_with("secret.bak-"));
        let [name] = names.collect::<Vec<_>>().try_into().unwrap();
        self.path(&name)
    }

    /// The old secret is there, with nothing beside it.
    pub(crate) fn assert_untouched(&self, case: &str) {
        assert_eq!(self.content(), OLD, "{case}");
        assert_eq!(self.names(), ["secret"], "{case}");
    }
}

/// `secret generate` with these arguments.
pub(crate) fn generate(args: &[&str]) -> Command {
    let mut command = Command::new(CTL);
    command.args(["secret", "generate"]).args(args).stdin(Stdio::null());
    command
}

/// `secret generate` into a file.
pub(crate) fn generate_into(file: &Path) -> Command {
    let mut command = generate(&[]);
    command.arg(file);
    command
}

/// It succeeds and complains of nothing; returns what it prints.
pub(crate) fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{command:?}");
    said
}

/// It fails with this exit status and one line on stderr, which it returns.
pub(crate) fn refused(command: Command, exit: i32) -> String {
    complained(&{ command }.output().unwrap(), exit)
}

pub(crate) fn complained(output: &Output, exit: i32) -> String {
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{complaint}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    complaint
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
