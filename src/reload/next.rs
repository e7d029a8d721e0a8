//! The next snapshot by the files: the new configuration with its keys, or, where it has a fault, the running
//! one with keys read anew. Two kinds of unit, each all or nothing: the configuration, and each realm's key files.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::fault::Faults;
use crate::config::keys::{self, Loaded};
use crate::config::settings::Settings;
use crate::files::Files;
use crate::reload::snapshot::{AllKeys, Snapshot};

/// The next snapshot.
pub(super) struct Next {
    pub(super) settings: Arc<Settings>,
    /// The keys of every realm of theirs.
    pub(super) keys: AllKeys,
    pub(super) faults: Faults,
    /// The faults of files that are not read anew while they are being written.
    pub(super) standing: KnownFaults,
}

/// Faults that stand until the files that have them have been read again.
#[derive(Clone, Default)]
pub(super) struct KnownFaults {
    /// Of the configuration as it is in its files.
    configuration: Faults,
    /// Of the key files of realms.
    realms: HashMap<String, Faults>,
}

impl Next {
    /// Reads it all; `standing` is what was wrong before.
    pub(super) fn read(files: &mut Files, running: &Snapshot, standing: &KnownFaults) -> Self {
        let configuration = match Candidate::read(files, running, standing) {
            Candidate::Right(settings, loaded) => return Self::of(settings, loaded, Faults::default()),
            Candidate::Waits => standing.configuration.clone(),
            Candidate::Wrong(faults) => faults,
        };
        let settings = running.settings.clone();
        let loaded = load(&settings, files, running, standing);
        Self::of(settings, loaded, configuration)
    }

    fn of(settings: Arc<Settings>, loaded: AllLoaded, configuration: Faults) -> Self {
        let mut faults = configuration.clone();
        for fault in loaded.faults.values().flat_map(Faults::iter) {
            // A configuration that cannot be in effect may name the same file in another line.
            if !configuration.says(fault) {
                faults.push(fault.clone());
            }
        }
        faults.sort();
        Self {
            settings,
            keys: loaded.keys,
            faults,
            standing: KnownFaults {
                configuration,
                realms: loaded.faults,
            },
        }
    }
}

/// The configuration as it is in its files.
enum Candidate {
    /// It can be in effect, though keys of realms that go on as they were may have faults.
    Right(Arc<Settings>, AllLoaded),
    /// It or a file that it is the first to name is being written.
    Waits,
    /// It cannot be in effect.
    Wrong(Faults),
}

impl Candidate {
    fn read(files: &mut Files, running: &Snapshot, standing: &KnownFaults) -> Self {
        let file = &running.settings.file;
        if Settings::files(file, files).iter().any(|file| files.waits(file)) {
            return Candidate::Waits;
        }
        let (mut settings, mut faults) = match Settings::read_what_is_there(file, files) {
            Ok(read) => read,
            Err(faults) => return Candidate::Wrong(faults),
        };
        if settings.origin.iter().any(|(file, _)| files.waits(file)) {
            return Candidate::Waits; // one that came since
        }
        if settings.origin == running.settings.origin {
            // No new one: whatever is wrong is wrong with key files.
            let loaded = load(&running.settings, files, running, standing);
            return Candidate::Right(running.settings.clone(), loaded);
        }
        settings.keep_until_restart(&running.settings);
        let loaded = load(&settings, files, running, standing);
        if loaded.waits {
            return Candidate::Waits;
        }
        let all = loaded.keys.len() == settings.realms.len();
        if faults.is_empty() && all {
            return Candidate::Right(Arc::new(settings), loaded);
        }
        faults.extend(loaded.faults.into_values().flatten().collect());
        faults.sort();
        Candidate::Wrong(faults)
    }
}

/// The result of reading the key files of all realms.
#[derive(Default)]
struct AllLoaded {
    /// The keys of every realm that has any. Where its files have a fault and the running snapshot has it by the same
    /// files, those of that.
    keys: AllKeys,
    /// The faults of each realm that has any.
    faults: HashMap<String, Faults>,
    /// True if one must wait for its first keys.
    waits: bool,
}

fn load(settings: &Settings, files: &mut Files, running: &Snapshot, standing: &KnownFaults) -> AllLoaded {
    let mut all = AllLoaded::default();
    for (name, realm) in &settings.realms {
        let before = running.keys(name, settings);
        let (keys, faults) = match keys::load(realm, files, before) {
            Loaded::Keys { keys, standing: false } => (Some(keys), None),
            Loaded::Keys { keys, standing: true } => (Some(keys), standing.realms.get(name).cloned()),
            Loaded::Faults(found) => (before.cloned(), Some(found)),
            Loaded::Waits => {
                all.waits = true;
                continue;
            }
        };
        all.keys.extend(keys.map(|keys| (name.clone(), keys)));
        all.faults.extend(faults.map(|faults| (name.clone(), faults)));
    }
    all
}
