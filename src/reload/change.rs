//! The consequences of a new generation for tokens, in words for the administrator.

use std::collections::BTreeSet;

use crate::config::difference::{self, Difference};
use crate::config::settings::Settings;
use crate::reload::snapshot::{ActiveRealm, Snapshot};
use jwtkeeper_core::jwt::Version;
use jwtkeeper_core::keyring::{KeyId, Keyring, LockKey, Role};
use jwtkeeper_core::realm::{CookieLock, Policy};

/// One thing that a new generation changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// In which realm; empty for the configuration as a whole.
    pub realm: String,
    /// The sentence.
    pub text: String,
    /// The setting whose values the sentence tells; health names it alone, since everybody may ask for health.
    pub setting: Option<String>,
    /// The tokens that were valid and are not any more.
    pub ends: Ends,
    /// Rotation is due for tokens that stay valid.
    pub rotates: bool,
    /// A restart is pending, and nothing else.
    pub is_restart: bool,
    /// True if tokens that were revoked are valid again.
    pub revives_tokens: bool,
}

/// The tokens of a realm that end with a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ends {
    /// None.
    Nothing,
    /// The tokens that the text describes.
    Some,
    /// The tokens that a key signed.
    OfKey(String),
    /// All.
    All,
}

impl Change {
    /// Returns true if tokens that were valid are not any more.
    pub fn ends_tokens(&self) -> bool {
        self.ends != Ends::Nothing
    }
}

/// Returns the changes from one snapshot to the next.
pub(crate) fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    let settings = of_settings(&before.settings, &after.settings);
    let unnamed = settings.is_empty() && before.settings.origin != after.settings.origin;
    changes.extend(settings);
    of_restart(
        &before.settings.pending_restart,
        &after.settings.pending_restart,
        &mut changes,
    );
    if before.settings.access != after.settings.access {
        changes.push(harmless("access rules changed, for open connections too".to_owned()));
    }
    let realms = before.settings.realms.keys().chain(after.settings.realms.keys());
    for realm in realms.collect::<BTreeSet<_>>() {
        let from = changes.len();
        match (before.in_force(realm), after.in_force(realm)) {
            (Some(before), Some(after)) => {
                of_keys(
                    realm,
                    &before.served.realm.keyring,
                    &after.served.realm.keyring,
                    &mut changes,
                );
                of_version(realm, before, after, &mut changes);
                of_denylist(realm, before, after, &mut changes);
                of_policy(
                    realm,
                    &before.served.realm.policy,
                    &after.served.realm.policy,
                    &mut changes,
                );
            }
            (None, Some(_)) => changes.push(harmless(format!("realm {realm} is new"))),
            (Some(before), None) => of_removal(realm, before, after, &mut changes),
            (None, None) => {}
        }
        for change in changes.iter_mut().skip(from) {
            change.realm.clone_from(realm);
        }
    }
    if unnamed && changes.is_empty() {
        let text = "the configuration was rewritten; the settings in effect are the same";
        changes.push(harmless(text.to_owned()));
    }
    changes
}

/// The settings that differ, by name. New and removed realms and access rules have sentences of their own.
fn of_settings(before: &Settings, after: &Settings) -> Vec<Change> {
    let change = |one: Difference, realm: &str| Change {
        realm: realm.to_owned(),
        setting: Some(one.name),
        ..harmless(one.text)
    };
    let top = difference::of_top(before, after).into_iter();
    let mut changes: Vec<_> = top.map(|one| change(one, "")).collect();
    for (name, realm) in &before.realms {
        let Some(now) = after.realms.get(name) else { continue };
        changes.extend(
            difference::of_realm(realm, now)
                .into_iter()
                .map(|one| change(one, name)),
        );
    }
    changes
}

