//! Changes to the configuration and to key files that are pending at the same moment take effect together: otherwise a
//! new secret, renamed into place, would end every session until the configuration that retires the old one is stable.

use std::path::PathBuf;

use crate::config::realm::RealmSettings;
use crate::config::settings::Settings;
use crate::files::Files;

/// Looks at the configuration and at every key file that it names, or the running one does. While the configuration is
/// changing and one of these files is not stable yet, the other changes wait for it, at most `settle` each.
pub(super) fn hold_together(files: &mut Files, running: &Settings) {
    // Key files first: where a script changes the configuration before a secret, nobody sees the new secret without it.
    let keys = key_files(running);
    for file in &keys {
        files.look_at(file);
    }
    let mut configuration = Settings::files(&running.file, files);
    let known = running.origin.iter().map(|(file, _)| file.clone());
    let removed: Vec<_> = known.filter(|file| !configuration.contains(file)).collect();
    configuration.extend(removed);
    // Files that it is the first to name become stable while it does, and not only once it is.
    let named = named_anew(files, running, &keys);
    let first_unstable = any_waits(files, &named);
    let changing = first_unstable || configuration.iter().any(|file| files.is_pending(file));
    let all = || configuration.iter().chain(&keys);
    if changing && (any_waits(files, all()) || first_unstable) {
        all().for_each(|file| files.hold(file));
    }
}

/// The key files that the configuration names and the running one does not, as far as it can be read.
fn named_anew(files: &mut Files, running: &Settings, known: &[PathBuf]) -> Vec<PathBuf> {
    if Settings::origin(&running.file, files) == running.origin {
        return Vec::new();
    }
    let Ok((settings, _)) = Settings::read_what_is_there(&running.file, files) else {
        return Vec::new();
    };
    let mut named = key_files(&settings);
    named.retain(|file| !known.contains(file));
    named
}

fn key_files(settings: &Settings) -> Vec<PathBuf> {
    let all = settings.realms.values().flat_map(RealmSettings::files);
    all.map(|file| file.path.clone()).collect()
}

/// Returns true if one of them is not stable. Looks at each, so that they become stable side by side.
fn any_waits<'f>(files: &mut Files, all: impl IntoIterator<Item = &'f PathBuf>) -> bool {
    all.into_iter().filter(|file| files.waits(file)).count() > 0
}
