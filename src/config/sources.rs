//! The sources of a realm's keys: the sections that name their files.

use std::path::PathBuf;

use super::fault::Fault;
use super::section::Section;
use jwtkeeper_core::jwt::{Algorithm, Family, media_type};
use jwtkeeper_core::realm::{ForeignIssuer, Policy};

/// The longest `kid` in the configuration, in bytes: each token carries it.
const LONGEST_KID: usize = 256;

/// A file, and where the configuration names it.
#[derive(Debug, Clone)]
pub struct Located {
    /// The file.
    pub path: PathBuf,
    file: PathBuf,
    line: usize,
    key: &'static str,
    /// The place of the algorithm, where a later file sets it.
    algorithm: Option<(PathBuf, usize)>,
}

/// The same file by the same key is the same setting, in whatever line: a line that is added above changes nothing.
impl PartialEq for Located {
    fn eq(&self, other: &Self) -> bool {
        (self.key, &self.path) == (other.key, &other.path)
    }
}

impl Eq for Located {}

impl Located {
    /// The key of the configuration that names it.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// A fault of a key that its algorithm does not take: at the line of a later file that sets the algorithm, if one
    /// does.
    pub(super) fn misfit(&self, message: impl std::fmt::Display) -> Fault {
        let fault = self.fault(message);
        match self.algorithm.clone() {
            Some((file, line)) => Fault { file, line, ..fault },
            None => fault,
        }
    }

    /// A fault of this file, at the line that names it.
    pub(super) fn fault(&self, message: impl std::fmt::Display) -> Fault {
        let message = format!("{} {}: {message}", self.key, self.path.display());
        Fault {
            file: self.file.clone(),
            line: self.line,
            message,
        }
    }
}

/// The file of the realm's own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A secret or a private key: the realm signs.
    Private(Located),
    /// Public keys: the realm only validates.
    Public(Located),
}

/// A retired key's file, private or public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredSource {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The file.
    pub file: Located,
    /// The name that the configuration gives the key.
    pub kid: Option<String>,
}

/// A foreign issuer's key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignSource {
    /// Which foreign issuer of the policy.
    pub index: usize,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The file.
    pub file: Located,
    /// True if the file holds a shared secret.
    pub shared: bool,
    /// The name that the configuration gives the key.
    pub kid: Option<String>,
}

pub(super) fn located(section: &Section<'_>, key: &'static str) -> Option<Located> {
    let (path, place) = section.path(key)?;
    Some(Located {
        path,
        file: place.file.to_path_buf(),
        line: place.line,
        key,
        algorithm: None,
    })
}

/// The file of a key, for the algorithm of the same section.
fn located_key(section: &Section<'_>, key: &'static str) -> Option<Located> {
    let mut found = located(section, key)?;
    let place = section.culprit(&[key, "algorithm"]);
    let is_other = place.file.as_path() != found.file;
    found.algorithm = is_other.then(|| (place.file.to_path_buf(), place.line));
    Some(found)
}

pub(super) fn read_algorithm(section: &Section<'_>, needed: bool) -> Option<Algorithm> {
    let choices: Vec<_> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| (algorithm.name(), algorithm))
        .collect();
    let algorithm = section.choice("algorithm", &choices);
    if needed && section.node("algorithm").is_none() {
        section.fault(
            section.place(),
            format!(
                "{} is missing; set it to one such as \"HS512\"",
                section.full("algorithm")
            ),
        );
    }
    algorithm
}

/// Reads `kid`, the name of a key that has none of its own. The keys of a set have theirs.
pub(super) fn read_kid(section: &Section<'_>) -> Option<String> {
    let (kid, place) = section.text("kid")?;
    if kid.is_empty() || kid.len() > LONGEST_KID {
        let message = format!("{} must have 1 to {LONGEST_KID} bytes", section.full("kid"));
        section.fault(&place, message);
    }
    if section.node("jwks_file").is_some() {
        let message = format!(
            "{} is for one key; the keys of a jwks_file name themselves: remove kid",
            section.full("kid")
        );
        section.fault(&place, message);
    }
    Some(kid)
}