/// Settings whose new value takes effect only after a restart.
fn of_restart(before: &[&str], after: &[&str], changes: &mut Vec<Change>) {
    let new: Vec<_> = after.iter().filter(|name| !before.contains(name)).copied().collect();
    if !new.is_empty() {
        let names = new.join(", ");
        let text = format!("restart pending: the new value of {names} takes effect after a restart of jwtkeeperd");
        changes.push(Change {
            is_restart: true,
            ..harmless(text)
        });
    }
    if after.is_empty() && !before.is_empty() {
        changes.push(harmless("no restart is pending anymore".to_owned()));
    }
}

fn of_keys(realm: &str, before: &Keyring, after: &Keyring, changes: &mut Vec<Change>) {
    // A key with another algorithm is another key, whatever its thumbprint.
    let ids = |keyring: &Keyring, wanted: fn(Role) -> bool| -> BTreeSet<(&'static str, KeyId)> {
        let all = keyring.keys().filter(|(role, _)| wanted(*role));
        all.map(|(_, key)| (key.algorithm.name(), key.id)).collect()
    };
    let own = |role| !matches!(role, Role::Foreign(_));
    let current = |role| role == Role::Current;
    let (had, has) = (ids(before, own), ids(after, own));
    let lost: BTreeSet<_> = had.difference(&has).collect();
    if !had.is_empty() && lost.len() == had.len() {
        let keys: Vec<_> = ids(after, current).iter().map(|(_, id)| id.to_string()).collect();
        let key = keys.join(", ");
        let text = format!("realm {realm}: only tokens signed by key {key} are valid now");
        changes.push(ends(Ends::All, text));
    } else {
        for (_, key) in lost {
            let text = format!("realm {realm}: tokens signed by key {key} are now invalid");
            changes.push(ends(Ends::OfKey(key.to_string()), text));
        }
        if ids(before, current) != ids(after, current) && ids(before, current).is_subset(&has) {
            let text = format!(
                "realm {realm} has a new key; tokens signed by the previous key stay valid and are due for rotation"
            );
            changes.push(rotates(text));
        }
    }
    for (_, key) in has.difference(&had).filter(|key| !ids(after, current).contains(key)) {
        let text = format!("realm {realm}: tokens signed by the retired key {key} are valid now");
        changes.push(harmless(text));
    }
    let foreign = |keyring: &Keyring| -> BTreeSet<(usize, KeyId)> {
        let all = keyring.keys().filter_map(|(role, key)| match role {
            Role::Foreign(issuer) => Some((issuer, key.id)),
            _ => None,
        });
        all.collect()
    };
    let (had, has) = (foreign(before), foreign(after));
    if !had.is_subset(&has) {
        let text = format!("realm {realm}: tokens of foreign issuers whose keys were removed are now invalid");
        changes.push(ends(Ends::Some, text));
    } else if had != has {
        changes.push(harmless(format!("realm {realm} has more keys of foreign issuers")));
    }
}

/// Rules that valid tokens may not keep.
fn of_policy(realm: &str, before: &Policy, after: &Policy, changes: &mut Vec<Change>) {
    let mut ended = |whose: String| {
        let text = format!("tokens of realm {realm} {whose} are now invalid");
        changes.push(ends(Ends::Some, text));
    };
    if let Some(issuer) = after.issuer.as_ref().filter(|_| before.issuer != after.issuer) {
        ended(format!("whose issuer is not {issuer:?}"));
    }
    let narrower = before.audience.is_empty() || !before.audience.iter().all(|one| after.audience.contains(one));
    if !after.audience.is_empty() && narrower {
        ended("that are for none of its audiences".to_owned());
    }
    if after.max_lifetime < before.max_lifetime {
        ended(format!("that live for more than {} s", after.max_lifetime));
    }
    let sooner =
        |before: Option<u64>, after: Option<u64>| after.is_some_and(|after| before.is_none_or(|before| after < before));
    if sooner(before.session_lifetime, after.session_lifetime) {
        ended("whose session has lasted for its session_lifetime".to_owned());
    }
    if after.max_token < before.max_token {
        ended(format!("that have more than {} bytes", after.max_token));
    }
    if after.cookie_lock == CookieLock::Required && before.cookie_lock != CookieLock::Required {
        ended("that are not locked".to_owned());
    }
    let read = |policy: &Policy, kind| policy.lock_key == kind || policy.accept_lock_keys.contains(&kind);
    let lost = |kind: &LockKey| read(before, *kind) && !read(after, *kind);
    if [LockKey::Derived, LockKey::Concat].iter().any(lost) {
        ended("whose cookie lock it no longer accepts".to_owned());
    }
    for issuer in &before.foreign_issuers {
        let name = &issuer.issuer;
        match after.foreign_issuer(Some(name)) {
            None => ended(format!("by the foreign issuer {name:?}")),
            Some(now) if now.own_key != issuer.own_key => ended(format!("by the former key of issuer {name:?}")),
            Some(now) if issuer.typ.iter().any(|typ| !now.typ.contains(typ)) => {
                ended(format!("by issuer {name:?} whose typ is not {}", now.typ.join(" or ")));
            }
            Some(now) if now.require_jti && !issuer.require_jti => {
                ended(format!("by issuer {name:?} that have no jti"));
            }
            Some(_) => {}
        }
    }
}

