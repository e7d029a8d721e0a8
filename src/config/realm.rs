//! The section of one realm: its policy, and the files that its keys and version come from.

use super::section::{At, Section};
use super::sources::{
    ForeignSource, KeySource, Located, RetiredSource, located, read_algorithm, read_foreign, read_key_source, read_kid,
    read_retired,
};
use super::tree::Node;
use jwtkeeper_core::jwt::{Algorithm, Family};
use jwtkeeper_core::keyring::LockKey;
use jwtkeeper_core::realm::{CookieLock, CookiePolicy, OnReuse, OwnClaim, Policy, RotateOn, SameSite};

/// Clocks further apart are broken: tokens of the future would be taken that long.
const MOST_SKEW: u64 = 10 * 60 * 1000;
/// An old token leads to its successor, and so stays good for whoever kept it, no longer than this.
const MOST_GRACE: u64 = 60 * 60 * 1000;

/// A realm as configured.
#[derive(Debug, Clone)]
pub struct RealmSettings {
    /// The name.
    pub name: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The rules.
    pub policy: Policy,
    /// The source of its key.
    pub key: KeySource,
    /// The name that the configuration gives its key.
    pub kid: Option<String>,
    /// The file of its version.
    pub version_file: Option<Located>,
    /// Keys that verify only.
    pub retired_keys: Vec<RetiredSource>,
    /// Keys of foreign issuers, by their index in the policy.
    pub foreign_keys: Vec<ForeignSource>,
    /// True if an HMAC secret may be shorter than its hash.
    pub allow_weak_secret: bool,
    /// True if its secret files may be readable by everyone.
    pub allow_world_readable: bool,
    /// The name that its entries in the denylist are kept under: that of the realm, unless set.
    pub denylist: String,
    /// The prefix of its entries in a shared store.
    pub store_prefix: String,
}

impl RealmSettings {
    /// Reads a realm; `None` when it lacks what it cannot be without. Faults go to the section.
    pub(super) fn read(name: &str, node: &Node, found: &super::section::Found) -> Option<Self> {
        let section = Section::new(&format!("realms.{name}"), node, found);
        if !is_name(name) {
            section.fault(
                section.place(),
                format!("a realm's name is 1 to 64 of A-Z a-z 0-9 . _ -, not \"{name}\""),
            );
        }
        let algorithm = read_algorithm(&section, true);
        let mut policy = read_policy(&section);
        let sources = ["secret_file", "key_file", "public_key_file", "jwks_file"];
        let key = read_key_source(&section, algorithm, "the realm", &sources);
        let kid = read_kid(&section);
        let version_file = located(&section, "version_file");
        let retired_keys = read_retired(&section);
        read_lock_keys(&section, algorithm, &retired_keys, &mut policy);
        read_rotation(&section, key.as_ref(), &mut policy);
        let foreign_keys = read_foreign(&section, &mut policy);
        let allow_weak_secret = section.flag("allow_weak_secret", false);
        let allow_world_readable = section.flag("allow_world_readable", false);
        let denylist = section.text("denylist");
        if let Some((denylist, place)) = &denylist
            && !is_name(denylist)
        {
            let full = section.full("denylist");
            let message = format!("{full} is a name of 1 to 64 of A-Z a-z 0-9 . _ -, not \"{denylist}\"");
            section.fault(place, message);
        }
        let denylist = denylist.map_or_else(|| name.to_owned(), |(denylist, _)| denylist);
        let store_prefix = read_store_prefix(&section, &denylist);
        section.finish();
        Some(Self {
            name: name.to_owned(),
            algorithm: algorithm?,
            policy,
            key: key?,
            kid,
            version_file,
            retired_keys,
            foreign_keys,
            allow_weak_secret,
            allow_world_readable,
            denylist,
            store_prefix,
        })
    }

    /// Every file that keys come from.
    pub(super) fn key_files(&self) -> impl Iterator<Item = &Located> {
        let (KeySource::Private(own) | KeySource::Public(own)) = &self.key;
        let retired = self.retired_keys.iter().map(|key| &key.file);
        let foreign = self.foreign_keys.iter().map(|key| &key.file);
        [own].into_iter().chain(retired).chain(foreign)
    }

