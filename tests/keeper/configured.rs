//! Realms from a configuration and its key files, as the daemon loads them.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use jwtkeeper::config::Settings;
use jwtkeeper::files::Files;
use jwtkeeper::reload::SnapshotStore;
use jwtkeeper_core::denylist::{Denylist, Memory};
use jwtkeeper_core::keeper::{Keeper, Verdict};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::types::Millis;

use jwtkeeper_testkit::world::{MOMENT, Said};

/// A directory with a configuration and key files.
pub(crate) struct Directory {
    directory: tempfile::TempDir,
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// Writes a key file that its owner alone can read.
    pub(crate) fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path(name))
            .unwrap();
        file.write_all(bytes.as_ref()).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Loads the realm `default` of this configuration.
    pub(crate) async fn load(&self, lines: &str) -> Result<Configured, String> {
        let path = self.path("jwtkeeper.toml");
        std::fs::write(&path, format!("[realms.default]\n{lines}")).unwrap();
        let settings = Settings::read(&path, &mut Files::new()).map_err(|faults| faults.to_string())?;
        let denylist: Arc<dyn Denylist> = Arc::new(Memory::default());
        let live = SnapshotStore::start(settings, &mut Files::new(), denylist.clone(), 0, MOMENT)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Configured {
            live: Arc::new(live),
            keeper: Keeper::new(denylist),
            now: MOMENT,
        })
    }
}

/// A realm as loaded.
pub(crate) struct Configured {
    pub(crate) live: Arc<SnapshotStore>,
    pub(crate) keeper: Keeper,
    pub(crate) now: Millis,
}

impl Configured {
    pub(crate) fn say(&self, token: &str) -> Said {
        let (snapshot, mut buffer) = (self.live.snapshot(), Vec::new());
        let served = snapshot.realm("").unwrap();
        match self.keeper.validate(
            served,
            self.now,
            token.as_bytes(),
            None,
            &mut buffer,
            &mut Effort::default(),
        ) {
            Verdict::Valid { rotation, .. } => Said::Valid(rotation),
            Verdict::Invalid(rejection) => Said::Invalid(rejection.reason),
        }
    }

    pub(crate) fn issue(&self) -> String {
        let snapshot = self.live.snapshot();
        let served = snapshot.realm("").unwrap();
        let unsigned = self.keeper.issue(served, self.now, b"", None).unwrap();
        unsigned.sign(served).unwrap().token
    }

    /// What health warns of.
    pub(crate) fn notes(&self) -> Vec<String> {
        let snapshot = self.live.snapshot();
        snapshot.realms().flat_map(|realm| realm.notes().to_vec()).collect()
    }
}
