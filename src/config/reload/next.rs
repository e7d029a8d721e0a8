//! What the files say should be in force: the new configuration with its keys, or, where it has a fault, the running one
//! with keys read anew. Two kinds of unit, each all or nothing: the configuration, and each realm's key files.

use std::sync::Arc;

use crate::config::fault::{Fault, Faults};
use crate::config::files::Files;
use crate::config::keys::{self, Loaded};
use crate::config::live::{AllKeys, Snapshot};
use crate::config::settings::Settings;

/// What should be in force.
pub(super) struct Next {
    pub(super) settings: Arc<Settings>,
    /// The keys of every realm of theirs.
    pub(super) keys: AllKeys,
    pub(super) faults: Faults,
    /// Those of the configuration as it is in its files: they stand until it has been read again.
    pub(super) of_configuration: Faults,
}

impl Next {
    /// Reads it all. `standing` is what was wrong with the configuration before: it still is while that is written.
    pub(super) fn read(files: &mut Files, running: &Snapshot, standing: &Faults) -> Self {
        let found = Candidate::read(files, running);
        let of_configuration = match found {
            Candidate::Right(settings, keys, faults) => {
                return Self {
                    settings,
                    keys,
                    faults,
                    of_configuration: Faults::default(),
                };
            }
            Candidate::Waits => standing.clone(),
            Candidate::Wrong(faults) => faults,
        };
        let (keys, found) = load(&running.settings, files, running);
        let mut faults = of_configuration.clone();
        found
            .into_iter()
            .filter(|fault| !of_configuration.tells_of(fault))
            .for_each(|fault| faults.push(fault));
        Self {
            settings: running.settings.clone(),
            keys: keys.unwrap_or_default(),
            faults,
            of_configuration,
        }
    }
}

/// The configuration as it is in its files.
enum Candidate {
    /// It can be in force, though keys of realms that go on as they were may have faults.
    Right(Arc<Settings>, AllKeys, Faults),
    /// It or a file that it is the first to name is being written.
    Waits,
    /// It cannot be in force.
    Wrong(Faults),
}

impl Candidate {
    fn read(files: &mut Files, running: &Snapshot) -> Self {
        let file = &running.settings.file;
        if Settings::files(file, files).iter().any(|file| files.waits(file)) {
            return Candidate::Waits;
        }
        let (settings, mut faults) = match Settings::read_what_is_there(file, files) {
            Ok(read) => read,
            Err(faults) => return Candidate::Wrong(faults),
        };
        if settings.origin == running.settings.origin {
            // No new one: whatever is wrong is wrong with key files.
            let (keys, faults) = load(&running.settings, files, running);
            return Candidate::Right(running.settings.clone(), keys.unwrap_or_default(), faults);
        }
        let formed = faults.is_empty();
        // Of one with faults that is not asked: what is wrong may be the very line that is missed.
        let fixed = if formed {
            what_is_fixed(&running.settings, &settings)
        } else {
            Vec::new()
        };
        if !fixed.is_empty() {
            faults.push(Fault {
                file: file.clone(),
                line: 0,
                message: format!(
                    "a change of {} needs a restart; the configuration waits for it",
                    fixed.join(", ")
                ),
            });
        }
        let (keys, found) = load(&settings, files, running);
        let Some(keys) = keys else { return Candidate::Waits };
        let all = keys.len() == settings.realms.len();
        if formed && fixed.is_empty() && all {
            return Candidate::Right(Arc::new(settings), keys, found);
        }
        faults.extend(found);
        faults.sort();
        Candidate::Wrong(faults)
    }
}

/// The keys of every realm that has any, and what is wrong with the others. Where the running snapshot has a realm by
/// the same files, its keys go on. `None` where one must wait for its first.
fn load(settings: &Settings, files: &mut Files, running: &Snapshot) -> (Option<AllKeys>, Faults) {
    let (mut faults, mut all, mut waits) = (Faults::default(), AllKeys::new(), false);
    for (name, realm) in &settings.realms {
        let before = running.keys(name, settings);
        let keys = match keys::load(realm, files, before) {
            Loaded::Keys(keys) => Some(keys),
            Loaded::Faults(found) => {
                faults.extend(found);
                before.cloned()
            }
            Loaded::Waits => {
                waits = true;
                None
            }
        };
        all.extend(keys.map(|keys| (name.clone(), keys)));
    }
    ((!waits).then_some(all), faults)
}

/// What cannot change while the daemon runs, and has.
fn what_is_fixed(running: &Settings, new: &Settings) -> Vec<&'static str> {
    let fixed = [
        ("socket", running.socket != new.socket),
        ("socket_mode", running.socket_mode != new.socket_mode),
        ("state_dir", running.state_dir != new.state_dir),
    ];
    fixed
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(name, _)| name)
        .collect()
}
