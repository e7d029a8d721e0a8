//! `--dev`: a daemon to try things with, whole in one directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;

use super::Failure;

/// The files that `--dev` serves from.
pub(super) struct Dev {
    directory: PathBuf,
    /// Held while things are made: of two that begin at once, one makes them, and the other finds them whole.
    making: Option<File>,
}

impl Dev {
    /// Makes what is not there yet: a second start in the same directory goes on with the same secret and store.
    pub(super) fn prepare(directory: &Path) -> Result<Self, Failure> {
        let failed = Failure::system;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed("make the --dev directory"))?;
        let directory = directory.canonicalize().map_err(failed("find the --dev directory"))?;
        let making = File::create(directory.join("lock")).map_err(failed("make the --dev lock"))?;
        making.lock().map_err(failed("lock the --dev directory"))?;
        let dev = Self {
            directory,
            making: Some(making),
        };
        let secret = secret().map_err(failed("make a secret"))?;
        dev.write("secret", &secret).map_err(failed("write the --dev secret"))?;
        dev.write("version", "1\n").map_err(failed("write the --dev version"))?;
        dev.write("jwtkeeper.toml", &dev.configuration())
            .map_err(failed("write the --dev configuration"))?;
        Ok(dev)
    }

    /// All is made.
    pub(super) fn made(&mut self) {
        self.making = None;
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("jwtkeeper.toml")
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.directory.join(name))
        {
            Ok(mut file) => file.write_all(text.as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn configuration(&self) -> String {
        let path = |name| toml::Value::from(self.directory.join(name).display().to_string());
        format!(
            "socket = {}\nsocket_mode = \"0600\"\nstate_dir = {}\n\n[realms.default]\nalgorithm = \"HS512\"\n\
             secret_file = {}\nversion_file = {}\nissuer = \"dev.example.com\"\naudience = [\"dev.example.com\"]\n\
             rotation_grace = \"30s\"\n",
            path("jwtkeeper.sock"),
            path("state"),
            path("secret"),
            path("version"),
        )
    }

    /// Returns the text that says how to use it.
    pub(super) fn usage(&self) -> String {
        let directory = self.directory.display();
        let ctl = std::env::current_exe()
            .map(|own| own.with_file_name("jwtkeeperctl"))
            .unwrap_or_default();
        let ctl = ctl.display();
        format!(
            "jwtkeeperd serves for development, on a throw-away secret. In {directory}:\n\
             \x20 jwtkeeper.toml   the configuration (jwtkeeperd --config takes it too)\n\
             \x20 secret, version  change either, and it is in effect\n\
             \x20 state            the denylist store\n\
             \x20 jwtkeeper.sock   the socket\n\n\
             In another terminal:\n\
             \x20 export JWTKEEPER_SOCKET={directory}/jwtkeeper.sock\n\
             \x20 {ctl} issue --claims '{{\"sub\":\"42\"}}'\n\
             \x20 {ctl} validate TOKEN\n\
             \x20 {ctl} rotate TOKEN\n\
             \x20 {ctl} revoke TOKEN\n\
             \x20 {ctl} health\n\n\
             Ctrl-C stops it.\n"
        )
    }
}

/// 64 random bytes as text.
fn secret() -> io::Result<String> {
    let mut bytes = [0; 64];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("there are no random bytes"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
