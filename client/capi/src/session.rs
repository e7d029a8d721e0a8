//! The session flow in two calls: what a request's headers come to, and the successor when rotation is due.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jwtkeeper_client::session::{bearer, challenge, clears_cookie, goes_on};
use jwtkeeper_client::{Cause, Reason, Rotation, Verdict};

use crate::argument::{CookieGiven, Fault, lossy, optional};
use crate::client::ClientHandle;
use crate::reply::{Answer, Due, ReplyHandle, Text, ask, given, run};

/// A request that is not authenticated: without a token, or with one that is invalid for a reason.
fn not_authenticated(client: &ClientHandle, reason: Option<Reason>) -> Answer {
    let mut answer = Answer {
        reason,
        ..Answer::default()
    };
    answer.session.status = 401;
    answer.session.challenge = Some(challenge(reason.is_some()).into());
    answer.session.clears_cookie = reason.is_some_and(clears_cookie);
    if answer.session.clears_cookie {
        let cookie = client.known_lock_cookie().unwrap_or_default();
        answer.set_cookie = Some(cookie.clear().into());
    }
    answer
}

/// Authenticates a request: `authorization` is its header of that name, `cookie` its whole `Cookie` header, or
/// the value of its lock cookie alone, each NULL when it has none.
///
/// Answered, jwtkeeper_reply_status is 200 or 401. At 200 jwtkeeper_reply_claims are the token's; where
/// jwtkeeper_reply_cause is not 0, rotation is due: call jwtkeeper_session_rotate with the same reply. At 401 answer
/// with jwtkeeper_reply_challenge, and with jwtkeeper_reply_set_cookie where there is one. Not answered, the status is
/// 503 or 500: answer with it, and clear nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_session_authenticate(
    client: *const ClientHandle,
    authorization: *const c_char,
    authorization_len: usize,
    cookie: *const c_char,
    cookie_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let authorization = unsafe { lossy("authorization", authorization, authorization_len) }?;
        // SAFETY: as above.
        let cookie = unsafe { lossy("cookie", cookie, cookie_len) }?;
        let Some(token) = authorization.as_deref().and_then(bearer) else {
            return Ok(not_authenticated(client, None));
        };
        let given = CookieGiven::new(cookie.as_deref());
        let validate = given.validate(token.as_bytes()).realm(&client.realm);
        let (claims, rotation) = match client.shared.validate(validate)? {
            Verdict::Valid { claims, rotation } => (claims, rotation),
            Verdict::Invalid(reason) => return Ok(not_authenticated(client, Some(reason))),
        };
        let mut answer = Answer {
            valid: true,
            cause: rotation,
            ..Answer::default()
        };
        answer.claims(claims);
        answer.session.status = 200;
        answer.session.presented = Some(token.into());
        // Now that the daemon was asked, it is known what the cookie is called.
        let secret = cookie
            .as_deref()
            .and_then(|cookie| presented_cookie(client, cookie.as_bytes()));
        answer.session.presented_cookie = secret.map(Text::from);
        answer.session.due = rotation.map(|_: Cause| Due {
            cookie: cookie.map(Into::into),
        });
        Ok(answer)
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Rotates the token that the last jwtkeeper_session_authenticate of this reply found due. `claims` are the new private
/// claims, a JSON object; NULL or empty carries the old token's over.
///
/// Answered at status 200 with jwtkeeper_reply_authorization, and perhaps jwtkeeper_reply_set_cookie, to send, and the
/// successor's claims; or at 200 without, when it cannot be rotated now: the request goes on with the old token and its
/// claims, and jwtkeeper_reply_message says why; or at 401 as above. Where the claims are at fault the result is their
/// code, and the reply still holds the old token: it can be called again with others. Where no rotation is due the
/// result is JWTKEEPER_ERROR_OUT_OF_TURN, and nothing is left in the reply.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_session_rotate(
    client: *const ClientHandle,
    claims: *const c_char,
    claims_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: Option<&ClientHandle>, answer: &mut Answer| {
        // What another call left is not to be taken for a successor; it may be what this one is given.
        let _last = answer.session.due.is_none().then(|| std::mem::take(answer));
        let client = given(client)?;
        // SAFETY: the caller keeps the contract of strings.
        let claims = unsafe { optional("claims", claims, claims_len) }?;
        let (Some(due), Some(token)) = (&answer.session.due, &answer.session.presented) else {
            return Err(Fault::OutOfTurn);
        };
        let cookie = CookieGiven::new(due.cookie.as_deref());
        let mut rotate = cookie.rotate(token.bytes()).realm(&client.realm);
        if let Some(claims) = claims {
            rotate = rotate.claims(claims);
        }
        match client.shared.rotate(rotate) {
            Ok(Rotation::Rotated(minted)) => {
                *answer = Answer::default();
                answer.minted(minted);
                answer.session.status = 200;
            }
            Ok(Rotation::Invalid(reason)) => *answer = not_authenticated(client, Some(reason)),
            Err(error) if goes_on(&error) => return Ok(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        Ok(String::new())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { run(client, reply, work) }
}

/// The value of the realm's lock cookie in a `Cookie` header: a part of `header` itself, without a NUL behind it, whose
/// length is written to `value_len`. NULL when it is not there, and nothing is written.
///
/// The daemon is asked what the cookie is called where jwtkeeper_config_set_cookie did not say it and no connection was
/// made yet; NULL too when it does not answer. Functions that take a cookie take the whole header as well, and need no
/// such call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_cookie_find(
    client: *const ClientHandle,
    header: *const c_char,
    header_len: usize,
    value_len: *mut usize,
) -> *const c_char {
    // SAFETY: the caller keeps the contract of handles.
    let Some(client) = (unsafe { client.as_ref() }) else {
        return std::ptr::null();
    };
    // SAFETY: the caller keeps the contract of strings.
    let Ok(Some(header)) = (unsafe { optional("header", header, header_len) }) else {
        return std::ptr::null();
    };
    let found = catch_unwind(AssertUnwindSafe(|| find(client, header)));
    let Ok(Some(value)) = found else {
        return std::ptr::null();
    };
    if value_len.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the caller keeps the contract of outputs.
    unsafe { *value_len = value.len() };
    value.as_ptr().cast()
}

/// The value of the lock cookie in a `Cookie` header, or the value itself.
fn presented_cookie<'a>(client: &ClientHandle, given: &'a [u8]) -> Option<&'a [u8]> {
    match given.contains(&b'=') {
        true => find(client, given),
        false => (!given.is_empty()).then_some(given),
    }
}

