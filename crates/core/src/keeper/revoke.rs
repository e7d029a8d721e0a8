//! Revoke, flag and status. State only climbs, and an answer comes when it is durable.

use jwtkeeper_wire::Reason;

use super::verification::{VerifiedToken, verify_token};
use super::{Keeper, RealmState, Refusal, Rejection, Reuse};
use crate::denylist::{Change, Kind, Level, MARGIN, Revocation};
use crate::keyring::Effort;
use crate::realm::OnReuse;
use crate::types::{Id, Millis, Seconds};

/// The target of a revocation.
#[derive(Debug, Clone, Copy)]
pub enum Revoke<'a> {
    /// A token in hand, and its session. An expired one too.
    Token {
        /// Compact serialization.
        token: &'a [u8],
        /// The lock cookie's value.
        cookie: Option<&'a str>,
    },
    /// A token by its jti, and its session: the one that it began, or the one that it is known to belong to.
    Jti(&'a str),
    /// A session.
    Session(&'a str),
    /// A subject's logins begun by a time.
    Subject(&'a str, Before),
    /// All logins begun by a time.
    IssuedBefore(Before),
}

/// The target of a flag.
#[derive(Debug, Clone, Copy)]
pub enum Flag<'a> {
    /// A token by its jti.
    Jti(&'a str),
    /// A subject's tokens born by a time.
    Subject(&'a str, Before),
}

/// A cutoff's moment, itself included.
#[derive(Debug, Clone, Copy)]
pub enum Before {
    /// This moment.
    At(Millis),
    /// Now; for a retry, the moment of the first asking.
    Now {
        /// When it was asked first.
        first_asked: Option<Millis>,
    },
}

/// The state of a jti by the denylist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The state.
    pub state: jwtkeeper_wire::State,
    /// Until when it stands.
    pub until: Seconds,
}

impl Keeper {
    /// Revokes; `Err(Rejection)` inside when a token in hand is not of this realm.
    pub async fn revoke(
        &self,
        served: &RealmState,
        now: Millis,
        target: Revoke<'_>,
        effort: &mut Effort,
    ) -> Result<Result<(), Rejection>, Refusal> {
        let until = retention(served, now);
        let hard = |kind, id| Revocation::hard(kind, id, until);
        let mut ends_session_of = None;
        let entries = match target {
            Revoke::Token { token, cookie } => {
                let mut buffer = Vec::new();
                let verified = match in_hand(served, token, cookie, &mut buffer, effort) {
                    Ok(verified) => verified,
                    Err(reason) => return Ok(Err(reason.into())),
                };
                // Bounded by its exp alone: one without iat may come to be valid later than others can.
                let until = verified.claims.exp.saturating_add(MARGIN);
                let (has_session, has_jti) = (!verified.session.is_absent(), !verified.jti.is_absent());
                if !has_session && !has_jti {
                    return Err(Refusal::NoId);
                }
                let mut entries = Vec::new();
                if has_session {
                    // A token from the future may begin to be rotated later than any that is minted now.
                    let entry = hard(Kind::Session, verified.session);
                    let until = entry.until.max(until);
                    entries.push(Revocation { until, ..entry });
                }
                if has_jti && until > now.seconds() {
                    entries.push(Revocation {
                        until,
                        ..hard(Kind::Token, verified.jti)
                    });
                }
                entries
            }
            Revoke::Jti(jti) => {
                let jti = id("the jti", jti)?;
                if jti.is_foreign() {
                    // It began no session: that of a foreign token is its issuer's `sid`.
                    vec![hard(Kind::Token, jti)]
                } else {
                    ends_session_of = Some(jti.clone());
                    vec![hard(Kind::Token, jti.clone()), hard(Kind::Session, jti)]
                }
            }
            Revoke::Session(session) => vec![hard(Kind::Session, id("the session", session)?)],
            Revoke::Subject(subject, before) => {
                let raise = hard(Kind::Subject, subject_id(subject)?);
                with_early_tokens(served, before, with_cutoff(served, now, before, raise)?)
            }
            Revoke::IssuedBefore(before) => {
                let raise = hard(Kind::Realm, Id::Uuid(0));
                with_early_tokens(served, before, with_cutoff(served, now, before, raise)?)
            }
        };
        self.denylist
            .apply(
                &served.index,
                Change::Revoke {
                    entries,
                    ends_session_of,
                },
            )
            .await?;
        Ok(Ok(()))
    }

    /// Flags: rotation is due on next sight.
    pub async fn flag(&self, served: &RealmState, now: Millis, target: Flag<'_>) -> Result<(), Refusal> {
        let until = retention(served, now);
        let soft = |kind, id| Revocation {
            level: Level::Soft,
            ..Revocation::hard(kind, id, until)
        };
        let raise = match target {
            Flag::Jti(jti) => soft(Kind::Token, id("the jti", jti)?),
            Flag::Subject(subject, before) => {
                let raise = soft(Kind::Subject, subject_id(subject)?);
                with_cutoff(served, now, before, raise)?
            }
        };
        let entries = vec![raise];
        self.denylist.apply(&served.index, Change::raise(entries)).await?;
        Ok(())
    }

    /// Acts on reuse as the realm says. What it revokes is in effect when the call returns; it is made durable by
    /// awaiting the answer.
    pub async fn on_reuse(&self, served: &RealmState, now: Millis, reuse: &Reuse) -> Result<(), Refusal> {
        if served.realm.policy.on_reuse == OnReuse::RevokeSession {
            self.revoke(
                served,
                now,
                Revoke::Session(&reuse.session.to_string()),
                &mut Effort::default(),
            )
            .await?
            .ok();
        }
        Ok(())
    }

    /// Returns the state of a jti.
    pub fn status(&self, served: &RealmState, now: Millis, jti: &str) -> Result<State, Refusal> {
        use jwtkeeper_wire::State as Wire;
        let jti = id("the jti", jti)?;
        let index = &served.index;
        let own = index.token_until(&jti);
        let until = own.map(|(_, until)| until).unwrap_or_default();
        if let Some(until) = index.revoked_until(&jti) {
            return Ok(State {
                state: Wire::Hard,
                until,
            });
        }
        if let Some(rotation) = index.rotation(&jti) {
            let until = rotation.grace_until.seconds().min(rotation.until());
            let state = if now < rotation.grace_until {
                Wire::Rotated
            } else {
                Wire::Hard
            };
            return Ok(State { state, until });
        }
        Ok(State {
            state: if own.is_some() { Wire::Soft } else { Wire::None },
            until,
        })
    }
}

/// The second until which an entry is kept, also where the clock was set back since tokens were minted.
fn retention(served: &RealmState, now: Millis) -> Seconds {
    served.index.retention(now.max(served.index.minted()))
}

/// The raise that applies a cutoff. Clocks differ by `clock_skew` at most: a session that began by the time asked for
/// began, by the clock of its own host, no later than that much after it.
fn with_cutoff(served: &RealmState, now: Millis, before: Before, raise: Revocation) -> Result<Revocation, Refusal> {
    let (index, skew) = (&served.index, served.realm.policy.clock_skew_ms);
    let start = match before {
        Before::At(at) if at > now.plus(skew) => return Err(Refusal::CutoffInFuture),
        Before::At(at) => at.min(now).plus(skew),
        // Sessions that began between the first asking and this retry did so after the cutoff.
        Before::Now {
            first_asked: Some(first),
        } => first.min(now).plus(skew),
        // Tokens minted before the clock was set back are covered too.
        Before::Now { first_asked: None } => now.plus(skew).max(index.minted()),
    };
    let cutoff = index.next_cutoff(raise.kind, &raise.id, raise.level, start, now);
    Ok(Revocation { cutoff, ..raise })
}

/// Adds the entries that end tokens which exist now and are not yet valid, as far as this host has seen them. A cutoff
/// by a time ends none of them: they say of themselves that they begin later.
fn with_early_tokens(served: &RealmState, before: Before, cutoff: Revocation) -> Vec<Revocation> {
    let subject = (cutoff.kind == Kind::Subject).then_some(&cutoff.id);
    let early = match before {
        Before::At(_) => Vec::new(),
        Before::Now { .. } => served.index.early_tokens(subject, cutoff.cutoff.start()),
    };
    std::iter::once(cutoff).chain(early).collect()
}

/// A token in hand: form, signature, names and lock; its times and its state do not matter.
fn in_hand<'b>(
    served: &RealmState,
    token: &[u8],
    cookie: Option<&str>,
    buffer: &'b mut Vec<u8>,
    effort: &mut Effort,
) -> Result<VerifiedToken<'b>, Reason> {
    let mut verified = verify_token(served, token, cookie, buffer, effort)?;
    verified.check_names(&served.realm.policy)?;
    verified.check_lock(&served.realm.policy)?;
    Ok(verified)
}

fn id(what: &'static str, text: &str) -> Result<Id, Refusal> {
    Id::parse_named(text).map_err(|problem| Refusal::BadId { what, problem })
}

/// A subject is never a foreign id: realm and issuers speak of the same users.
fn subject_id(text: &str) -> Result<Id, Refusal> {
    Id::parse(text).map_err(|problem| Refusal::BadId {
        what: "the subject",
        problem,
    })
}
