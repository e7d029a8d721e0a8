//! Room in the denylist for the entries that a request adds: reserved before the request starts, and given back if it
//! adds none.

use std::sync::Arc;

use jwtkeeper_wire::ErrorCode;

use super::{Call, Dispatch, No};
use crate::server::quota::{Addition, Level, refusal};
use crate::server::{Context, price};
use jwtkeeper_core::keeper::RealmState;
use jwtkeeper_core::types::{Id, Seconds};

/// Room for new entries. It counts against the uid from the start, so that requests that run at the same time cannot
/// exceed the limit together. Unless the entries are made, the room is given back on drop.
#[must_use]
pub(super) struct Granted {
    context: Arc<Context>,
    uid: u32,
    entries: usize,
    until: Seconds,
}

impl Granted {
    /// Keeps the room: the entries exist, or the revocation is in effect though not durable.
    pub(super) fn keep(mut self) {
        self.entries = 0;
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        if self.entries > 0 {
            self.context.quotas.take_back(self.uid, self.entries, self.until);
        }
    }
}

impl Dispatch {
    /// Reserves room for an addition, unless a limit of entries is reached.
    pub(super) fn grant(&mut self, call: &Call<'_>, served: &RealmState, addition: Addition) -> Result<Granted, No> {
        let moment = call.moment;
        let limits = &moment.snapshot.settings.limits;
        let uid = self.peer.uid;
        let until = served.index.retention(moment.now);
        let before = self
            .context
            .quotas
            .reserve(uid, addition.entries, until, moment.now.seconds());
        let granted = Granted {
            context: self.context.clone(),
            uid,
            entries: addition.entries,
            until,
        };
        let in_realm = Level {
            entries: usize::try_from(served.index.entries()).unwrap_or(usize::MAX),
            limit: limits.entries_per_realm,
        };
        let of_uid = Level {
            entries: before,
            limit: limits.entries_per_uid,
        };
        if let Some(why) = refusal(addition, &served.realm.name, in_realm, uid, of_uid) {
            if !(addition.is_revocation && moment.snapshot.access.is_administrator(&self.peer)) {
                return Err((ErrorCode::Overloaded, why));
            }
            self.cost += price::BEYOND_LIMIT;
        }
        Ok(granted)
    }
}

/// Returns true if the denylist has nothing about a subject.
pub(super) fn is_new_subject(served: &RealmState, subject: &str) -> bool {
    Id::parse(subject).is_ok_and(|subject| {
        let cutoffs = served.index.subject(&subject);
        cutoffs.hard.is_none() && cutoffs.soft.is_none()
    })
}
