//! Each operation: its wire form in, the keeper's answer out, in the wire's form.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Answer, ErrorCode, FlagTarget, RevokeTarget};

use super::entries::Granted;
use super::{Answered, Dispatch};
use crate::audit::Audit;
use crate::ops::outcome::{Done, Facts, GivenSuccessor, Outcome};
use crate::server::Context;
use crate::server::price;
use crate::server::rate::Bucket;
use crate::server::reply::{no_token, put, put_error, put_issued, put_refusal, put_rotated};
use crate::server::signers::is_slow;
use jwtkeeper_core::keeper::{
    Before, Flag, Minted, Names, Refusal, Rejection, Revoke, Rotated, Served, Unsigned, Verdict,
};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::realm::OnReuse;
use jwtkeeper_core::types::Millis;
use jwtkeeper_log_limit::limited;

/// The longest that a rotation may take for its successor to be handed out. Clients give up after 5 s by default, and the
/// audit may take 2 s more: a reply that comes later reaches nobody, and must not start the grace.
const HAND_OUT_WITHIN: Duration = Duration::from_secs(2);

impl Dispatch {
    pub(super) fn validate(
        &mut self,
        now: Millis,
        id: u64,
        served: &Arc<Served>,
        token: &[u8],
        cookie: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Answered {
        let mut effort = Effort::default();
        let verdict = self
            .context
            .keeper
            .validate(served, now, token, cookie, &mut self.scratch, &mut effort);
        self.cost += price::checks(&effort);
        let outcome = match verdict {
            Verdict::Valid { claims, rotation } => put(id, Answer::Valid { claims, rotation }, out),
            Verdict::Invalid(rejection @ Rejection { reuse: Some(_), .. }) => {
                let (context, served) = (self.context.clone(), served.clone());
                return later(async move { reject(&context, &served, now, id, &rejection).await });
            }
            Verdict::Invalid(Rejection { reason, reuse: None }) => put(id, Answer::Invalid { reason }, out),
        };
        Answered::Now(outcome, Facts::default())
    }

    pub(super) fn issue(
        &self,
        now: Millis,
        id: u64,
        served: &Arc<Served>,
        claims: &[u8],
        ttl: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Answered {
        let unsigned = match self.context.keeper.issue(served, now, claims, ttl) {
            Ok(unsigned) => unsigned,
            Err(refusal) => return Answered::Now(put_refusal(id, &refusal, out), Facts::default()),
        };
        if is_slow(unsigned.algorithm) {
            let (context, served, bucket) = (self.context.clone(), served.clone(), self.bucket.clone());
            return later(async move {
                match sign_aside(&context, &bucket, &served, unsigned).await {
                    Ok(minted) => done(|out| put_minted(&context, &served, id, &minted, out)),
                    Err(refusal) => refused(id, &refusal),
                }
            });
        }
        let (outcome, facts) = match unsigned.sign(served) {
            Ok(minted) => put_minted(&self.context, served, id, &minted, out),
            Err(refusal) => (put_refusal(id, &refusal, out), Facts::default()),
        };
        Answered::Now(outcome, facts)
    }

    pub(super) fn rotate(
        &self,
        now: Millis,
        id: u64,
        served: &Arc<Served>,
        (token, cookie): (&[u8], Option<&str>),
        claims: Option<&[u8]>,
        granted: Granted,
    ) -> Answered {
        let (context, served, bucket) = (self.context.clone(), served.clone(), self.bucket.clone());
        let (token, cookie, claims) = (token.to_vec(), cookie.map(str::to_owned), claims.map(<[u8]>::to_vec));
        let began = Instant::now();
        later(async move {
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
                        let facts = context.facts(|| facts_of(Names::of_token(&served, &token)));
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
                    ..facts_of(Names::of_claims(&served, minted.claims.as_bytes()))
                });
                (outcome, facts)
            });
            let hand_out = Some(given);
            Done { hand_out, ..done }
        })
    }

    pub(super) fn flag(
        &self,
        now: Millis,
        id: u64,
        served: &Arc<Served>,
        target: FlagTarget<'_>,
        granted: Granted,
    ) -> Answered {
        let (context, served) = (self.context.clone(), served.clone());
        let (name, before) = match target {
            FlagTarget::Jti(jti) => (jti.to_owned(), None),
            FlagTarget::Subject { subject, before } => (subject.to_owned(), Some(moment(before))),
        };
        later(async move {
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
                    Flag::Jti(jti) => named("jti", jti),
                    Flag::Subject(subject, _) => named("subject", subject),
                });
                (outcome, facts)
            })
        })
    }

    pub(super) fn revoke(
        &self,
        now: Millis,
        id: u64,
        served: &Arc<Served>,
        target: RevokeTarget<'_>,
        granted: Granted,
    ) -> Answered {
        let (context, served, bucket) = (self.context.clone(), served.clone(), self.bucket.clone());
        let target = Target::of(target);
        later(async move {
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
        })
    }

    pub(super) fn import(&self, now: Millis, id: u64) -> Answered {
        let context = self.context.clone();
        later(async move {
            let denylist = context.keeper.denylist();
            let realms = denylist.index().realms();
            if let Some(why) = realms.iter().find_map(|realm| denylist.stale(realm)) {
                return unavailable(id, &why);
            }
            let kept = denylist.keep_all(now).await;
            let health = denylist.health();
            if let Some(why) = &health.fault {
                // What the shared store lacks is not known.
                return unavailable(id, why);
            }
            match kept {
                Ok(_) => {
                    let (entries, pending) = (health.entries, health.shared.map_or(0, |shared| shared.pending));
                    plain(|out| put(id, Answer::Imported { entries, pending }, out))
                }
                Err(error) => unavailable(id, &error.to_string()),
            }
        })
    }
}

