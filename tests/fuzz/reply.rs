//! Replies as a client reads them.

use jwtkeeper_client::{
    Before, Flag, GetHealth, GetJwks, GetStatus, Import, Introspect, Issue, Operation, Ping, Reload, ReloadReport,
    Revoke, Rotate, Rotation, Validate, Verdict,
};
use jwtkeeper_wire::{Answer, Reply, decode};

/// A reply's message, offered to each operation.
pub fn run(data: &[u8]) {
    let Ok(reply) = decode::<Reply<'_>>(data) else {
        return;
    };
    let answer = reply.answer;
    let _ = format!("{answer:?}");
    let mut takers = 0;
    if let Some(minted) = Issue::new().output(answer.clone()) {
        takers += 1;
        let _ = (minted.claims.parse::<serde_json::Value>(), format!("{minted:?}"));
    }
    match Validate::new("token").output(answer.clone()) {
        Some(Verdict::Valid { claims, .. }) => {
            takers += 1;
            let _ = (claims.get("sub"), claims.parse::<serde_json::Value>());
        }
        Some(Verdict::Invalid(reason)) => {
            takers += 1;
            let _ = format!("{reason} {reason:?}");
        }
        None => {}
    }
    if let Some(rotation) = Rotate::new("token").output(answer.clone()) {
        takers += 1;
        if let Rotation::Rotated(minted) = rotation {
            let _ = minted.cookie.map(|cookie| cookie.set_cookie().len());
        }
    }
    if let Some(health) = GetHealth.output(answer.clone()) {
        takers += 1;
        let _ = health.document.parse::<serde_json::Value>();
    }
    if let Some(jwks) = GetJwks::default().output(answer.clone()) {
        takers += 1;
        let _ = jwks.parse::<serde_json::Value>();
    }
    takers += usize::from(Ping.output(answer.clone()).is_some());
    takers += usize::from(Flag::subject("s", Before::At(0)).output(answer.clone()).is_some());
    takers += usize::from(Revoke::jti("j").output(answer.clone()).is_some());
    takers += usize::from(GetStatus::jti("j").output(answer.clone()).is_some());
    takers += usize::from(Reload.output(answer.clone()).is_some());
    takers += usize::from(ReloadReport::new().output(answer.clone()).is_some());
    takers += usize::from(Import.output(answer.clone()).is_some());
    takers += usize::from(Introspect::new("token").output(answer.clone()).is_some());
    assert_eq!(takers == 0, matches!(answer, Answer::Error { .. }), "{answer:?}");
}