fn of_version(realm: &str, before: &ActiveRealm, after: &ActiveRealm, changes: &mut Vec<Change>) {
    let (before, after) = (&before.served.realm.version, &after.served.realm.version);
    if before != after {
        let (before, after) = (in_words(before), in_words(after));
        let text = format!("realm {realm} has {after}, it had {before}: rotation is due for every token of another");
        changes.push(rotates(text));
    }
}

fn of_denylist(realm: &str, before: &ActiveRealm, after: &ActiveRealm, changes: &mut Vec<Change>) {
    let (before, after) = (before.party().denylist, after.party().denylist);
    if before != after {
        changes.push(revives(format!(
            "realm {realm} uses the denylist {after} and no longer {before}: what was revoked in {before} alone is valid again"
        )));
    }
}

/// A realm that is gone, which may have been renamed.
fn of_removal(realm: &str, before: &ActiveRealm, after: &Snapshot, changes: &mut Vec<Change>) {
    let gone = before.party();
    let mut successors: Vec<_> = after.realms().map(ActiveRealm::party).collect();
    successors.retain(|successor| gone.shares_tokens(successor));
    successors.sort_unstable_by_key(|successor| successor.name);
    if successors.is_empty() {
        let text = format!("realm {realm} is gone, and with it every token of it");
        changes.push(ends(Ends::All, text));
    }
    for successor in successors {
        let (successor, same) = (successor.name, successor.denylist == gone.denylist);
        changes.push(match same {
            true => harmless(format!(
                "realm {realm} is gone; its tokens are valid in realm {successor}, which has its key and its denylist"
            )),
            false => revives(format!(
                "realm {realm} is gone; its tokens are valid in realm {successor}, which has its key, and so is every token that was \
                 revoked in {realm}; set denylist = \"{}\" in realm {successor} to keep its revocations",
                gone.denylist
            )),
        });
    }
}

fn in_words(version: &Version<'_>) -> String {
    match version {
        Version::None | Version::Other => "no version".to_owned(),
        Version::Number(number) => format!("the version {number}"),
        // A secret that was put there by mistake is not shown whole.
        Version::Text(text) if text.chars().count() > 16 => {
            format!("the version {:?}…", text.chars().take(16).collect::<String>())
        }
        Version::Text(text) => format!("the version {text:?}"),
    }
}

fn harmless(text: String) -> Change {
    Change {
        realm: String::new(),
        text,
        setting: None,
        ends: Ends::Nothing,
        rotates: false,
        is_restart: false,
        revives_tokens: false,
    }
}

fn ends(ends: Ends, text: String) -> Change {
    Change { ends, ..harmless(text) }
}

fn rotates(text: String) -> Change {
    Change {
        rotates: true,
        ..harmless(text)
    }
}

fn revives(text: String) -> Change {
    Change {
        revives_tokens: true,
        ..harmless(text)
    }
}
