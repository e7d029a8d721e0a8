//! The operations: from a request's bytes to its reply. Each has a file with its handler, and its row in
//! [`jwtkeeper_wire::OPERATIONS`] says which right it needs, what it costs, and whether the audit has it. What needs no
//! store is answered at once; the rest is returned as work.

mod entries;
mod flag;
mod health;
mod import;
mod introspect;
mod issue;
mod jwks;
pub(crate) mod outcome;
mod ping;
mod rejection;
mod reload;
mod revoke;
mod rotate;
mod signing;
mod status;
mod validate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use jwtkeeper_core::keeper::RealmState;
use jwtkeeper_core::types::{Millis, Peer};
use jwtkeeper_log_limit::limited;
use jwtkeeper_wire::{
    Answer, Cost, DEFAULT_REALM, ErrorCode, FrameError, OP_COUNT, Op, OperationRow, Request, Right, UNKNOWN_OPERATION,
    decode, peek_request,
};

use crate::audit::{Entry, is_audited};
use crate::reload::Snapshot;
use crate::server::rate::Bucket;
use crate::server::reply::{put, put_error, truncated};
use crate::server::request_metrics::{Counter, Ticket};
use crate::server::{Context, price};
use outcome::{Done, Facts, GivenSuccessor, Outcome};

/// Work that ends in a reply.
pub(crate) type Later = Pin<Box<dyn Future<Output = Done> + Send>>;

/// The state of a request that was handled.
pub(crate) enum Handled {
    /// The reply is written.
    Now,
    /// The reply comes, and is to be counted then.
    Later(Later, Ticket),
    /// The reply is written, and nothing more can be read from this connection.
    Broken,
}

/// The answer to a request that was understood.
pub(crate) enum Answered {
    Now(Outcome, Facts),
    Later(Later),
}

/// The snapshot and the time that a request is served by, taken once.
pub(crate) struct Moment {
    pub(crate) snapshot: arc_swap::Guard<Arc<Snapshot>>,
    pub(crate) now: Millis,
}

/// A request that is being answered.
struct Call<'m> {
    id: u64,
    moment: &'m Moment,
    /// The realm that it names; empty for the default one, and for an operation about the daemon.
    realm: &'m str,
    row: &'static OperationRow,
    cost: Cost,
}

impl Call<'_> {
    /// Appends the answer; returns the outcome.
    fn put(&self, answer: Answer<'_>, out: &mut Vec<u8>) -> Outcome {
        put(self.id, answer, out)
    }
}

/// Answers one peer's requests.
pub(crate) struct Dispatch {
    context: Arc<Context>,
    peer: Peer,
    counter: Counter,
    /// The token bucket of its uid.
    bucket: Arc<Bucket>,
    /// The price of the requests handled since it was last taken, in points.
    cost: usize,
    /// The part of it that is reading, waking up and writing.
    overhead: usize,
    /// Scratch space for decoded claims.
    scratch: Vec<u8>,
}

/// A refusal of a whole request, before any work: its code and text.
type No = (ErrorCode, String);

impl Dispatch {
    pub(crate) fn new(context: Arc<Context>, peer: Peer, bucket: Arc<Bucket>) -> Self {
        Self {
            counter: Counter::new(&context.request_metrics),
            context,
            peer,
            bucket,
            cost: 0,
            overhead: 0,
            scratch: Vec::new(),
        }
    }

    /// The peer that asks.
    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The work of the requests handled since their price was last taken, in points.
    pub(crate) fn work(&self) -> usize {
        self.cost - self.overhead
    }

    /// Takes the price of the requests handled since the last time, in points.
    pub(crate) fn take_cost(&mut self) -> usize {
        self.overhead = 0;
        std::mem::take(&mut self.cost)
    }

    /// Says that no more can be read: a frame is too long.
    pub(crate) fn too_long(&mut self, error: &FrameError, began: Instant, out: &mut Vec<u8>) {
        let outcome = put_error(0, ErrorCode::FrameTooLarge, &error.to_string(), out);
        let ticket = self.counter.ticket("", &UNKNOWN_OPERATION, began);
        ticket.count(outcome, None, began);
    }

