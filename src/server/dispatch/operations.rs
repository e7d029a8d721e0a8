//! Each operation: its wire form in, the keeper's answer out, in the wire's form.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Answer, ErrorCode, FlagTarget, RevokeTarget};

use super::{Dispatch, Handled};
use crate::config::{Faults, Reloaded};
use crate::jwt::Family;
use crate::keeper::{Before, Flag, Refusal, Rejection, Revoke, Rotated, Served, Verdict};
use crate::keyring::SigningKey;
use crate::server::Context;
use crate::server::reply::{put, put_error, put_issued, put_refusal, put_rotated};
use crate::words::Millis;

impl Dispatch {
    pub(super) fn validate(
        &mut self,
        now: Millis,
        id: u64,
        served: &Arc<Served>,
        token: &[u8],
        cookie: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Handled {
        match self
            .context
            .keeper
            .validate(served, now, token, cookie, &mut self.scratch)
        {
            Verdict::Valid { claims, rotation } => put(id, Answer::Valid { claims, rotation }, out),
            Verdict::Invalid(rejection @ Rejection { reuse: Some(_), .. }) => {
                let (context, served) = (self.context.clone(), served.clone());
                return later(async move { reject(&context, &served, now, id, &rejection).await });
            }
            Verdict::Invalid(Rejection { reason, reuse: None }) => put(id, Answer::Invalid { reason }, out),
        }
        Handled::Now
    }

    pub(super) fn issue(
        &self,
        now: Millis,
        id: u64,
        served: &Arc<Served>,
        claims: &[u8],
        ttl: Option<u64>,
        out: &mut Vec<u8>,
    ) -> Handled {
        if is_slow(served) {
            let (context, served, claims) = (self.context.clone(), served.clone(), claims.to_vec());
            let work = tokio::task::spawn_blocking(move || {
                let mut out = Vec::new();
                mint(&context, &served, now, id, &claims, ttl, &mut out);
                out
            });
            return later(async move {
                work.await
                    .unwrap_or_else(|_| bytes(|out| put_refusal(id, &Refusal::Crypto, out)))
            });
        }
        mint(&self.context, served, now, id, claims, ttl, out);
        Handled::Now
    }

    pub(super) fn rotate(
        &self,
        now: Millis,
        id: u64,
        served: &Arc<Served>,
        token: &[u8],
        cookie: Option<&str>,
        claims: Option<&[u8]>,
    ) -> Handled {
        let (context, served) = (self.context.clone(), served.clone());
        let (token, cookie, claims) = (token.to_vec(), cookie.map(str::to_owned), claims.map(<[u8]>::to_vec));
        let slow = is_slow(&served);
        let work = async move {
            match context
                .keeper
                .rotate(&served, now, &token, cookie.as_deref(), claims.as_deref())
                .await
            {
                Ok(Rotated::Successor(minted)) => {
                    bytes(|out| put_rotated(id, &minted, &served.realm.policy.cookie, out))
                }
                Ok(Rotated::Invalid(rejection)) => reject(&context, &served, now, id, &rejection).await,
                Err(refusal) => bytes(|out| put_refusal(id, &refusal, out)),
            }
        };
        if !slow {
            return later(work);
        }
        let runtime = tokio::runtime::Handle::current();
        let done = tokio::task::spawn_blocking(move || runtime.block_on(work));
        later(async move {
            done.await
                .unwrap_or_else(|_| bytes(|out| put_refusal(id, &Refusal::Crypto, out)))
        })
    }

    pub(super) fn flag(&self, now: Millis, id: u64, served: &Arc<Served>, target: FlagTarget<'_>) -> Handled {
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
            bytes(|out| match flagged {
                Ok(()) => put(id, Answer::Done, out),
                Err(refusal) => put_refusal(id, &refusal, out),
            })
        })
    }

    pub(super) fn revoke(&self, now: Millis, id: u64, served: &Arc<Served>, target: RevokeTarget<'_>) -> Handled {
        let (context, served) = (self.context.clone(), served.clone());
        let target = Target::of(target);
        later(async move {
            let revoked = context.keeper.revoke(&served, now, target.borrow()).await;
            bytes(|out| match revoked {
                Ok(Ok(())) => put(id, Answer::Done, out),
                Ok(Err(rejection)) => put(
                    id,
                    Answer::Invalid {
                        reason: rejection.reason,
                    },
                    out,
                ),
                Err(refusal) => put_refusal(id, &refusal, out),
            })
        })
    }

    pub(super) fn import(&self, now: Millis, id: u64) -> Handled {
        let context = self.context.clone();
        later(async move {
            let denylist = context.keeper.denylist();
            let realms = denylist.index().realms();
            if let Some(why) = realms.iter().find_map(|realm| denylist.stale(realm)) {
                return bytes(|out| put_error(id, ErrorCode::Unavailable, &why, out));
            }
            let kept = denylist.keep_all(now).await;
            let health = denylist.health();
            if let Some(why) = &health.fault {
                // What the shared store lacks is not known.
                return bytes(|out| put_error(id, ErrorCode::Unavailable, why, out));
            }
            bytes(|out| match kept {
                Ok(_) => {
                    let (entries, owed) = (health.entries, health.shared.map_or(0, |shared| shared.owed));
                    put(id, Answer::Imported { entries, owed }, out);
                }
                Err(error) => put_error(id, ErrorCode::Unavailable, &error.to_string(), out),
            })
        })
    }

    pub(super) fn reload(&self, id: u64) -> Handled {
        let context = self.context.clone();
        later(async move {
            let reloaded = context.reloads.ask().await;
            bytes(|out| match reloaded {
                Some(Reloaded { generation, faults }) if faults.is_empty() => {
                    put(id, Answer::Reloaded { generation }, out);
                }
                Some(Reloaded { faults, .. }) => put_error(id, ErrorCode::ReloadRefused, &shortened(&faults), out),
                None => put_error(
                    id,
                    ErrorCode::Internal,
                    "the files are not followed any more; see the log",
                    out,
                ),
            })
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

/// An RSA signature takes as long as hundreds of validates: it must not hold them up.
fn is_slow(served: &Served) -> bool {
    let rsa = |key: &SigningKey| key.verifying.algorithm.family() == Family::Rsa;
    served.realm.keyring.signing().is_some_and(rsa)
}

fn later(work: impl Future<Output = Vec<u8>> + Send + 'static) -> Handled {
    Handled::Later(Box::pin(work))
}

fn mint(context: &Context, served: &Served, now: Millis, id: u64, claims: &[u8], ttl: Option<u64>, out: &mut Vec<u8>) {
    match context.keeper.issue(served, now, claims, ttl) {
        Ok(minted) => put_issued(id, &minted, &served.realm.policy.cookie, out),
        Err(refusal) => put_refusal(id, &refusal, out),
    }
}

/// As many faults as fit into a reply.
fn shortened(faults: &Faults) -> String {
    const MOST: usize = 16 * 1024;
    let mut text = String::new();
    for fault in faults.iter().map(ToString::to_string) {
        if text.len() + fault.len() > MOST {
            text.push_str("\nand more; jwtkeeperd --check tells all");
            break;
        }
        let newline = if text.is_empty() { "" } else { "\n" };
        text.push_str(newline);
        text.push_str(&fault);
    }
    text
}

/// Answers no. A rotated token presented after its grace is counted, logged, and acted on as the realm says.
async fn reject(context: &Context, served: &Served, now: Millis, id: u64, rejection: &Rejection) -> Vec<u8> {
    if let Some(reuse) = &rejection.reuse {
        context.reuses.fetch_add(1, Ordering::Relaxed);
        let (realm, jti, session) = (&served.realm.name, &reuse.jti, &reuse.session);
        tracing::warn!(%realm, %jti, %session, "reuse: a rotated token was presented after its grace");
        if let Err(error) = context.keeper.on_reuse(served, now, reuse).await {
            tracing::error!(%error, %realm, %session, "the session of a reused token is revoked here, and not durably");
        }
    }
    bytes(|out| {
        put(
            id,
            Answer::Invalid {
                reason: rejection.reason,
            },
            out,
        )
    })
}

fn bytes(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out);
    out
}
