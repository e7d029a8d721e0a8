//! From a request's bytes to its reply: the one place that knows both the wire and the domain, and asks whether the
//! peer may. What needs no store is answered here and now; the rest is given back as work.

mod operations;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jwtkeeper_wire::{Answer, DEFAULT_REALM, ErrorCode, OP_COUNT, Op, Request, RevokeTarget, decode, peek_request};

use super::reply::{put, put_error, put_refusal};
use super::{Context, health};
use crate::config::{Right, Snapshot};
use crate::keeper::Served;
use crate::words::{Millis, Peer};

/// Work that ends in the bytes of a reply.
pub(super) type Later = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// What became of a request.
pub(super) enum Handled {
    /// Its reply is written.
    Now,
    /// Its reply comes.
    Later(Later),
    /// Its reply is written, and nothing more can be read from this connection.
    Broken,
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
    /// Where claims are decoded.
    scratch: Vec<u8>,
}

/// A refusal of a whole request, before any work: its code and text.
type No = (ErrorCode, String);

impl Dispatch {
    pub(super) fn new(context: Arc<Context>, peer: Peer) -> Self {
        Self {
            context,
            peer,
            scratch: Vec::new(),
        }
    }

    /// Handles one message.
    pub(super) fn handle(&mut self, moment: &Moment, message: &[u8], out: &mut Vec<u8>) -> Handled {
        let Some((id, tag)) = peek_request(message) else {
            put_error(
                0,
                ErrorCode::MalformedMessage,
                "the message is too short for an id and an operation",
                out,
            );
            return Handled::Broken;
        };
        if tag >= OP_COUNT {
            put_error(
                id,
                ErrorCode::UnknownOperation,
                &format!("the operation {tag} is not known"),
                out,
            );
            return Handled::Now;
        }
        let Ok(request) = decode::<Request<'_>>(message) else {
            put_error(
                id,
                ErrorCode::MalformedMessage,
                "the message does not hold the operation that it names",
                out,
            );
            return Handled::Broken;
        };
        self.answer(moment, id, request.op, out).unwrap_or_else(|(code, text)| {
            put_error(id, code, &text, out);
            Handled::Now
        })
    }

    fn answer(&mut self, moment: &Moment, id: u64, op: Op<'_>, out: &mut Vec<u8>) -> Result<Handled, No> {
        let snapshot = &*moment.snapshot;
        match op {
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
                return Ok(self.rotate(moment.now, id, served, token, cookie, claims.map(|claims| &**claims)));
            }
            Op::Flag { realm, target } => {
                let served = self.permitted(snapshot, realm, Right::Flag)?;
                return Ok(self.flag(moment.now, id, served, target));
            }
            Op::Revoke { realm, target } => {
                let served = self.permitted(snapshot, realm, right_to_revoke(&target))?;
                return Ok(self.revoke(moment.now, id, served, target));
            }
            Op::Status { realm, jti } => {
                let served = self.permitted(snapshot, realm, Right::Status)?;
                match self.context.keeper.status(served, moment.now, jti) {
                    Ok(stands) => {
                        let until = u64::try_from(stands.until).unwrap_or(0);
                        put(
                            id,
                            Answer::Status {
                                state: stands.state,
                                until,
                            },
                            out,
                        );
                    }
                    Err(refusal) => put_refusal(id, &refusal, out),
                }
            }
            Op::Jwks { realm } => {
                let served = self.permitted(snapshot, realm, Right::Jwks)?;
                let document = serde_json::to_vec(&served.realm.keyring.jwks()).unwrap_or_default(); // text always is
                put(id, Answer::Jwks { document: &document }, out);
            }
            Op::Ping => put(id, Answer::Pong, out),
            Op::Health => {
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
                );
            }
            Op::Reload => {
                self.allowed(snapshot, "", Right::Reload)?;
                return Ok(self.reload(id));
            }
            Op::Import => {
                self.allowed(snapshot, "", Right::Reload)?;
                return Ok(self.import(moment.now, id));
            }
        }
        Ok(Handled::Now)
    }

    /// The realm, if there is one and the peer may do this in it.
    fn permitted<'s>(&self, snapshot: &'s Snapshot, realm: &str, right: Right) -> Result<&'s Arc<Served>, No> {
        let name = if realm.is_empty() { DEFAULT_REALM } else { realm };
        // Asked first: who may do nothing learns of no realm.
        self.allowed(snapshot, name, right)?;
        let Some(served) = snapshot.realm(realm) else {
            return Err((ErrorCode::UnknownRealm, format!("there is no realm {name:.64?}")));
        };
        if matches!(right, Right::Validate | Right::Rotate)
            && let Some(why) = self.context.keeper.denylist().stale(&served.index)
        {
            return Err((ErrorCode::Unavailable, why));
        }
        Ok(served)
    }

    fn allowed(&self, snapshot: &Snapshot, realm: &str, right: Right) -> Result<(), No> {
        if snapshot.access.permits(&self.peer, right, realm) {
            return Ok(());
        }
        let (uid, right) = (self.peer.uid, right.name());
        let text = match realm {
            "" => format!("the uid {uid} may not {right}"),
            realm => format!("the uid {uid} may not {right} in realm {realm:.64?}"),
        };
        Err((ErrorCode::NotPermitted, text))
    }
}

fn right_to_revoke(target: &RevokeTarget<'_>) -> Right {
    match target {
        RevokeTarget::Token { .. } => Right::Revoke,
        RevokeTarget::Jti(_) | RevokeTarget::Session(_) => Right::RevokeId,
        RevokeTarget::Subject { .. } => Right::RevokeSubject,
        RevokeTarget::IssuedBefore(_) => Right::RevokeBefore,
    }
}
