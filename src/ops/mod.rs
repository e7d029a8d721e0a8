//! From a request's bytes to its reply: the one place that knows both the wire and the domain, and asks whether the
//! peer may. What needs no store is answered here and now; the rest is given back as work.

mod entries;
mod operations;
pub(crate) mod outcome;
mod reload;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use jwtkeeper_wire::{
    Answer, DEFAULT_REALM, ErrorCode, FrameError, OP_COUNT, Op, Request, RevokeTarget, decode, peek_request,
};

use crate::audit::{Entry, is_audited};
use crate::config::Right;
use crate::health;
use crate::ops::outcome::{Done, Facts, GivenSuccessor, Operation, Outcome};
use crate::reload::Snapshot;
use crate::server::rate::Bucket;
use crate::server::reply::{put, put_error, put_refusal, told};
use crate::server::tally::{Counter, Ticket};
use crate::server::{Context, price};
use jwtkeeper_core::keeper::Served;
use jwtkeeper_core::types::{Millis, Peer};
use jwtkeeper_log_limit::limited;

/// Work that ends in a reply.
pub(super) type Later = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What became of a request.
pub(super) enum Handled {
    /// Its reply is written.
    Now,
    /// Its reply comes, and is to be counted then.
    Later(Later, Ticket),
    /// Its reply is written, and nothing more can be read from this connection.
    Broken,
}

/// The same of a request that was understood.
enum Answered {
    Now(Outcome, Facts),
    Later(Later),
}

/// What a request is served by, taken once.
pub(super) struct Moment {
    pub(super) snapshot: arc_swap::Guard<Arc<Snapshot>>,
    pub(super) now: Millis,
}

/// Answers one peer's requests.
pub(super) struct Dispatch {
    context: Arc<Context>,
    peer: Peer,
    counter: Counter,
    /// What its uid may still ask.
    bucket: Arc<Bucket>,
    /// The price of the requests handled since it was last taken, in points.
    cost: usize,
    /// The part of it that is reading, waking up and writing.
    overhead: usize,
    /// Where claims are decoded.
    scratch: Vec<u8>,
}

/// A refusal of a whole request, before any work: its code and text.
type No = (ErrorCode, String);

impl Dispatch {
    pub(super) fn new(context: Arc<Context>, peer: Peer, bucket: Arc<Bucket>) -> Self {
        Self {
            counter: Counter::new(&context.tally),
            context,
            peer,
            bucket,
            cost: 0,
            overhead: 0,
            scratch: Vec::new(),
        }
    }

    /// The peer that asks.
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The work of the requests handled since their price was last taken, in points.
    pub(super) fn work(&self) -> usize {
        self.cost - self.overhead
    }

    /// Takes the price of the requests handled since the last time, in points.
    pub(super) fn take_cost(&mut self) -> usize {
        self.overhead = 0;
        std::mem::take(&mut self.cost)
    }

    /// Says that no more can be read: a frame is too long.
    pub(super) fn too_long(&mut self, error: &FrameError, began: Instant, out: &mut Vec<u8>) {
        let outcome = put_error(0, ErrorCode::FrameTooLarge, &error.to_string(), out);
        let ticket = self.counter.ticket("", Operation::Unknown, began);
        ticket.count(outcome, None, began);
    }

    /// Handles one message, begun now.
    pub(super) fn handle(&mut self, moment: &Moment, message: &[u8], began: Instant, out: &mut Vec<u8>) -> Handled {
        self.cost += price::REQUEST;
        self.overhead += price::REQUEST - price::WORK;
        let request = match understood(message) {
            Ok(request) => request,
            Err((id, code, text)) => {
                let outcome = put_error(id, code, &text, out);
                let ticket = self.counter.ticket("", Operation::Unknown, began);
                ticket.count(outcome, None, began);
                return if code == ErrorCode::UnknownOperation {
                    Handled::Now
                } else {
                    Handled::Broken
                };
            }
        };
        let id = request.id;
        let (operation, realm) = Operation::of(&request.op);
        let known = moment.snapshot.realm(realm).map_or("", |served| &served.realm.name);
        let ticket = self.counter.ticket(known, operation, began);
        let start = out.len();
        let answered = self.answer(moment, id, request.op, out).unwrap_or_else(|(code, text)| {
            let outcome = put_error(id, code, &text, out);
            if code == ErrorCode::NotPermitted {
                self.cost += price::DENIAL - price::REQUEST;
            }
            let facts = self.context.facts(|| Facts {
                text: Some(text),
                ..Facts::default()
            });
            Answered::Now(outcome, facts)
        });
        let audited = self.context.audit.is_some();
        match answered {
            Answered::Now(outcome, facts) if audited && is_audited(operation, outcome, &facts) => {
                let bytes = out.split_off(start);
                let done = std::future::ready(Done {
                    bytes,
                    outcome,
                    facts,
                    hand_out: None,
                });
                Handled::Later(self.audited(moment, id, operation, realm, Box::pin(done)), ticket)
            }
            Answered::Now(outcome, _) => {
                ticket.count(outcome, None, Instant::now());
                Handled::Now
            }
            Answered::Later(work) => {
                let work = match audited {
                    true => self.audited(moment, id, operation, realm, work),
                    false => work,
                };
                Handled::Later(self.handed_out(work), ticket)
            }
        }
    }

