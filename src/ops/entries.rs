//! Room in the denylist for the entries that a request adds: reserved before the request starts, and given back if it adds
//! none.

use std::sync::Arc;

use jwtkeeper_wire::{ErrorCode, FlagTarget, RevokeTarget};

use super::{Dispatch, Moment, No};
use crate::server::quota::{Addition, Level, refusal};
use crate::server::{Context, price};
use jwtkeeper_core::keeper::{Names, Served};
use jwtkeeper_core::types::{Id, Seconds};

/// Room for new entries. It counts against the uid from the start, so that requests that run at the same time cannot exceed the
/// limit together. Unless the entries are made, the room is given back on drop.
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
    pub(super) fn grant(&mut self, moment: &Moment, served: &Served, addition: Addition) -> Result<Granted, No> {
        let limits = &moment.snapshot.settings.limits;
        let uid = self.peer.uid;
        let in_realm = Level {
            entries: usize::try_from(served.index.entries()).unwrap_or(usize::MAX),
            limit: limits.entries_per_realm,
        };
        let of_uid = Level {
            entries: self.context.quotas.live(uid, moment.now.seconds()),
            limit: limits.entries_per_uid,
        };
        if let Some(why) = refusal(addition, &served.realm.name, in_realm, uid, of_uid) {
            if !(addition.is_revocation && moment.snapshot.access.mends(&self.peer)) {
                return Err((ErrorCode::Overloaded, why));
            }
            self.cost += price::BEYOND_LIMIT;
        }
        let until = served.index.retention(moment.now);
        if addition.entries > 0 {
            self.context.quotas.add(uid, addition.entries, until);
        }
        Ok(Granted {
            context: self.context.clone(),
            uid,
            entries: addition.entries,
            until,
        })
    }
}

/// The entries of a rotation: none where the token has its successor already.
pub(super) fn of_rotation(served: &Served, token: &[u8]) -> Addition {
    let names = Names::of_token(served, token);
    let is_new = names.is_none_or(|names| served.index.rotation(&names.jti).is_none());
    Addition {
        entries: usize::from(is_new),
        is_revocation: false,
    }
}

pub(super) fn of_flag(served: &Served, target: &FlagTarget<'_>) -> Addition {
    let index = &served.index;
    let is_new = match target {
        FlagTarget::Jti(jti) => Id::parse(jti).is_ok_and(|jti| index.token(&jti).is_none()),
        FlagTarget::Subject { subject, .. } => is_new_subject(served, subject),
    };
    Addition {
        entries: usize::from(is_new),
        is_revocation: false,
    }
}

pub(super) fn of_revocation(served: &Served, target: &RevokeTarget<'_>) -> Addition {
    let index = &served.index;
    let is_new_session = |session: &Id| usize::from(!index.session_revoked(session));
    let of_token = |jti: &Id, session: &Id| usize::from(index.token(jti).is_none()) + is_new_session(session);
    let entries = match target {
        RevokeTarget::Token { token, .. } => {
            Names::of_token(served, token).map_or(0, |names| of_token(&names.jti, &names.session))
        }
        RevokeTarget::Jti(jti) => Id::parse(jti).map_or(0, |jti| of_token(&jti, &jti)),
        RevokeTarget::Session(session) => Id::parse(session).map_or(0, |session| is_new_session(&session)),
        RevokeTarget::Subject { subject, .. } => usize::from(is_new_subject(served, subject)),
        // A realm has one.
        RevokeTarget::IssuedBefore(_) => 0,
    };
    Addition {
        entries,
        is_revocation: true,
    }
}

fn is_new_subject(served: &Served, subject: &str) -> bool {
    Id::parse(subject).is_ok_and(|subject| {
        let cutoffs = served.index.subject(&subject);
        cutoffs.hard.is_none() && cutoffs.soft.is_none()
    })
}
