//! `rotate`.

use std::time::{Duration, Instant};

use jwtkeeper_core::keeper::{Names, RealmState, Refusal, Rotated};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_wire::Right;

use super::outcome::{Done, Facts, GivenSuccessor, done, later, refused, unavailable};
use super::rejection::reject;
use super::signing::{charge, sign_aside};
use super::{Answered, Call, Dispatch, No};
use crate::audit::Audit;
use crate::server::price;
use crate::server::quota::Addition;
use crate::server::reply::{put_refusal, put_rotated};

/// The longest that a rotation may take for its successor to be handed out. Clients give up after 5 s by default, and
/// the audit may take 2 s more: a reply that comes later reaches nobody, and must not start the grace.
const HAND_OUT_WITHIN: Duration = Duration::from_secs(2);

impl Dispatch {
    pub(super) fn rotate(
        &mut self,
        call: &Call<'_>,
        token: &[u8],
        cookie: Option<&str>,
        claims: Option<&[u8]>,
    ) -> Result<Answered, No> {
        if claims.is_some() {
            self.allowed(call, Right::RotateClaims)?;
        }
        let served = self.served(call)?;
        let granted = self.grant(call, served, new_entries(served, token))?;
        let (id, now) = (call.id, call.moment.now);
        let (context, served, bucket) = (self.context.clone(), served.clone(), self.bucket.clone());
        let (token, cookie, claims) = (token.to_vec(), cookie.map(str::to_owned), claims.map(<[u8]>::to_vec));
        let began = Instant::now();
        Ok(later(async move {
            // What cannot be acknowledged is not decided: apps of the gem take the old token for revoked from then on.
            if let Some(why) = context.audit.as_ref().and_then(Audit::refusal) {
                return unavailable(id, &why);
            }
            let mut effort = Effort::default();
            let (cookie, claims) = (cookie.as_deref(), claims.as_deref());
            let rotated = context.keeper.rotate(&served, now, &token, cookie, claims, &mut effort);
            let rotated = rotated.await;
            charge(&context, &bucket, price::further_checks(&effort, &served.realm.keyring));
            let (minted, cause, hand_out) = match rotated {
                Ok(Rotated::Successor(unsigned, cause, hand_out)) => {
                    granted.keep();
                    match sign_aside(&context, &bucket, &served, unsigned).await {
                        Ok(minted) => (minted, cause, hand_out),
                        Err(refusal) => return refused(id, &refusal),
                    }
                }
                Ok(Rotated::Invalid(rejection)) => return reject(&context, &served, now, id, &rejection).await,
                // Judged before the store was asked: it is the realm's.
                Err(refusal @ Refusal::Store(_)) => {
                    return done(|out| {
                        let facts = context.facts(|| Facts::of(Names::of_token(&served, &token)));
                        (put_refusal(id, &refusal, out), facts)
                    });
                }
                Err(refusal) => return refused(id, &refusal),
            };
            if began.elapsed() > HAND_OUT_WITHIN {
                return unavailable(id, "the rotation took too long; ask again for the same successor");
            }
            let given = GivenSuccessor {
                jti: minted.jti.clone(),
                served: served.clone(),
                hand_out,
            };
            let done = done(|out| {
                let outcome = put_rotated(id, &minted, cause, &served.realm.policy.cookie, out);
                let facts = context.facts(|| Facts {
                    predecessor: Names::of_token(&served, &token).map(|old| old.jti.to_string()),
                    ..Facts::of(Names::of_claims(&served, minted.claims.as_bytes()))
                });
                (outcome, facts)
            });
            let hand_out = Some(given);
            Done { hand_out, ..done }
        }))
    }
}

/// The entries of a rotation: none where the token has its successor already.
fn new_entries(served: &RealmState, token: &[u8]) -> Addition {
    let names = Names::of_token(served, token);
    let is_new = names.is_none_or(|names| served.index.rotation(&names.jti).is_none());
    Addition {
        entries: usize::from(is_new),
        is_revocation: false,
    }
}