    /// The same work; where it gives a successor to its caller, the grace of the old token starts with its reply.
    fn handed_out(&self, work: Later) -> Later {
        let context = self.context.clone();
        Box::pin(async move {
            let mut done = work.await;
            if let Some(GivenSuccessor { served, jti, hand_out }) = done.hand_out.take() {
                // The reply does not wait for it: a store that fails here must not cost the caller the successor.
                tokio::spawn(async move {
                    let now = (context.clock)();
                    if let Err(error) = context.keeper.hand_out(&served, now, jti, hand_out).await {
                        limited!(
                            warn,
                            "end of a grace not stored",
                            %error,
                            realm = %served.realm.name,
                            "the end of a token's grace period is not stored yet"
                        );
                    }
                });
            }
            done
        })
    }

    /// The same work, acknowledged only once the audit tells of it.
    fn audited(&self, moment: &Moment, id: u64, operation: Operation, realm: &str, work: Later) -> Later {
        let (context, peer) = (self.context.clone(), self.peer.id());
        let (at, generation) = (moment.now, moment.snapshot.generation);
        let realm = match operation {
            Operation::Reload | Operation::Import | Operation::DryRun => String::new(),
            _ => told(named(realm)),
        };
        Box::pin(async move {
            let done = work.await;
            let Some(audit) = context.audit.as_ref() else {
                return done;
            };
            if !is_audited(operation, done.outcome, &done.facts) {
                return done;
            }
            let entry = Entry {
                at,
                generation,
                realm: &realm,
                operation: operation.name(),
                outcome: if done.facts.reuse { "reuse" } else { done.outcome.kind() },
                reason: done.outcome.reason(),
                peer: Some(&peer),
                facts: &done.facts,
            };
            match audit.record(&entry).await {
                Ok(()) => done,
                Err(why) => {
                    let mut bytes = Vec::new();
                    let outcome = put_error(id, ErrorCode::Unavailable, &why, &mut bytes);
                    Done {
                        bytes,
                        outcome,
                        facts: Facts::default(),
                        hand_out: None,
                    }
                }
            }
        })
    }