/// What to revoke, owned.
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

    /// What it names: one of the tally's targets.
    fn name(&self) -> &'static str {
        match self {
            Target::Token(..) => "token",
            Target::Jti(_) => "jti",
            Target::Session(_) => "session",
            Target::Subject(..) => "subject",
            Target::IssuedBefore(_) => "issued_before",
        }
    }

    /// What the audit tells of it; of a token only where it was proven to be the realm's.
    fn facts(&self, served: &Served, proven: bool) -> Facts {
        match self {
            Target::Token(token, _) if proven => facts_of(Names::of_token(served, token)),
            Target::Token(..) => Facts::default(),
            Target::Jti(jti) => named("jti", jti),
            Target::Session(session) => named("session", session),
            Target::Subject(subject, _) => named("subject", subject),
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

fn moment(before: wire::Before) -> Before {
    match before {
        wire::Before::At(ms) => Before::At(Millis(ms)),
        wire::Before::Now { first_asked } => Before::Now {
            first_asked: first_asked.map(Millis),
        },
    }
}

/// Signs where it holds nobody up: what is slow with the signers, only so much of a uid at a time.
async fn sign_aside(
    context: &Context,
    bucket: &Bucket,
    served: &Arc<Served>,
    unsigned: Unsigned,
) -> Result<Minted, Refusal> {
    if !is_slow(unsigned.algorithm) {
        return unsigned.sign(served);
    }
    let (turn, served) = (bucket.turn_to_sign().await, served.clone());
    let signed = context.signers.spawn(async move {
        let signed = unsigned.sign(&served);
        drop(turn);
        signed
    });
    signed.await.unwrap_or(Err(Refusal::Crypto))
}

/// Charges a uid for work that was done beside its connection.
fn charge(context: &Context, bucket: &Bucket, points: usize) {
    if points > 0 {
        let per_second = context.live.snapshot().settings.limits.requests_per_uid;
        bucket.take(points, per_second, tokio::time::Instant::now());
    }
}

pub(super) fn later(work: impl Future<Output = Done> + Send + 'static) -> Answered {
    Answered::Later(Box::pin(work))
}

fn put_minted(context: &Context, served: &Served, id: u64, minted: &Minted, out: &mut Vec<u8>) -> (Outcome, Facts) {
    let outcome = put_issued(id, minted, &served.realm.policy.cookie, out);
    let names = || facts_of(Names::of_claims(served, minted.claims.as_bytes()));
    (outcome, context.facts(names))
}

/// Answers no. A rotated token presented after its grace is counted, logged, and acted on as the realm says.
async fn reject(context: &Context, served: &Served, now: Millis, id: u64, rejection: &Rejection) -> Done {
    if let Some(reuse) = &rejection.reuse {
        context.reuses.fetch_add(1, Ordering::Relaxed);
        let (realm, jti, session) = (&served.realm.name, &reuse.jti, &reuse.session);
        limited!(
            warn,
            "reuse",
            key = &session.to_string(),
            %realm, %jti, %session,
            "reuse: a rotated token was presented after its grace"
        );
        if let Err(error) = context.keeper.on_reuse(served, now, reuse).await {
            limited!(
                error,
                "revocation of a reused session is not durable",
                key = &session.to_string(),
                %error, %realm, %session,
                "revoked the session of a reused token on this host, but not durably"
            );
        }
    }
    let ends = rejection.reuse.is_some() && served.realm.policy.on_reuse == OnReuse::RevokeSession;
    done(|out| {
        let reason = rejection.reason;
        let facts = context.facts(|| Facts {
            jti: rejection.reuse.as_ref().map(|reuse| reuse.jti.to_string()),
            session: rejection.reuse.as_ref().map(|reuse| reuse.session.to_string()),
            reuse: rejection.reuse.is_some(),
            text: ends.then(|| "the session is revoked (on_reuse)".to_owned()),
            ..Facts::default()
        });
        (put(id, Answer::Invalid { reason }, out), facts)
    })
}

/// What the audit tells of a token.
fn facts_of(names: Option<Names>) -> Facts {
    let Some(Names { jti, session, subject }) = names else {
        return Facts::default();
    };
    Facts {
        jti: Some(jti.to_string()),
        session: Some(session.to_string()),
        subject,
        ..Facts::default()
    }
}

/// What the audit tells of what is named by its id.
fn named(target: &'static str, id: &str) -> Facts {
    // An id can be as long as a frame; what is longer than any that is taken is told in part.
    let id = Some(no_token(id).chars().take(1024).collect());
    let facts = Facts {
        target: Some(target),
        ..Facts::default()
    };
    match target {
        "jti" => Facts { jti: id, ..facts },
        "session" => Facts { session: id, ..facts },
        _ => Facts { subject: id, ..facts },
    }
}

fn done(put: impl FnOnce(&mut Vec<u8>) -> (Outcome, Facts)) -> Done {
    let mut bytes = Vec::new();
    let (outcome, facts) = put(&mut bytes);
    Done {
        bytes,
        outcome,
        facts,
        hand_out: None,
    }
}

pub(super) fn plain(put: impl FnOnce(&mut Vec<u8>) -> Outcome) -> Done {
    done(|out| (put(out), Facts::default()))
}

fn refused(id: u64, refusal: &Refusal) -> Done {
    plain(|out| put_refusal(id, refusal, out))
}

fn unavailable(id: u64, why: &str) -> Done {
    plain(|out| put_error(id, ErrorCode::Unavailable, why, out))
}
