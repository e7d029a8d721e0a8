//! Early tokens: those that were presented before they are valid. Their sessions start later than any clock can show,
//! so no cutoff of the present covers them. A revocation of everything that exists now ends them one by one.

use std::collections::HashMap;

use super::{RealmIndex, clamp, lock};
use crate::denylist::change::{Kind, Level, Revocation};
use crate::types::{Id, Millis, Seconds};

/// The most early tokens that a realm remembers.
const MOST: usize = 4096;

/// A token that is not valid before `start`.
#[derive(Debug, Clone)]
pub struct EarlyToken {
    /// The subject of the token.
    pub subject: Option<Id>,
    /// The start of its session.
    pub start: Millis,
    /// The entry that revokes it.
    pub entry: Revocation,
}

#[derive(Default)]
pub(super) struct EarlyTokens(HashMap<(Kind, Id), EarlyToken>);

impl RealmIndex {
    /// Takes note of an early token. Where there are too many, further ones are not remembered.
    pub fn note_early(&self, token: EarlyToken, now: Millis) {
        let tokens = &mut lock(&self.early).0;
        let key = (token.entry.kind, token.entry.id.clone());
        if tokens.len() >= MOST && !tokens.contains_key(&key) {
            tokens.retain(|_, token| token.start > now); // the others are valid by now: cutoffs cover them
        }
        if let Some(known) = tokens.get_mut(&key) {
            known.entry.until = known.entry.until.max(token.entry.until);
        } else if tokens.len() < MOST {
            tokens.insert(key, token);
        }
    }

    /// Returns the entries that revoke early tokens whose sessions start after `start`: those of a subject, or all.
    pub fn early_tokens(&self, subject: Option<&Id>, start: Millis) -> Vec<Revocation> {
        let tokens = lock(&self.early);
        let is_meant =
            |token: &&EarlyToken| token.start > start && (subject.is_none() || token.subject.as_ref() == subject);
        tokens
            .0
            .values()
            .filter(is_meant)
            .map(|token| token.entry.clone())
            .collect()
    }

    /// Returns the revocations among these entries that exist and end before them.
    pub fn too_short(&self, entries: Vec<Revocation>) -> Vec<Revocation> {
        let is_short = |entry: &Revocation| {
            let found = self.standing(entry.kind, &entry.id);
            found.is_some_and(|(level, until)| level == Level::Hard && until < Seconds::from(clamp(entry.until)))
        };
        entries.into_iter().filter(is_short).collect()
    }
}
