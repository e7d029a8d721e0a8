//! A denylist in memory alone: what the conformance suite holds the real stores against, and what the bench's
//! in-process figures use. Nothing survives it.

use std::sync::{Arc, Mutex, PoisonError};

use super::change::{Change, Outcome};
use super::index::{Index, RealmIndex};
use super::{Applied, Denylist, StoreHealth};

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
            Change::Raise { mut entries, follow } => {
                follow_successors(realm, &mut entries, follow.as_ref());
                for entry in &entries {
                    realm.raise(entry);
                }
                Outcome::Done
            }
            Change::Rotate(rotate) => realm.decide(&rotate).unwrap_or_else(|| {
                realm.keep_rotation(&rotate);
                Outcome::First(rotate.record)
            }),
            Change::Keep(rotate) => {
                realm.keep_rotation(&rotate);
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

/// Adds the revocation of every successor that `from` leads to, for as long as the first entry stands.
pub(super) fn follow_successors(realm: &RealmIndex, entries: &mut Vec<super::Raise>, from: Option<&crate::words::Id>) {
    let (Some(from), Some(first)) = (from, entries.first().cloned()) else {
        return;
    };
    entries.extend(
        realm
            .successors(from)
            .into_iter()
            .map(|id| super::Raise { id, ..first.clone() }),
    );
}
