//! A denylist in memory alone: what the conformance suite holds the real stores against, and what the bench's
//! in-process figures use. Nothing survives it.

use std::sync::{Arc, Mutex, PoisonError};

use super::change::{Change, Kind, Outcome, Revocation};
use super::index::{Index, RealmIndex, Rotation};
use super::{Applied, Denylist, StoreHealth};
use crate::types::Id;

/// A denylist without a store behind it.
#[derive(Default)]
pub struct Memory {
    index: Index,
    step: Mutex<()>,
}

impl Denylist for Memory {
    fn index(&self) -> &Index {
        &self.index
    }

    fn apply(&self, realm: &Arc<RealmIndex>, change: Change) -> Applied<'_> {
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match change {
            Change::Revoke {
                mut entries,
                ends_session_of,
            } => {
                add_session(realm, &mut entries, ends_session_of.as_ref());
                for entry in &entries {
                    realm.raise(entry);
                }
                Outcome::Done
            }
            Change::Rotate(rotate) => realm.decide(&rotate).unwrap_or_else(|| {
                realm.insert_rotation(&rotate.old, Rotation::decided(&rotate));
                Outcome::First(rotate.record)
            }),
            Change::Keep { old, rotation } => {
                realm.insert_rotation(&old, rotation);
                Outcome::Done
            }
            Change::Lifetime { max_lifetime, now } => {
                realm.set_lifetime(max_lifetime, now);
                Outcome::Done
            }
            Change::Tick { now, .. } => {
                self.index.purge(now.seconds());
                Outcome::Done
            }
        };
        drop(step);
        Box::pin(std::future::ready(Ok(outcome)))
    }

    fn health(&self) -> StoreHealth {
        StoreHealth {
            kind: "memory",
            entries: self.index.len(),
            ..StoreHealth::default()
        }
    }
}

/// Adds the revocation of the session that `token` belongs to, for as long as the first entry stands, and that of the
/// session's last token: a gem knows no sessions. Two entries, however often the session was rotated.
pub fn add_session(realm: &RealmIndex, entries: &mut Vec<Revocation>, token: Option<&Id>) {
    let session = token.and_then(|token| realm.session_of(token));
    let (Some(session), Some(first)) = (session, entries.first()) else {
        return;
    };
    let until = first.until;
    let head = realm
        .head_of(&session)
        .map(|head| Revocation::hard(Kind::Token, head, until));
    for raise in head
        .into_iter()
        .chain([Revocation::hard(Kind::Session, session, until)])
    {
        if !entries.contains(&raise) {
            entries.push(raise);
        }
    }
}
