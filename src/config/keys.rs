//! The key files of one realm, read and made into its keyring and version: all of them or none.

use std::sync::Arc;

use super::fault::{Fault, Faults};
use super::file::{FileKind, read_file};
use super::realm::{ForeignSource, KeySource, Located, RealmSettings, RetiredSource};
use crate::jwt::{Algorithm, Family, Version};
use crate::keyring::{Keyring, PrivateFile, Role, VerifyingKey, load_private, load_public};
use zeroize::Zeroizing;

/// What the key files of a realm hold.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) keyring: Arc<Keyring>,
    pub(super) version: Version<'static>,
}

/// Reads them; every fault names the line of the configuration that names the file.
pub(super) fn load(realm: &RealmSettings) -> Result<Keys, Faults> {
    let mut faults = Faults::default();
    let mut keyring = Keyring::default();
    match &realm.key {
        KeySource::Private(file) => match private(realm, file, realm.algorithm) {
            Ok(key) => keyring.add_signing(key),
            Err(fault) => faults.push(fault),
        },
        KeySource::Public(file) => match public(file, realm.algorithm) {
            Ok(keys) => keys
                .into_iter()
                .for_each(|key| keyring.add_verifying(Role::Current, key)),
            Err(fault) => faults.push(fault),
        },
    }
    for retired in &realm.retired_keys {
        if let Err(fault) = add_retired(realm, retired, &mut keyring) {
            faults.push(fault);
        }
    }
    for foreign in &realm.foreign_keys {
        match foreign_keys(realm, foreign) {
            Ok(keys) => keys
                .into_iter()
                .for_each(|key| keyring.add_verifying(Role::Foreign(foreign.index), key)),
            Err(fault) => faults.push(fault),
        }
    }
    let version = version(realm.version_file.as_ref()).unwrap_or_else(|fault| {
        faults.push(fault);
        Version::None
    });
    faults.into_result(Keys {
        keyring: Arc::new(keyring),
        version,
    })
}

fn secret_bytes(realm: &RealmSettings, file: &Located) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let kind = if realm.allow_world_readable {
        FileKind::MountedSecret
    } else {
        FileKind::Secret
    };
    read_file(&file.path, kind).map_err(|error| file.fault(error))
}

fn private(realm: &RealmSettings, file: &Located, algorithm: Algorithm) -> Result<PrivateFile, Fault> {
    let bytes = secret_bytes(realm, file)?;
    load_private(bytes, algorithm, realm.allow_weak_secret).map_err(|error| file.fault(error))
}

fn public(file: &Located, algorithm: Algorithm) -> Result<Vec<VerifyingKey>, Fault> {
    let bytes = read_file(&file.path, FileKind::Public).map_err(|error| file.fault(error))?;
    load_public(&bytes, algorithm).map_err(|error| file.fault(error))
}

/// A retired key's file holds the private key, as it did when it signed, or only the public one.
fn add_retired(realm: &RealmSettings, retired: &RetiredSource, keyring: &mut Keyring) -> Result<(), Fault> {
    let (file, algorithm) = (&retired.file, retired.algorithm);
    let is_public = algorithm.family() != Family::Hmac
        && read_file(&file.path, FileKind::Public)
            .is_ok_and(|bytes| load_public(&bytes, algorithm).is_ok() && !holds_private(&bytes));
    if is_public {
        public(file, algorithm)?
            .into_iter()
            .for_each(|key| keyring.add_verifying(Role::Retired, key));
    } else {
        keyring.add_retired(private(realm, file, algorithm)?);
    }
    Ok(())
}

/// Whether a JWK has the member that a private key has and a public one has not.
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

fn foreign_keys(realm: &RealmSettings, foreign: &ForeignSource) -> Result<Vec<VerifyingKey>, Fault> {
    if foreign.shared {
        // Their secret signs for them alone: here it verifies.
        private(realm, &foreign.file, foreign.algorithm).map(|key| vec![key.signing.verifying])
    } else {
        public(&foreign.file, foreign.algorithm)
    }
}

/// The version file's trimmed text: digits are an integer, anything else a string; empty or no file is none.
fn version(file: Option<&Located>) -> Result<Version<'static>, Fault> {
    let Some(file) = file else { return Ok(Version::None) };
    let bytes = match read_file(&file.path, FileKind::Public) {
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