    /// Every file that it names: those of keys, and that of its version.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Located> {
        self.key_files().chain(&self.version_file)
    }

    /// Returns true if the keys come from the same files in the same way as another's.
    pub(crate) fn same_keys(&self, other: &Self) -> bool {
        let paths = |located: &Located| located.path.clone();
        let source = |key: &KeySource| match key {
            KeySource::Private(file) => (true, paths(file)),
            KeySource::Public(file) => (false, paths(file)),
        };
        let retired = |settings: &Self| -> Vec<_> {
            settings
                .retired_keys
                .iter()
                .map(|key| (key.algorithm, paths(&key.file), key.kid.clone()))
                .collect()
        };
        let foreign = |settings: &Self| -> Vec<_> {
            settings
                .foreign_keys
                .iter()
                .map(|key| (key.index, key.algorithm, paths(&key.file), key.shared, key.kid.clone()))
                .collect()
        };
        self.algorithm == other.algorithm
            && source(&self.key) == source(&other.key)
            && self.kid == other.kid
            && self.version_file.as_ref().map(paths) == other.version_file.as_ref().map(paths)
            && retired(self) == retired(other)
            && foreign(self) == foreign(other)
            && self.allow_weak_secret == other.allow_weak_secret
            && self.allow_world_readable == other.allow_world_readable
    }
}

fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(fine)
}

fn read_policy(section: &Section<'_>) -> Policy {
    let mut policy = Policy {
        issuer: section.text("issuer").map(|(issuer, _)| issuer),
        audience: section
            .texts("audience")
            .map(|(audience, _)| audience)
            .unwrap_or_default(),
        session_lifetime: section.seconds("session_lifetime").map(|(span, _)| span),
        ..Policy::default()
    };
    set(&mut policy.max_lifetime, section.seconds("max_lifetime"));
    let expiry = section.seconds("expiry");
    set(&mut policy.expiry, expiry);
    if policy.expiry > policy.max_lifetime {
        section.fault(
            &section.culprit(&["expiry", "max_lifetime"]),
            format!("{} is longer than max_lifetime", section.full("expiry")),
        );
    }
    policy.require_iat = section.flag("require_iat", policy.require_iat);
    set(&mut policy.clock_skew_ms, at_most(section, "clock_skew", MOST_SKEW));
    set(
        &mut policy.rotation_grace_ms,
        at_most(section, "rotation_grace", MOST_GRACE),
    );
    for (key, texts) in [("issuer", policy.issuer.as_slice()), ("audience", &policy.audience)] {
        if texts.iter().any(String::is_empty) {
            let message = format!("{} must not be empty; leave it out for none", section.full(key));
            section.fault(&section.culprit(&[key]), message);
        }
    }
    policy.max_token = section.number(
        "max_token",
        policy.max_token as u64,
        256..=jwtkeeper_wire::MAX_TOKEN as u64,
    ) as usize;
    if let Some((claim, place)) = section.text("subject_claim") {
        let reserved =
            OwnClaim::parse(&claim).is_some() || ["exp", jwtkeeper_core::jwt::OWN, ""].contains(&claim.as_str());
        if reserved {
            section.fault(
                &place,
                format!(
                    "{} cannot be \"{claim}\"; name a claim of the app's",
                    section.full("subject_claim")
                ),
            );
        }
        policy.subject_claim = claim;
    }
    if let Some((names, place)) = section.texts("allow_overrides") {
        for name in names {
            match OwnClaim::parse(&name) {
                Some(OwnClaim::Iss) if policy.issuer.is_some() => section.fault(
                    &place,
                    format!(
                        "{} holds iss, but validate accepts only the realm's issuer; remove iss or issuer",
                        section.full("allow_overrides")
                    ),
                ),
                Some(claim) => policy.allow_overrides.push(claim),
                None => section.fault(
                    &place,
                    format!(
                        "{} holds iss, aud, nbf, iat, jti or ver, not \"{name}\"",
                        section.full("allow_overrides")
                    ),
                ),
            }
        }
    }
    let locks = [
        ("off", CookieLock::Off),
        ("optional", CookieLock::Optional),
        ("required", CookieLock::Required),
    ];
    policy.cookie_lock = section.choice("cookie_lock", &locks).unwrap_or(policy.cookie_lock);
    let reuse = [("report", OnReuse::Report), ("revoke_session", OnReuse::RevokeSession)];
    policy.on_reuse = section.choice("on_reuse", &reuse).unwrap_or(policy.on_reuse);
    if let Some(cookie) = section.section("cookie") {
        read_cookie(cookie, &mut policy.cookie);
    }
    policy
}

