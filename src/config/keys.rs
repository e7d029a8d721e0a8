//! The key files of one realm, read and made into its keyring and version: all of them or none.

use std::sync::Arc;

use super::fault::{Fault, Faults};
use super::realm::RealmSettings;
use super::sources::{ForeignSource, KeySource, Located, RetiredSource};
use crate::files::{Digest, FileKind, Files};
use jwtkeeper_core::jwt::{Algorithm, Family, Version};
use jwtkeeper_core::keyring::{
    Keyring, PrivateFile, PublicFile, Role, VerifyingKey, ends_in_space, load_private, load_public,
};

/// The content of a realm's key files.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) version: Version<'static>,
    /// Warnings about them.
    pub(crate) notes: Vec<String>,
    /// A digest that distinguishes states of the key files.
    origin: Vec<Digest>,
}

impl Keys {
    /// Returns true if these are the same keys and the same version.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keyring, &other.keyring) && self.version == other.version
    }
}

/// The result of reading a realm's key files.
pub(crate) enum Loaded {
    /// All are right; `standing` where some are as they were before because they are being written: whatever was wrong
    /// with them then still is.
    Keys { keys: Keys, standing: bool },
    /// One that was never read before is being written.
    Waits,
    /// The faults; each names the line of the configuration that names the file.
    Faults(Faults),
}

/// Reads them. `before` is what the same files held before: it goes on for what is unchanged or still being written.
pub(crate) fn load(realm: &RealmSettings, files: &mut Files, before: Option<&Keys>) -> Loaded {
    let all = || realm.files();
    let unsteady = all().any(|file| files.unsteady(&file.path));
    match before {
        None if all().any(|file| files.waits(&file.path)) => return Loaded::Waits,
        Some(before) if unsteady => {
            // They may be changing together: none is taken without the others.
            let keys = before.clone();
            return Loaded::Keys { keys, standing: true };
        }
        _ => {}
    }
    let waits = realm.key_files().any(|file| files.waits(&file.path));
    let origin: Vec<_> = realm.key_files().map(|file| files.digest(&file.path)).collect();
    let mut notes = Vec::new();
    let (keyring, origin) = match before {
        Some(before) if waits || before.origin == origin => {
            notes.clone_from(&before.notes);
            (Ok(before.keyring.clone()), before.origin.clone())
        }
        _ => {
            let keyring = keyring(realm, files, &mut notes);
            (keyring.map(|keyring| unless_known(keyring, before)), origin)
        }
    };
    let version_waits = realm.version_file.iter().any(|file| files.waits(&file.path));
    let version = match before {
        Some(before) if version_waits => Ok(before.version.clone()),
        _ => version(realm.version_file.as_ref(), files),
    };
    match (keyring, version) {
        (Ok(keyring), Ok(version)) => {
            let keys = Keys {
                keyring,
                version,
                notes,
                origin,
            };
            let standing = waits || version_waits;
            Loaded::Keys { keys, standing }
        }
        (keyring, version) => {
            let mut faults = keyring.err().unwrap_or_default();
            version.err().into_iter().for_each(|fault| faults.push(fault));
            Loaded::Faults(faults)
        }
    }
}

/// The keyring, or the one before if that has the same keys: another spelling of a file is no news.
fn unless_known(keyring: Keyring, before: Option<&Keys>) -> Arc<Keyring> {
    match before.filter(|before| before.keyring.same(&keyring)) {
        Some(before) => before.keyring.clone(),
        None => Arc::new(keyring),
    }
}

fn keyring(realm: &RealmSettings, files: &mut Files, notes: &mut Vec<String>) -> Result<Keyring, Faults> {
    let mut faults = Faults::default();
    let mut keyring = Keyring::default();
    match &realm.key {
        KeySource::Private(file) => match private(realm, file, realm.algorithm, realm.kid.as_deref(), files, notes) {
            Ok(key) if !key.may_sign => faults.push(file.fault("the key's key_ops do not hold sign")),
            Ok(key) => keyring.add_signing(key),
            Err(fault) => faults.push(fault),
        },
        KeySource::Public(file) => match public(realm, file, realm.algorithm, realm.kid.as_deref(), files, notes) {
            Ok(keys) => keys
                .into_iter()
                .for_each(|key| keyring.add_verifying(Role::Current, key)),
            Err(fault) => faults.push(fault),
        },
    }
    for retired in &realm.retired_keys {
        if let Err(fault) = add_retired(realm, retired, files, notes, &mut keyring) {
            faults.push(fault);
        }
    }
    for foreign in &realm.foreign_keys {
        match foreign_keys(realm, foreign, files, notes) {
            Ok(keys) => keys
                .into_iter()
                .for_each(|key| keyring.add_verifying(Role::Foreign(foreign.index), key)),
            Err(fault) => faults.push(fault),
        }
    }
    faults.into_result(keyring)
}