    /// Handles one message, begun now.
    pub(crate) fn handle(&mut self, moment: &Moment, message: &[u8], began: Instant, out: &mut Vec<u8>) -> Handled {
        self.cost += price::REQUEST;
        self.overhead += price::REQUEST - price::WORK;
        let request = match understood(message) {
            Ok(request) => request,
            Err((id, code, text)) => {
                let outcome = put_error(id, code, &text, out);
                let ticket = self.counter.ticket("", &UNKNOWN_OPERATION, began);
                ticket.count(outcome, None, began);
                return if code == ErrorCode::UnknownOperation {
                    Handled::Now
                } else {
                    Handled::Broken
                };
            }
        };
        let id = request.id;
        let (operation, realm) = (request.op.row(), request.op.realm());
        let served = realm.and_then(|realm| moment.snapshot.realm(realm));
        let known = served.map_or("", |served| &served.realm.name);
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
    fn audited(
        &self,
        moment: &Moment,
        id: u64,
        operation: &'static OperationRow,
        realm: Option<&str>,
        work: Later,
    ) -> Later {
        let (context, peer) = (self.context.clone(), self.peer.id());
        let (at, generation) = (moment.now, moment.snapshot.generation);
        let realm = realm.map_or_else(String::new, |realm| truncated(named(realm)));
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
                operation: operation.name,
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
        let call = Call {
            id,
            moment,
            realm: op.realm().unwrap_or_default(),
            row: op.row(),
            cost: op.cost(),
        };
        // Asked first: who may do nothing learns of no realm.
        if let Some(right) = op.right() {
            self.check(&call, op.realm().map_or("", named), right)?;
        }
        match op {
            Op::Ping => Ok(Self::ping(&call, out)),
            Op::Issue { claims, ttl, .. } => self.issue(&call, claims, ttl, out),
            Op::Validate { token, cookie, .. } => self.validate(&call, token, cookie, out),
            Op::Rotate {
                token, cookie, claims, ..
            } => self.rotate(&call, token, cookie, claims.map(|claims| &**claims)),
            Op::Flag { target, .. } => self.flag(&call, target),
            Op::Revoke { target, .. } => self.revoke(&call, target),
            Op::Status { jti, .. } => self.status(&call, jti, out),
            Op::Jwks { .. } => self.jwks(&call, out),
            Op::Health => Ok(self.health(&call, out)),
            Op::Reload => Ok(self.reload(&call)),
            Op::ReloadReport { dry_run: false } => Ok(self.reload_with_report(&call)),
            Op::ReloadReport { dry_run: true } => Ok(self.dry_run(&call)),
            Op::Import => Ok(self.import(&call)),
            Op::Introspect { token, cookie, .. } => self.introspect(&call, token, cookie, out),
        }
    }

    /// Returns the realm that a request names, and charges the request's work.
    fn served<'m>(&mut self, call: &Call<'m>) -> Result<&'m Arc<RealmState>, No> {
        let Some(served) = call.moment.snapshot.realm(call.realm) else {
            let text = format!("there is no realm {:?}", truncated(named(call.realm)));
            return Err((ErrorCode::UnknownRealm, text));
        };
        if call.row.needs_denylist
            && let Some(why) = self.context.keeper.denylist().stale(&served.index)
        {
            return Err((ErrorCode::Unavailable, why));
        }
        self.cost += price::surcharge(call.cost, &served.realm.keyring);
        Ok(served)
    }

    /// Checks a right beyond the one that the operation's row names.
    fn allowed(&self, call: &Call<'_>, right: Right) -> Result<(), No> {
        self.check(call, named(call.realm), right)
    }

    fn check(&self, call: &Call<'_>, realm: &str, right: Right) -> Result<(), No> {
        if call.moment.snapshot.access.permits(&self.peer, right, realm) {
            return Ok(());
        }
        let (uid, right) = (self.peer.uid, right.name());
        let text = match realm {
            "" => format!("the uid {uid} may not {right}"),
            realm => format!("the uid {uid} may not {right} in realm {:?}", truncated(realm)),
        };
        Err((ErrorCode::NotPermitted, text))
    }
}

/// The realm that a request means.
pub(crate) fn named(realm: &str) -> &str {
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
