//! Realms that have a verifying key in common: a token of one can be valid in another, which has revocations of its
//! own.

use std::collections::{BTreeMap, BTreeSet};

use jwtkeeper_core::keyring::{KeyId, Keyring, Role};
use jwtkeeper_core::realm::{OwnClaim, Policy};

/// Names that a warning lists at most.
const NAMED: usize = 8;

/// A realm, as far as it matters here.
#[derive(Clone, Copy)]
pub(crate) struct Party<'r> {
    pub(crate) name: &'r str,
    pub(crate) denylist: &'r str,
    pub(crate) policy: &'r Policy,
    pub(crate) keyring: &'r Keyring,
}

/// A key: one with another algorithm is another key, whatever its id.
type Key = (&'static str, KeyId);

/// Warns of each key by which a token is valid in realms that do not share a denylist.
pub(crate) fn warnings<'r>(realms: impl Iterator<Item = Party<'r>>) -> Vec<String> {
    let mut holders: BTreeMap<Key, Vec<Party<'r>>> = BTreeMap::new();
    for realm in realms {
        for key in realm.keys() {
            holders.entry(key).or_default().push(realm);
        }
    }
    let mut warnings = Vec::new();
    for ((_, key), holders) in holders {
        let meets = |one: &Party<'_>, other: &Party<'_>| one.denylist != other.denylist && one.may_share_tokens(other);
        let names = holders
            .iter()
            .filter(|one| holders.iter().any(|other| meets(one, other)))
            .map(|realm| realm.name);
        let names: BTreeSet<_> = names.collect();
        if !names.is_empty() {
            let more = if names.len() > NAMED { " and others" } else { "" };
            let names = names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
            warnings.push(format!(
                "realms {names}{more} share the key {key}: a token of one is valid in the others, but a revocation takes effect \
                 only where it was made; set the same denylist in these realms, or a different issuer or audience"
            ));
        }
    }
    warnings
}

impl Party<'_> {
    /// Returns true if a token can be valid in both realms.
    pub(crate) fn shares_tokens(&self, other: &Party<'_>) -> bool {
        !self.keys().is_disjoint(&other.keys()) && self.may_share_tokens(other)
    }

    /// Returns true if neither issuer nor audience keeps tokens of one key apart. A token has one issuer, but where a
    /// caller may set its audience, that can hold names of both.
    fn may_share_tokens(&self, other: &Party<'_>) -> bool {
        let (one, other) = (self.policy, other.policy);
        let issuers_meet = match (&one.issuer, &other.issuer) {
            (Some(issuer), Some(another)) => issuer == another,
            // The issuer of one is a foreign issuer there, whose tokens are not the realm's own.
            (Some(issuer), None) | (None, Some(issuer)) => {
                let is_foreign = |policy: &Policy| policy.foreign_issuers.iter().any(|one| one.issuer == *issuer);
                !is_foreign(one) && !is_foreign(other)
            }
            (None, None) => true,
        };
        let sets_audience = |policy: &Policy| policy.allow_overrides.contains(&OwnClaim::Aud);
        let audiences_meet = one.audience.is_empty()
            || other.audience.is_empty()
            || one.audience.iter().any(|name| other.audience.contains(name))
            || sets_audience(one)
            || sets_audience(other);
        issuers_meet && audiences_meet
    }

    /// The realm's own keys, each once.
    fn keys(&self) -> BTreeSet<Key> {
        let own = self
            .keyring
            .keys()
            .filter(|(role, _)| !matches!(role, Role::Foreign(_)));
        own.map(|(_, key)| (key.algorithm.name(), key.id)).collect()
    }
}
