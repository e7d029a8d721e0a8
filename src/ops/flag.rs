//! `flag`.

use jwtkeeper_core::keeper::{Flag, RealmState, Refusal};
use jwtkeeper_core::types::Id;
use jwtkeeper_wire::{Answer, FlagTarget};

use super::entries::is_new_subject;
use super::outcome::{Facts, done, later};
use super::revoke::moment;
use super::{Answered, Call, Dispatch, No};
use crate::server::quota::Addition;
use crate::server::reply::{put, put_refusal};

impl Dispatch {
    pub(super) fn flag(&mut self, call: &Call<'_>, target: FlagTarget<'_>) -> Result<Answered, No> {
        let served = self.served(call)?;
        let granted = self.grant(call, served, new_entries(served, &target))?;
        let (id, now) = (call.id, call.moment.now);
        let (context, served) = (self.context.clone(), served.clone());
        let (name, before) = match target {
            FlagTarget::Jti(jti) => (jti.to_owned(), None),
            FlagTarget::Subject { subject, before } => (subject.to_owned(), Some(moment(before))),
        };
        Ok(later(async move {
            let target = match before {
                None => Flag::Jti(&name),
                Some(before) => Flag::Subject(&name, before),
            };
            let flagged = context.keeper.flag(&served, now, target).await;
            if matches!(flagged, Ok(()) | Err(Refusal::Store(_))) {
                granted.keep();
            }
            done(|out| {
                let outcome = match flagged {
                    Ok(()) => put(id, Answer::Done, out),
                    Err(refusal) => put_refusal(id, &refusal, out),
                };
                let facts = context.facts(|| match target {
                    Flag::Jti(jti) => Facts::named("jti", jti),
                    Flag::Subject(subject, _) => Facts::named("subject", subject),
                });
                (outcome, facts)
            })
        }))
    }
}

/// The entries of a flag: none where there is one already.
fn new_entries(served: &RealmState, target: &FlagTarget<'_>) -> Addition {
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
