//! The members of a reply. Each is NULL or 0 where there is nothing of the kind.

use std::ffi::c_char;

use jwtkeeper_client::ClientCode;

use crate::argument::code;
use crate::reply::{BEARER, ReplyHandle, see, see_text};

/// The code of the last call that was given this reply: 0 when it was answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_code(reply: *const ReplyHandle) -> i32 {
    let none = match reply.is_null() {
        true => ClientCode::BadArgument,
        false => ClientCode::Busy,
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, code(none), |state| state.code) }
}

/// 1 when the token is valid, and of a token just minted; 0 otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_valid(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.valid.into()) }
}

/// Why the token is not valid: a JWTKEEPER_REASON_..., 0 when it is or when there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_reason(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe {
        see(reply, 0, |state| {
            state.answer.reason.map_or(0, |reason| reason.code().into())
        })
    }
}

/// Why a valid token should be rotated now: a JWTKEEPER_CAUSE_..., 0 when it need not be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cause(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe {
        see(reply, 0, |state| {
            state.answer.cause.map_or(0, |cause| cause.code().into())
        })
    }
}

/// The `exp` of a token just minted, in seconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_expires_at(reply: *const ReplyHandle) -> u64 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.expires_at) }
}

/// When the lock cookie ends, in seconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cookie_expires_at(reply: *const ReplyHandle) -> u64 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe {
        see(reply, 0, |state| {
            state.answer.cookie.as_ref().map_or(0, |cookie| cookie.expires_at)
        })
    }
}

/// 1 when the lock cookie has the attribute Secure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cookie_secure(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe {
        see(reply, 0, |state| {
            state.answer.cookie.as_ref().is_some_and(|cookie| cookie.secure).into()
        })
    }
}

/// 1 when the lock cookie has the attribute HttpOnly.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cookie_http_only(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe {
        see(reply, 0, |state| {
            state
                .answer
                .cookie
                .as_ref()
                .is_some_and(|cookie| cookie.http_only)
                .into()
        })
    }
}

/// Returns the state of a jti in the denylist: a JWTKEEPER_STATE_....
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_state(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.state.into()) }
}

/// Until when that stands, in seconds since 1970-01-01T00:00:00Z; 0 when nothing stands.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_until(reply: *const ReplyHandle) -> u64 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.until) }
}

/// Health: 1 when requests are answered and everything that they rest on is right.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_ready(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.ready.into()) }
}

/// Health and reload: the generation of the snapshot in effect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_generation(reply: *const ReplyHandle) -> u64 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.generation) }
}

/// Import: how many entries are known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_entries(reply: *const ReplyHandle) -> u64 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.entries) }
}

/// Import: how many of them the shared store still lacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_pending(reply: *const ReplyHandle) -> u64 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.pending) }
}

/// A session's request: the HTTP status that it comes to. 200 go on, 401 not authenticated, 503 could not be judged
/// now, 500 could not be judged and will not be until something is set right. 0 after other calls that were answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_status(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.status.into()) }
}

/// A session's request, not authenticated: 1 when the lock cookie is to be cleared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_clears_cookie(reply: *const ReplyHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    unsafe { see(reply, 0, |state| state.answer.session.clears_cookie.into()) }
}

/// Returns the error, for a log: one line for each fault. Never a token, a cookie secret or claims. Empty after a call
/// that was answered, but for a rotation that is put off: then it says why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_message(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| Some(&state.message)) }
}

/// A token just minted, in compact serialization.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_token(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, BEARER.len(), |state| state.answer.authorization.as_ref()) }
}

/// The `Authorization` header that carries it: `Bearer ` and the token. Send `Cache-Control: no-store` in the same
/// response, in place of what it has: no cache may keep a token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_authorization(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.authorization.as_ref()) }
}

/// Returns the `jti`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_jti(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.jti.as_ref()) }
}

/// The claims of a valid token, or of one just minted: a JSON object, byte for byte as it stands in the token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_claims(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.claims.as_ref()) }
}

/// The value of the `Set-Cookie` header to send: the lock cookie of a token just minted, or what clears it. NULL when
/// there is none to send. Holds the cookie secret.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_set_cookie(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.set_cookie.as_ref()) }
}

/// The lock cookie's name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cookie_name(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe {
        see_text(reply, length, 0, |state| {
            state.answer.cookie.as_ref().map(|cookie| &cookie.name)
        })
    }
}

/// The lock cookie's value: a secret, which goes to the browser and nowhere else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cookie_value(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe {
        see_text(reply, length, 0, |state| {
            state.answer.cookie.as_ref().map(|cookie| &cookie.value)
        })
    }
}

/// The lock cookie's attribute Domain; NULL when it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cookie_domain(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.cookie.as_ref()?.domain.as_ref()) }
}

/// The lock cookie's attribute Path; NULL when it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cookie_path(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.cookie.as_ref()?.path.as_ref()) }
}

/// The lock cookie's attribute SameSite: `strict`, `lax` or `none`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_cookie_same_site(
    reply: *const ReplyHandle,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe {
        see_text(reply, length, 0, |state| {
            state.answer.cookie.as_ref().map(|cookie| &cookie.same_site)
        })
    }
}

/// The JSON document of jwtkeeper_jwks (a JWK Set, RFC 7517) or jwtkeeper_health.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_document(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.document.as_ref()) }
}

/// A session's request, not authenticated: the value of the `WWW-Authenticate` header (RFC 6750). NULL otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_challenge(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.session.challenge.as_ref()) }
}

/// A session's request that goes on with the token that it presented: that token, for a logout. NULL otherwise, and
/// after a rotation, whose successor is jwtkeeper_reply_token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_presented(reply: *const ReplyHandle, length: *mut usize) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.session.presented.as_ref()) }
}

/// The value of the lock cookie that came with such a request: for a logout too. NULL without one, and after a
/// rotation, whose cookie is jwtkeeper_reply_cookie_value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_presented_cookie(
    reply: *const ReplyHandle,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles and of outputs.
    unsafe { see_text(reply, length, 0, |state| state.answer.session.presented_cookie.as_ref()) }
}
