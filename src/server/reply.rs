//! Replies as bytes.

use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Answer, Cause, ErrorCode, Reply, put_frame};

use super::cookie::{on_the_wire, set_cookie};
use crate::ops::outcome::Outcome;
use jwtkeeper_core::keeper::{Minted, Refusal};
use jwtkeeper_core::realm::CookiePolicy;
use jwtkeeper_log_limit::limited;

/// Appends a reply; says what it came to. One that fits no frame becomes an error.
pub(crate) fn put(id: u64, answer: Answer<'_>, out: &mut Vec<u8>) -> Outcome {
    let outcome = match &answer {
        Answer::Valid { rotation, .. } => Outcome::Valid(*rotation),
        Answer::Invalid { reason } => Outcome::Invalid(*reason),
        Answer::Error { code, .. } => Outcome::Error(*code),
        _ => Outcome::Done,
    };
    if let Err(error) = put_frame(&Reply { id, answer }, out) {
        limited!(error, "reply not sent", %error, "a reply was not sent; it does not fit into a frame");
        let answer = Answer::Error {
            code: ErrorCode::Internal,
            message: "the reply does not fit a frame",
        };
        // So short that it always fits.
        let _ = put_frame(&Reply { id, answer }, out);
        return Outcome::Error(ErrorCode::Internal);
    }
    outcome
}

/// Appends an error.
pub(crate) fn put_error(id: u64, code: ErrorCode, message: &str, out: &mut Vec<u8>) -> Outcome {
    put(id, Answer::Error { code, message }, out)
}

/// Appends the reason why the keeper cannot answer.
pub(crate) fn put_refusal(id: u64, refusal: &Refusal, out: &mut Vec<u8>) -> Outcome {
    put_error(id, refusal.code(), &refusal.to_string(), out)
}

/// Appends a new token.
pub(crate) fn put_issued(id: u64, minted: &Minted, policy: &CookiePolicy, out: &mut Vec<u8>) -> Outcome {
    with_wire(minted, policy, |minted| put(id, Answer::Issued(minted), out))
}

/// Appends a successor, and for which cause there is one.
pub(crate) fn put_rotated(id: u64, minted: &Minted, cause: Cause, policy: &CookiePolicy, out: &mut Vec<u8>) -> Outcome {
    match with_wire(minted, policy, |minted| put(id, Answer::Rotated(minted), out)) {
        Outcome::Done => Outcome::Rotated(cause),
        other => other,
    }
}

/// A token in the wire's form, with its cookie.
fn with_wire(minted: &Minted, policy: &CookiePolicy, put: impl FnOnce(wire::Minted<'_>) -> Outcome) -> Outcome {
    let jti = minted.jti.to_string();
    let value = minted.cookie.as_ref().map(|cookie| cookie.as_str());
    let text = value.map(|value| set_cookie(policy, value, minted.expires_at));
    let cookie = value
        .zip(text.as_ref())
        .map(|(value, text)| on_the_wire(policy, value, minted.expires_at, text));
    put(wire::Minted {
        token: &minted.token,
        jti: &jti,
        expires_at: u64::try_from(minted.expires_at).unwrap_or(0),
        claims: minted.claims.as_bytes(),
        cookie,
    })
}

/// Truncates a name that a peer gave, and redacts a token in its place, for logs and errors.
pub(crate) fn truncated(name: &str) -> String {
    redacted(name).chars().take(64).collect()
}

/// Redacts a token that was given in the place of a name by mistake.
pub(crate) fn redacted(text: &str) -> &str {
    // The beginning of a base64url object, and the dots of a compact serialization (RFC 7515 section 7.1), perhaps behind
    // its scheme (RFC 6750 section 2.1).
    let bare = text.trim_start().trim_start_matches("Bearer").trim_start();
    let is_one = bare.starts_with("ey") && bare.matches('.').count() >= 2;
    if is_one { "(a token)" } else { text }
}
