//! The operations: each asks the daemon once, within the client's deadline, and leaves its answer in the reply.

use std::ffi::c_char;
use std::time::Duration;

use jwtkeeper_client::{Flag, GetJwks, GetStatus, Issue, Revoke, Revoked, Rotation, Verdict};

use crate::argument::{CookieGiven, Fault, JWTKEEPER_REALM_EXPIRY, before, lossy, optional, required, utf8};
use crate::client::ClientHandle;
use crate::reply::{Answer, ReplyHandle, ask};

fn revoked(revoked: Revoked) -> Answer {
    let mut answer = Answer::default();
    match revoked {
        Revoked::Done => {}
        Revoked::Invalid(reason) => answer.invalid(reason),
    }
    answer
}

/// Is the daemon there?
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_ping(client: *const ClientHandle, reply: *mut ReplyHandle) -> i32 {
    let work = |client: &ClientHandle| Ok(client.shared.ping().map(|()| Answer::default())?);
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Mints a token. `claims` is a JSON object to merge in; NULL or empty is none. `ttl` is in seconds, up to the realm's
/// max_lifetime, or JWTKEEPER_REALM_EXPIRY. Shows the token, its jti, expiry and claims, and its lock cookie.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_issue(
    client: *const ClientHandle,
    claims: *const c_char,
    claims_len: usize,
    ttl: i64,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        let mut issue = Issue::new().realm(&client.realm);
        // SAFETY: the caller keeps the contract of strings.
        if let Some(claims) = unsafe { optional("claims", claims, claims_len) }? {
            issue = issue.claims(claims);
        }
        issue = match u64::try_from(ttl) {
            Ok(ttl) => issue.ttl(Duration::from_secs(ttl)),
            Err(_) if ttl == JWTKEEPER_REALM_EXPIRY => issue,
            Err(_) => return Err(Fault::Argument("ttl", "is negative and not JWTKEEPER_REALM_EXPIRY")),
        };
        let mut answer = Answer::default();
        answer.minted(client.shared.issue(issue)?);
        Ok(answer)
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Is a token valid now? `token` may be any bytes: they come from outside. `cookie` is the lock cookie that came
/// along, by its value or by the request's whole `Cookie` header; NULL is none. Shows whether it is valid; then its
/// claims and the cause for which it should be rotated, or else the reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_validate(
    client: *const ClientHandle,
    token: *const c_char,
    token_len: usize,
    cookie: *const c_char,
    cookie_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let token = unsafe { required("token", token, token_len) }?;
        // SAFETY: as above.
        let cookie = unsafe { lossy("cookie", cookie, cookie_len) }?;
        let cookie = CookieGiven::new(cookie.as_deref());
        let validate = cookie.validate(token).realm(&client.realm);
        let mut answer = Answer::default();
        match client.shared.validate(validate)? {
            Verdict::Valid { claims, rotation } => {
                answer.valid = true;
                answer.cause = rotation;
                answer.claims(claims);
            }
            Verdict::Invalid(reason) => answer.invalid(reason),
        }
        Ok(answer)
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Replaces a valid token by its one successor. `claims` are new private claims, a JSON object (the right rotate_claims
/// is needed); NULL or empty carries the old token's over. Shows what jwtkeeper_issue shows, or the reason for which
/// the token is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_rotate(
    client: *const ClientHandle,
    token: *const c_char,
    token_len: usize,
    cookie: *const c_char,
    cookie_len: usize,
    claims: *const c_char,
    claims_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let token = unsafe { required("token", token, token_len) }?;
        // SAFETY: as above.
        let cookie = unsafe { lossy("cookie", cookie, cookie_len) }?;
        let cookie = CookieGiven::new(cookie.as_deref());
        let mut rotate = cookie.rotate(token).realm(&client.realm);
        // SAFETY: as above.
        if let Some(claims) = unsafe { optional("claims", claims, claims_len) }? {
            rotate = rotate.claims(claims);
        }
        let mut answer = Answer::default();
        match client.shared.rotate(rotate)? {
            Rotation::Rotated(minted) => answer.minted(minted),
            Rotation::Invalid(reason) => answer.invalid(reason),
        }
        Ok(answer)
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Flags a token by its jti: it stays valid, and is to be rotated on next sight. Answered when it is stored durably.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_flag_jti(
    client: *const ClientHandle,
    jti: *const c_char,
    jti_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let jti = unsafe { utf8("jti", jti, jti_len) }?;
        client.shared.flag(Flag::jti(jti).realm(&client.realm))?;
        Ok(Answer::default())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Flags every token of a subject that was born by a time: milliseconds since 1970-01-01T00:00:00Z, or JWTKEEPER_NOW.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_flag_subject(
    client: *const ClientHandle,
    subject: *const c_char,
    subject_len: usize,
    before_ms: i64,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let subject = unsafe { utf8("subject", subject, subject_len) }?;
        let flag = Flag::subject(subject, before(before_ms)?).realm(&client.realm);
        client.shared.flag(flag)?;
        Ok(Answer::default())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Revokes a token and its session: a logout. `cookie` as for jwtkeeper_validate. Answered when it is stored durably;
/// where the token is none of the realm's there is nothing to revoke, and jwtkeeper_reply_reason says why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_revoke_token(
    client: *const ClientHandle,
    token: *const c_char,
    token_len: usize,
    cookie: *const c_char,
    cookie_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let token = unsafe { required("token", token, token_len) }?;
        // SAFETY: as above.
        let cookie = unsafe { lossy("cookie", cookie, cookie_len) }?;
        let cookie = CookieGiven::new(cookie.as_deref());
        let revoke = cookie.revoke(token).realm(&client.realm);
        Ok(revoked(client.shared.revoke(revoke)?))
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Revokes a token by its jti, the session that it began, and its successor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_revoke_jti(
    client: *const ClientHandle,
    jti: *const c_char,
    jti_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let jti = unsafe { utf8("jti", jti, jti_len) }?;
        Ok(revoked(client.shared.revoke(Revoke::jti(jti).realm(&client.realm))?))
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Revokes all tokens of a session, named by the `jti` of its first token: `jwtkeeper.sid` in its successors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_revoke_session(
    client: *const ClientHandle,
    session: *const c_char,
    session_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let session = unsafe { utf8("session", session, session_len) }?;
        let revoke = Revoke::session(session).realm(&client.realm);
        Ok(revoked(client.shared.revoke(revoke)?))
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Revokes every login of a subject that was begun by a time: milliseconds since 1970-01-01T00:00:00Z, not in the
/// future, or JWTKEEPER_NOW.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_revoke_subject(
    client: *const ClientHandle,
    subject: *const c_char,
    subject_len: usize,
    before_ms: i64,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let subject = unsafe { utf8("subject", subject, subject_len) }?;
        let revoke = Revoke::subject(subject, before(before_ms)?).realm(&client.realm);
        Ok(revoked(client.shared.revoke(revoke)?))
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Revokes every login of the realm that was begun by a time, as jwtkeeper_revoke_subject. Only root and the daemon's
/// own user may, unless the daemon's access rules say otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_revoke_issued_before(
    client: *const ClientHandle,
    before_ms: i64,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        let revoke = Revoke::issued_before(before(before_ms)?).realm(&client.realm);
        Ok(revoked(client.shared.revoke(revoke)?))
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Looks a jti up in the denylist: jwtkeeper_reply_state, jwtkeeper_reply_until.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_status(
    client: *const ClientHandle,
    jti: *const c_char,
    jti_len: usize,
    reply: *mut ReplyHandle,
) -> i32 {
    let work = |client: &ClientHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let jti = unsafe { utf8("jti", jti, jti_len) }?;
        let status = client.shared.call(&GetStatus::jti(jti).realm(&client.realm))?;
        Ok(Answer {
            state: status.state.code(),
            until: status.until.unwrap_or(0),
            ..Answer::default()
        })
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// The realm's public keys: jwtkeeper_reply_document is a JWK Set. A realm of shared secrets publishes none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_jwks(client: *const ClientHandle, reply: *mut ReplyHandle) -> i32 {
    let work = |client: &ClientHandle| {
        let document = client.shared.call(&GetJwks::new().realm(&client.realm))?;
        Ok(Answer {
            document: Some(document.as_bytes().into()),
            ..Answer::default()
        })
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Asks for the daemon's health: jwtkeeper_reply_ready, jwtkeeper_reply_generation, and jwtkeeper_reply_document with
/// the particulars.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_health(client: *const ClientHandle, reply: *mut ReplyHandle) -> i32 {
    let work = |client: &ClientHandle| {
        let health = client.shared.health()?;
        Ok(Answer {
            ready: health.ready,
            generation: health.generation,
            document: Some(health.document.as_bytes().into()),
            ..Answer::default()
        })
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Has the daemon read all its files again; jwtkeeper_reply_generation is the one then in effect. Where the files are
/// not right, jwtkeeper_reply_message has a line for each fault. Only root and the daemon's own user may, unless the
/// daemon's access rules say otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reload(client: *const ClientHandle, reply: *mut ReplyHandle) -> i32 {
    let work = |client: &ClientHandle| {
        Ok(Answer {
            generation: client.shared.reload()?,
            ..Answer::default()
        })
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}

/// Has the daemon bring its own store and the shared one level: jwtkeeper_reply_entries, jwtkeeper_reply_pending. Only
/// who may reload may do this.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_import(client: *const ClientHandle, reply: *mut ReplyHandle) -> i32 {
    let work = |client: &ClientHandle| {
        let imported = client.shared.import()?;
        Ok(Answer {
            entries: imported.entries,
            pending: imported.pending,
            ..Answer::default()
        })
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { ask(client, reply, work) }
}