fn private(
    realm: &RealmSettings,
    file: &Located,
    algorithm: Algorithm,
    kid: Option<&str>,
    files: &mut Files,
    notes: &mut Vec<String>,
) -> Result<PrivateFile, Fault> {
    let kind = if realm.allow_world_readable {
        FileKind::MountedSecret
    } else {
        FileKind::Secret
    };
    let bytes = files.read(&file.path, kind).map_err(|error| file.fault(error))?;
    let odd = algorithm.family() == Family::Hmac && ends_in_space(&bytes);
    let mut key = load_private(bytes, algorithm, realm.allow_weak_secret).map_err(|error| file.misfit(error))?;
    note_all(realm, file, &key.notes, notes);
    if let Some(kid) = kid {
        key.signing.rename(kid).map_err(|error| file.fault(error))?;
    }
    if odd {
        let note = "the secret ends in white space, which is part of it; is that a stray newline?";
        note_all(realm, file, &[note.to_owned()], notes);
    }
    Ok(key)
}

/// Adds the warnings about one file to those of its realm.
fn note_all(realm: &RealmSettings, file: &Located, found: &[String], notes: &mut Vec<String>) {
    let (name, key, path) = (&realm.name, file.key(), file.path.display());
    notes.extend(found.iter().map(|note| format!("realm {name}: {key} {path}: {note}")));
}

fn public(
    realm: &RealmSettings,
    file: &Located,
    algorithm: Algorithm,
    kid: Option<&str>,
    files: &mut Files,
    notes: &mut Vec<String>,
) -> Result<Vec<VerifyingKey>, Fault> {
    let bytes = files
        .read(&file.path, FileKind::Public)
        .map_err(|error| file.fault(error))?;
    let PublicFile { mut keys, notes: found } = load_public(&bytes, algorithm).map_err(|error| file.misfit(error))?;
    note_all(realm, file, &found, notes);
    match (kid, keys.as_mut_slice()) {
        (None, _) => {}
        (Some(kid), [key]) => key.rename(kid).map_err(|error| file.fault(error))?,
        (Some(_), keys) => {
            let message = format!("kid is for one key, and the file holds {}; remove kid", keys.len());
            return Err(file.fault(message));
        }
    }
    Ok(keys)
}

/// A retired key's file holds the private key, as it did when it signed, or only the public one.
fn add_retired(
    realm: &RealmSettings,
    retired: &RetiredSource,
    files: &mut Files,
    notes: &mut Vec<String>,
    keyring: &mut Keyring,
) -> Result<(), Fault> {
    let (file, algorithm, kid) = (&retired.file, retired.algorithm, retired.kid.as_deref());
    let is_public = algorithm.family() != Family::Hmac
        && files
            .read(&file.path, FileKind::Public)
            .is_ok_and(|bytes| load_public(&bytes, algorithm).is_ok() && !holds_private(&bytes));
    if is_public {
        public(realm, file, algorithm, kid, files, notes)?
            .into_iter()
            .for_each(|key| keyring.add_verifying(Role::Retired, key));
    } else {
        keyring.add_retired(private(realm, file, algorithm, kid, files, notes)?);
    }
    Ok(())
}

/// Returns true if a JWK has the member that only a private key has.
fn holds_private(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Key {
        d: Option<serde::de::IgnoredAny>,
    }
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<Key>,
    }
    let one = serde_json::from_slice::<Key>(bytes).is_ok_and(|key| key.d.is_some());
    let any = serde_json::from_slice::<Set>(bytes).is_ok_and(|set| set.keys.iter().any(|key| key.d.is_some()));
    one || any
}

fn foreign_keys(
    realm: &RealmSettings,
    foreign: &ForeignSource,
    files: &mut Files,
    notes: &mut Vec<String>,
) -> Result<Vec<VerifyingKey>, Fault> {
    let (file, algorithm, kid) = (&foreign.file, foreign.algorithm, foreign.kid.as_deref());
    if foreign.shared {
        // Their secret signs for them alone: here it verifies.
        private(realm, file, algorithm, kid, files, notes).map(|key| vec![key.signing.verifying])
    } else {
        public(realm, file, algorithm, kid, files, notes)
    }
}

/// The version file's trimmed text: digits are an integer, anything else a string; empty or no file is none.
fn version(file: Option<&Located>, files: &mut Files) -> Result<Version<'static>, Fault> {
    let Some(file) = file else { return Ok(Version::None) };
    let bytes = match files.read(&file.path, FileKind::Public) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing() => return Ok(Version::None),
        Err(error) => return Err(file.fault(error)),
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| file.fault("is not UTF-8 text"))?
        .trim();
    if text.len() > 256 {
        return Err(file.fault("holds more than 256 bytes; a version is one short word or number"));
    }
    Ok(match text {
        "" => Version::None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse() {
            Ok(number) => Version::Number(number),
            Err(_) => Version::Text(digits.to_owned().into()),
        },
        text => Version::Text(text.to_owned().into()),
    })
}