/// Reads when rotation is due, and refuses what could never be.
fn read_rotation(section: &Section<'_>, key: Option<&KeySource>, policy: &mut Policy) {
    let validates_only = matches!(key, Some(KeySource::Public(_)));
    if let Some((span, place)) = section.seconds("renew_before") {
        let name = section.full("renew_before");
        if span >= policy.expiry {
            let message = format!("{name} is not shorter than expiry: every token would be renewed at once");
            section.fault(&section.culprit(&["renew_before", "expiry"]), message);
        }
        if validates_only {
            section.fault(&place, format!("{name} is for realms that sign; remove it"));
        }
        policy.renew_before = Some(span);
    }
    let whose = [("any", RotateOn::Any), ("cookie", RotateOn::Cookie)];
    policy.rotate_on = section.choice("rotate_on", &whose).unwrap_or(policy.rotate_on);
    if policy.rotate_on == RotateOn::Cookie && policy.cookie_lock == CookieLock::Off {
        let message = format!(
            "{} = \"cookie\" needs cookie_lock = \"optional\" or \"required\"; without it no token would ever be rotated",
            section.full("rotate_on")
        );
        section.fault(&section.culprit(&["rotate_on", "cookie_lock"]), message);
    }
}

/// A span that is no longer than `most` milliseconds.
fn at_most(section: &Section<'_>, key: &'static str, most: u64) -> Option<At<u64>> {
    let (span, place) = section.span(key)?;
    if span > most {
        let most = humantime::format_duration(std::time::Duration::from_millis(most));
        section.fault(&place, format!("{} must be at most {most}", section.full(key)));
    }
    Some((span, place))
}

fn set<T>(into: &mut T, value: Option<At<T>>) {
    if let Some((value, _)) = value {
        *into = value;
    }
}

fn read_lock_keys(section: &Section<'_>, algorithm: Option<Algorithm>, retired: &[RetiredSource], policy: &mut Policy) {
    let kinds = [("derived", LockKey::Derived), ("concat", LockKey::Concat)];
    policy.lock_key = section.choice("lock_key", &kinds).unwrap_or(policy.lock_key);
    if let Some((names, place)) = section.texts("accept_lock_keys") {
        for name in names {
            match kinds.iter().find(|(kind, _)| *kind == name) {
                Some((_, kind)) => policy.accept_lock_keys.push(*kind),
                None => section.fault(
                    &place,
                    format!(
                        "{} holds \"derived\" or \"concat\", not \"{name}\"",
                        section.full("accept_lock_keys")
                    ),
                ),
            }
        }
    }
    // A retired HMAC key's tokens keep their lock, whatever signs now.
    let is_hmac = |algorithm: Algorithm| algorithm.family() == Family::Hmac;
    let hmac = algorithm.is_none_or(is_hmac) || retired.iter().any(|key| is_hmac(key.algorithm));
    for key in ["lock_key", "accept_lock_keys"] {
        if let (false, Some(node)) = (hmac, section.node(key)) {
            section.fault(
                &node.place,
                format!("{} is for HMAC algorithms; remove it", section.full(key)),
            );
        }
    }
}

fn read_cookie(section: Section<'_>, cookie: &mut CookiePolicy) {
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b))
    };
    let attribute = |text: &str| text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b';');
    if let Some((name, place)) = section.text("name") {
        if !token(&name) {
            section.fault(
                &place,
                format!("{} is not a cookie name (RFC 6265 section 4.1.1)", section.full("name")),
            );
        }
        cookie.name = name;
    }
    for (key, slot) in [("domain", &mut cookie.domain), ("path", &mut cookie.path)] {
        if let Some((value, place)) = section.text(key) {
            if !attribute(&value) {
                section.fault(
                    &place,
                    format!("{} holds a character that no cookie attribute may", section.full(key)),
                );
            }
            *slot = Some(value).filter(|value| !value.is_empty());
        }
    }
    cookie.secure = section.flag("secure", cookie.secure);
    cookie.http_only = section.flag("http_only", cookie.http_only);
    let same_sites = [SameSite::Strict, SameSite::Lax, SameSite::None].map(|site| (site.name(), site));
    cookie.same_site = section.choice("same_site", &same_sites).unwrap_or(cookie.same_site);
    if cookie.same_site == SameSite::None && !cookie.secure {
        section.fault(
            &section.culprit(&["same_site", "secure"]),
            format!("{} = \"none\" needs secure = true", section.full("same_site")),
        );
    }
    section.finish();
}

fn read_store_prefix(section: &Section<'_>, denylist: &str) -> String {
    let default = if denylist == jwtkeeper_wire::DEFAULT_REALM {
        "JWTKeeper:".to_owned()
    } else {
        format!("JWTKeeper-{denylist}:")
    };
    let Some((prefix, place)) = section.text("store_prefix") else {
        return default;
    };
    if prefix.is_empty() || prefix.contains(['{', '}', '~']) || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        section.fault(
            &place,
            format!(
                "{} must be visible ASCII characters without braces and ~",
                section.full("store_prefix")
            ),
        );
    }
    prefix
}
