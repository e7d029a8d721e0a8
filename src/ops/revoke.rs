//! `revoke`.

use jwtkeeper_core::keeper::{Before, Names, RealmState, Refusal, Rejection, Revoke};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::types::{Id, Millis};
use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Answer, RevokeTarget};

use super::entries::is_new_subject;
use super::outcome::{Facts, done, later};
use super::signing::charge;
use super::{Answered, Call, Dispatch, No};
use crate::server::price;
use crate::server::quota::Addition;
use crate::server::reply::{put, put_refusal};

impl Dispatch {
    pub(super) fn revoke(&mut self, call: &Call<'_>, target: RevokeTarget<'_>) -> Result<Answered, No> {
        let served = self.served(call)?;
        let granted = self.grant(call, served, new_entries(served, &target))?;
        let (id, now) = (call.id, call.moment.now);
        let (context, served, bucket) = (self.context.clone(), served.clone(), self.bucket.clone());
        let target = Target::of(target);
        Ok(later(async move {
            let mut effort = Effort::default();
            let revoked = context.keeper.revoke(&served, now, target.borrow(), &mut effort).await;
            charge(&context, &bucket, price::further_checks(&effort, &served.realm.keyring));
            if matches!(revoked, Ok(Ok(())) | Err(Refusal::Store(_))) {
                granted.keep();
            }
            done(|out| {
                let (outcome, proven) = match revoked {
                    Ok(Ok(())) => (put(id, Answer::Done, out), true),
                    Ok(Err(Rejection { reason, .. })) => (put(id, Answer::Invalid { reason }, out), false),
                    // In force all the same, and only of a token whose signature holds.
                    Err(refusal) => (put_refusal(id, &refusal, out), matches!(refusal, Refusal::Store(_))),
                };
                let facts = context.facts(|| target.facts(&served, proven));
                let target = Some(target.name());
                (outcome, Facts { target, ..facts })
            })
        }))
    }
}

/// The target of a revocation, owned.
enum Target {
    Token(Vec<u8>, Option<String>),
    Jti(String),
    Session(String),
    Subject(String, Before),
    IssuedBefore(Before),
}

impl Target {
    fn of(target: RevokeTarget<'_>) -> Self {
        match target {
            RevokeTarget::Token { token, cookie } => Target::Token(token.to_vec(), cookie.map(str::to_owned)),
            RevokeTarget::Jti(jti) => Target::Jti(jti.to_owned()),
            RevokeTarget::Session(session) => Target::Session(session.to_owned()),
            RevokeTarget::Subject { subject, before } => Target::Subject(subject.to_owned(), moment(before)),
            RevokeTarget::IssuedBefore(before) => Target::IssuedBefore(moment(before)),
        }
    }

    /// Returns the kind of target, as in the request metrics.
    fn name(&self) -> &'static str {
        match self {
            Target::Token(..) => "token",
            Target::Jti(_) => "jti",
            Target::Session(_) => "session",
            Target::Subject(..) => "subject",
            Target::IssuedBefore(_) => "issued_before",
        }
    }

    /// Returns the facts for the audit; of a token only where it was proven to be the realm's.
    fn facts(&self, served: &RealmState, proven: bool) -> Facts {
        match self {
            Target::Token(token, _) if proven => Facts::of(Names::of_token(served, token)),
            Target::Token(..) => Facts::default(),
            Target::Jti(jti) => Facts::named("jti", jti),
            Target::Session(session) => Facts::named("session", session),
            Target::Subject(subject, _) => Facts::named("subject", subject),
            Target::IssuedBefore(Before::At(at)) => Facts {
                text: Some(format!("begun until the millisecond {}", at.0)),
                ..Facts::default()
            },
            Target::IssuedBefore(Before::Now { .. }) => Facts {
                text: Some("begun until now".to_owned()),
                ..Facts::default()
            },
        }
    }

    fn borrow(&self) -> Revoke<'_> {
        match self {
            Target::Token(token, cookie) => Revoke::Token {
                token,
                cookie: cookie.as_deref(),
            },
            Target::Jti(jti) => Revoke::Jti(jti),
            Target::Session(session) => Revoke::Session(session),
            Target::Subject(subject, before) => Revoke::Subject(subject, *before),
            Target::IssuedBefore(before) => Revoke::IssuedBefore(*before),
        }
    }
}

pub(super) fn moment(before: wire::Before) -> Before {
    match before {
        wire::Before::At(ms) => Before::At(Millis(ms)),
        wire::Before::Now { first_asked } => Before::Now {
            first_asked: first_asked.map(Millis),
        },
    }
}

/// The entries of a revocation that are not there yet.
fn new_entries(served: &RealmState, target: &RevokeTarget<'_>) -> Addition {
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