    fn answer(&mut self, moment: &Moment, id: u64, op: Op<'_>, out: &mut Vec<u8>) -> Result<Answered, No> {
        let snapshot = &*moment.snapshot;
        let outcome = match op {
            Op::Validate { realm, token, cookie } => {
                let served = self.permitted(snapshot, realm, Right::Validate)?;
                return Ok(self.validate(moment.now, id, served, token, cookie, out));
            }
            Op::Issue { realm, claims, ttl } => {
                let served = self.permitted(snapshot, realm, Right::Issue)?;
                return Ok(self.issue(moment.now, id, served, claims, ttl, out));
            }
            Op::Rotate {
                realm,
                token,
                cookie,
                claims,
            } => {
                let served = self.permitted(snapshot, realm, Right::Rotate)?;
                if claims.is_some() {
                    self.permitted(snapshot, realm, Right::RotateClaims)?;
                }
                let granted = self.grant(moment, served, entries::of_rotation(served, token))?;
                let claims = claims.map(|claims| &**claims);
                return Ok(self.rotate(moment.now, id, served, (token, cookie), claims, granted));
            }
            Op::Flag { realm, target } => {
                let served = self.permitted(snapshot, realm, Right::Flag)?;
                let granted = self.grant(moment, served, entries::of_flag(served, &target))?;
                return Ok(self.flag(moment.now, id, served, target, granted));
            }
            Op::Revoke { realm, target } => {
                let served = self.permitted(snapshot, realm, right_to_revoke(&target))?;
                let granted = self.grant(moment, served, entries::of_revocation(served, &target))?;
                return Ok(self.revoke(moment.now, id, served, target, granted));
            }
            Op::Status { realm, jti } => {
                let served = self.permitted(snapshot, realm, Right::Status)?;
                match self.context.keeper.status(served, moment.now, jti) {
                    Ok(stands) => {
                        let (state, until) = (stands.state, u64::try_from(stands.until).unwrap_or(0));
                        put(id, Answer::Status { state, until }, out)
                    }
                    Err(refusal) => put_refusal(id, &refusal, out),
                }
            }
            Op::Jwks { realm } => {
                let served = self.permitted(snapshot, realm, Right::Jwks)?;
                let document = serde_json::to_vec(&served.realm.keyring.jwks()).unwrap_or_default(); // text always is
                put(id, Answer::Jwks { document: &document }, out)
            }
            Op::Ping => put(id, Answer::Pong, out),
            Op::Health => {
                self.cost += price::health(snapshot.realms().count());
                let (ready, document) = health::report(&self.context, snapshot);
                let (generation, document) = (snapshot.generation, document.as_slice());
                put(
                    id,
                    Answer::Health {
                        ready,
                        generation,
                        document,
                    },
                    out,
                )
            }
            Op::Reload => {
                self.allowed(snapshot, "", Right::Reload)?;
                return Ok(self.reload(id));
            }
            Op::ReloadReport { dry_run } => {
                self.allowed(snapshot, "", Right::Reload)?;
                return Ok(if dry_run {
                    self.dry_run(id)
                } else {
                    self.reload_with_report(id)
                });
            }
            Op::Import => {
                self.allowed(snapshot, "", Right::Reload)?;
                return Ok(self.import(moment.now, id));
            }
        };
        Ok(Answered::Now(outcome, Facts::default()))
    }

    /// The realm, if there is one and the peer may do this in it.
    fn permitted<'s>(&mut self, snapshot: &'s Snapshot, realm: &str, right: Right) -> Result<&'s Arc<Served>, No> {
        let name = named(realm);
        // Asked first: who may do nothing learns of no realm.
        self.allowed(snapshot, name, right)?;
        let Some(served) = snapshot.realm(realm) else {
            return Err((ErrorCode::UnknownRealm, format!("there is no realm {:?}", told(name))));
        };
        if matches!(right, Right::Validate | Right::Rotate)
            && let Some(why) = self.context.keeper.denylist().stale(&served.index)
        {
            return Err((ErrorCode::Unavailable, why));
        }
        self.cost += price::surcharge(right, &served.realm.keyring);
        Ok(served)
    }

    fn allowed(&self, snapshot: &Snapshot, realm: &str, right: Right) -> Result<(), No> {
        if snapshot.access.permits(&self.peer, right, realm) {
            return Ok(());
        }
        let (uid, right) = (self.peer.uid, right.name());
        let text = match realm {
            "" => format!("the uid {uid} may not {right}"),
            realm => format!("the uid {uid} may not {right} in realm {:?}", told(realm)),
        };
        Err((ErrorCode::NotPermitted, text))
    }
}

/// The realm that a request means.
pub(super) fn named(realm: &str) -> &str {
    if realm.is_empty() { DEFAULT_REALM } else { realm }
}

/// A message as the request that it holds; or why not, for which id.
fn understood(message: &[u8]) -> Result<Request<'_>, (u64, ErrorCode, String)> {
    let malformed = |id, text: &str| (id, ErrorCode::MalformedMessage, text.to_owned());
    let Some((id, tag)) = peek_request(message) else {
        return Err(malformed(0, "the message is too short for an id and an operation"));
    };
    if tag >= OP_COUNT {
        let text = format!("the operation {tag} is not known");
        return Err((id, ErrorCode::UnknownOperation, text));
    }
    decode(message).map_err(|_| malformed(id, "the message does not hold the operation that it names"))
}

fn right_to_revoke(target: &RevokeTarget<'_>) -> Right {
    match target {
        RevokeTarget::Token { .. } => Right::Revoke,
        RevokeTarget::Jti(_) | RevokeTarget::Session(_) => Right::RevokeId,
        RevokeTarget::Subject { .. } => Right::RevokeSubject,
        RevokeTarget::IssuedBefore(_) => Right::RevokeBefore,
    }
}