fn find<'a>(client: &ClientHandle, header: &'a [u8]) -> Option<&'a [u8]> {
    let cookie = client.shared.lock_cookie_of(&client.realm).ok()?;
    // Bytes that are not UTF-8 belong to other cookies, or make this one wrong.
    header.split(|&byte| byte == b';').find_map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        cookie.find(pair).map(str::as_bytes)
    })
}

/// The settings of the realm's lock cookie: its name (jwtkeeper_reply_cookie_name), Domain, Path, Secure, HttpOnly and
/// SameSite, and an empty value. jwtkeeper_config_set_cookie says it, or else the daemon, who is asked where no
/// connection was made yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_cookie_settings(client: *const ClientHandle, reply: *mut ReplyHandle) -> i32 {
    let work = |client: &ClientHandle| {
        Ok(Answer {
            cookie: Some(client.shared.lock_cookie_of(&client.realm)?.into()),
            ..Answer::default()
        })
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// The value of a `Set-Cookie` header that takes the realm's lock cookie from the browser: for the reply of a logout.
/// It is shown by jwtkeeper_reply_set_cookie. The daemon is asked only where no connection was made yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_cookie_clear(client: *const ClientHandle, reply: *mut ReplyHandle) -> i32 {
    let work = |client: &ClientHandle| {
        Ok(Answer {
            set_cookie: Some(client.shared.lock_cookie_of(&client.realm)?.clear().into()),
            ..Answer::default()
        })
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}
