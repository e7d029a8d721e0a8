//! Tokens that are not valid, and the reuse of rotated ones.

use std::sync::atomic::Ordering;

use jwtkeeper_core::keeper::{RealmState, Rejection};
use jwtkeeper_core::realm::OnReuse;
use jwtkeeper_core::types::Millis;
use jwtkeeper_log_limit::limited;
use jwtkeeper_wire::Answer;

use super::outcome::{Done, Facts, done};
use crate::server::Context;
use crate::server::reply::put;

/// Answers no. A rotated token presented after its grace is counted, logged, and acted on as the realm says.
pub(super) async fn reject(
    context: &Context,
    served: &RealmState,
    now: Millis,
    id: u64,
    rejection: &Rejection,
) -> Done {
    if let Some(reuse) = &rejection.reuse {
        context.reuses.fetch_add(1, Ordering::Relaxed);
        let (realm, jti, session) = (&served.realm.name, &reuse.jti, &reuse.session);
        limited!(
            warn,
            "reuse",
            key = &session.to_string(),
            %realm, %jti, %session,
            "reuse: a rotated token was presented after its grace period"
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