/// The one key of a realm, or of an issuer: `whose` says which, `sources` where it may come from.
pub(super) fn read_key_source(
    section: &Section<'_>,
    algorithm: Option<Algorithm>,
    whose: &str,
    sources: &[&'static str],
) -> Option<KeySource> {
    let given: Vec<_> = sources
        .iter()
        .copied()
        .filter(|key| section.node(key).is_some())
        .collect();
    let hmac = algorithm.map(|algorithm| algorithm.family() == Family::Hmac);
    let involved: Vec<_> = given.iter().copied().chain(["algorithm"]).collect();
    let fault = |message: String| section.fault(&section.culprit(&involved), message);
    match (given.as_slice(), hmac) {
        ([], _) => {
            let key = if hmac == Some(false) {
                "key_file, public_key_file or jwks_file"
            } else {
                "secret_file"
            };
            fault(format!("{whose} has no key; set {key}"));
            None
        }
        ([_, _, ..], _) => {
            fault(format!("{whose} has more than one key: {}; keep one", given.join(", ")));
            None
        }
        (["secret_file"], Some(false)) => {
            let others: Vec<_> = sources.iter().copied().filter(|key| *key != "secret_file").collect();
            let algorithm = algorithm.map_or("the algorithm", Algorithm::name);
            fault(format!(
                "{} is for HMAC algorithms; for {algorithm} set {}",
                section.full("secret_file"),
                others.join(" or ")
            ));
            None
        }
        ([key @ ("key_file" | "public_key_file" | "jwks_file")], Some(true)) => {
            fault(format!(
                "{} is for RS*, PS*, ES* and EdDSA; set secret_file",
                section.full(key)
            ));
            None
        }
        ([key @ ("secret_file" | "key_file")], _) => located_key(section, key).map(KeySource::Private),
        ([key], _) => located_key(section, key).map(KeySource::Public),
    }
}

pub(super) fn read_retired(section: &Section<'_>) -> Vec<RetiredSource> {
    let mut retired = Vec::new();
    for entry in section.sections("retired_keys") {
        let algorithm = read_algorithm(&entry, true);
        let file = located(&entry, "file");
        if entry.node("file").is_none() {
            entry.fault(
                entry.place(),
                format!("{} is missing; name the retired key's file", entry.full("file")),
            );
        }
        let kid = read_kid(&entry);
        entry.finish();
        if let (Some(algorithm), Some(file)) = (algorithm, file) {
            retired.push(RetiredSource { algorithm, file, kid });
        }
    }
    retired
}

/// Reads the media types that an issuer's tokens may have.
fn read_typ(section: &Section<'_>) -> Option<Vec<String>> {
    let (types, place) = section.texts("typ")?;
    if types.is_empty() || types.iter().any(String::is_empty) {
        let message = format!(
            "{} must name one or more media types, such as [\"JWT\", \"at+jwt\"]",
            section.full("typ")
        );
        section.fault(&place, message);
    }
    Some(types.iter().map(|typ| media_type(typ)).collect())
}

pub(super) fn read_foreign(section: &Section<'_>, policy: &mut Policy) -> Vec<ForeignSource> {
    let mut sources = Vec::new();
    for (index, entry) in section.sections("foreign_issuers").into_iter().enumerate() {
        let issuer = entry.text("issuer").map(|(issuer, _)| issuer).unwrap_or_default();
        if issuer.is_empty() {
            entry.fault(
                entry.place(),
                format!("{} is missing; name whose tokens to validate", entry.full("issuer")),
            );
        }
        if policy.issuer.as_ref() == Some(&issuer) {
            entry.fault(
                entry.place(),
                format!("{} is the realm's own issuer", entry.full("issuer")),
            );
        }
        if policy.foreign_issuers.iter().any(|other| other.issuer == issuer) {
            entry.fault(entry.place(), format!("{} is named twice", entry.full("issuer")));
        }
        let keys = ["secret_file", "public_key_file", "jwks_file"];
        let own_key = keys.into_iter().any(|key| entry.node(key).is_some());
        if own_key {
            let algorithm = read_algorithm(&entry, true);
            let source = read_key_source(&entry, algorithm, "the issuer", &keys);
            if let (Some(key), Some(algorithm)) = (source, algorithm) {
                let shared = matches!(key, KeySource::Private(_));
                let (KeySource::Private(file) | KeySource::Public(file)) = key;
                sources.push(ForeignSource {
                    index,
                    algorithm,
                    file,
                    shared,
                    kid: read_kid(&entry),
                });
            }
        } else {
            for key in ["algorithm", "kid"] {
                if let Some(node) = entry.node(key) {
                    let message = format!(
                        "{} is for an issuer with a key; name its key, or remove it",
                        entry.full(key)
                    );
                    entry.fault(&node.place, message);
                }
            }
        }
        policy.foreign_issuers.push(ForeignIssuer {
            require_jti: entry.flag("require_jti", true),
            typ: read_typ(&entry).unwrap_or_else(|| vec!["jwt".to_owned()]),
            ..ForeignIssuer::new(issuer, own_key)
        });
        entry.finish();
    }
    sources
}
