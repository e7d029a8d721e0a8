//! The reply handle: what one call came to, kept until the next call that is given it, and the one place where a call
//! starts and a panic ends.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use jwtkeeper_client::{Cause, Claims, ClientCode, Cookie, LockCookie, Minted, Reason};

use crate::argument::{Fault, code, meaning};
use crate::client::ClientHandle;

/// The result of a call. It belongs to one thread at a time, serves any number of calls one after the other, and
/// what it shows lives until the next call that is given it.
#[derive(Default)]
pub struct ReplyHandle {
    state: Mutex<State>,
}

/// The state of a reply.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) code: i32,
    pub(crate) message: Text,
    /// The HTTP status that it means for the request of a session.
    pub(crate) status: u16,
    pub(crate) answer: Answer,
}

/// A string as C wants it: with a NUL behind its end.
#[derive(Default)]
pub(crate) struct Text(Vec<u8>);

impl<T: Into<Vec<u8>>> From<T> for Text {
    fn from(text: T) -> Self {
        let mut bytes = text.into();
        bytes.push(0);
        Self(bytes)
    }
}

impl Text {
    /// Without the NUL.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.split_last().map_or(&[], |(_, text)| text)
    }

    /// From a place on, and how long it is.
    fn at(&self, place: usize) -> Option<(*const c_char, usize)> {
        let bytes = self.0.get(place..)?;
        Some((bytes.as_ptr().cast(), bytes.len().checked_sub(1)?))
    }
}

pub(crate) const BEARER: &str = "Bearer ";

/// The answer to a call. Members that an operation does not answer keep their defaults.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) valid: bool,
    pub(crate) reason: Option<Reason>,
    pub(crate) cause: Option<Cause>,
    pub(crate) claims: Option<Text>,
    /// `Bearer ` and the token.
    pub(crate) authorization: Option<Text>,
    pub(crate) jti: Option<Text>,
    pub(crate) expires_at: u64,
    pub(crate) cookie: Option<KeptCookie>,
    pub(crate) set_cookie: Option<Text>,
    pub(crate) state: u16,
    pub(crate) until: u64,
    pub(crate) document: Option<Text>,
    pub(crate) ready: bool,
    pub(crate) generation: u64,
    pub(crate) entries: u64,
    pub(crate) pending: u64,
    pub(crate) session: Session,
}

/// The members that a session's call adds.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) status: u16,
    pub(crate) challenge: Option<Text>,
    pub(crate) clears_cookie: bool,
    /// The token that came with a request which goes on with it.
    pub(crate) presented: Option<Text>,
    /// The value of the lock cookie that came with it.
    pub(crate) presented_cookie: Option<Text>,
    /// The cookie that its rotation needs, while that is due.
    pub(crate) due: Option<Due>,
}

/// The lock cookie's value beside the presented token, or the header that it is in.
pub(crate) struct Due {
    pub(crate) cookie: Option<String>,
}

pub(crate) struct KeptCookie {
    pub(crate) name: Text,
    pub(crate) value: Text,
    pub(crate) expires_at: u64,
    pub(crate) domain: Option<Text>,
    pub(crate) path: Option<Text>,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    pub(crate) same_site: Text,
}

impl From<&Cookie> for KeptCookie {
    fn from(cookie: &Cookie) -> Self {
        Self {
            name: cookie.name.as_str().into(),
            value: cookie.value().into(),
            expires_at: cookie.expires_at,
            domain: cookie.domain.as_deref().map(Text::from),
            path: cookie.path.as_deref().map(Text::from),
            secure: cookie.secure,
            http_only: cookie.http_only,
            same_site: cookie.same_site.as_str().into(),
        }
    }
}

impl From<LockCookie> for KeptCookie {
    /// A lock cookie without a value.
    fn from(cookie: LockCookie) -> Self {
        Self {
            name: cookie.name.into(),
            value: "".into(),
            expires_at: 0,
            domain: cookie.domain.map(Text::from),
            path: cookie.path.map(Text::from),
            secure: cookie.secure,
            http_only: cookie.http_only,
            same_site: cookie.same_site.unwrap_or_default().into(),
        }
    }
}

impl Answer {
    /// A token that was minted, whole.
    pub(crate) fn minted(&mut self, minted: Minted) {
        self.valid = true;
        self.authorization = Some([BEARER, minted.token()].concat().into());
        self.jti = Some(minted.jti.into());
        self.expires_at = minted.expires_at;
        self.set_cookie = minted.cookie.as_ref().map(|cookie| cookie.set_cookie().into());
        self.cookie = minted.cookie.as_ref().map(KeptCookie::from);
        self.claims(minted.claims);
    }

    pub(crate) fn claims(&mut self, claims: Claims) {
        self.claims = Some(claims.into_bytes().into());
    }

    pub(crate) fn invalid(&mut self, reason: Reason) {
        self.valid = false;
        self.reason = Some(reason);
    }
}

impl ReplyHandle {
    /// `None` while another thread has it.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(PoisonError::into_inner(poisoned)),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// One call, whose answer takes the place of the last one; where it fails, the reply is left with none.
///
/// # Safety
/// `client` and `reply` are NULL or live handles.
pub(crate) unsafe fn ask(
    client: *const ClientHandle,
    reply: *const ReplyHandle,
    work: impl FnOnce(&ClientHandle) -> Result<Answer, Fault>,
) -> i32 {
    let fresh = |client: Option<&ClientHandle>, answer: &mut Answer| {
        // Kept until the call is over: what it shows may be what the call was given.
        let _last = std::mem::take(answer);
        *answer = work(given(client)?)?;
        Ok(String::new())
    };
    // SAFETY: by this function's contract.
    unsafe { run(client, reply, fresh) }
}

/// The client, which must be there.
pub(crate) fn given(client: Option<&ClientHandle>) -> Result<&ClientHandle, Fault> {
    client.ok_or(Fault::Argument("client", "is NULL"))
}

/// One call upon what stands in the reply; `work` answers the message to leave there.
///
/// # Safety
/// As of [`ask`].
pub(crate) unsafe fn run(
    client: *const ClientHandle,
    reply: *const ReplyHandle,
    work: impl FnOnce(Option<&ClientHandle>, &mut Answer) -> Result<String, Fault>,
) -> i32 {
    // SAFETY: by this function's contract.
    let (client, reply) = unsafe { (client.as_ref(), reply.as_ref()) };
    let Some(reply) = reply else {
        return code(ClientCode::BadArgument);
    };
    let Some(mut state) = reply.state() else {
        return code(ClientCode::Busy);
    };
    let State { answer, .. } = &mut *state;
    let outcome = catch_unwind(AssertUnwindSafe(|| work(client, answer)));
    let (code, message, status) = match outcome {
        Ok(Ok(message)) => (0, message, answer.session.status),
        Ok(Err(fault)) => (fault.code(), fault.message(), fault.status()),
        Err(_) => {
            // It may have been left half written.
            *answer = Answer::default();
            let panicked = ClientCode::Panicked;
            (code(panicked), meaning(panicked).to_owned(), 500)
        }
    };
    *state = State {
        code,
        message: message.into(),
        status,
        answer: std::mem::take(answer),
    };
    code
}

/// Something of a reply; `none` where there is no reply, or another thread has it.
///
/// # Safety
/// `reply` is NULL or a live handle.
pub(crate) unsafe fn see<T>(reply: *const ReplyHandle, none: T, see: impl FnOnce(&State) -> T) -> T {
    // SAFETY: by this function's contract.
    match unsafe { reply.as_ref() }.and_then(ReplyHandle::state) {
        Some(state) => see(&state),
        None => none,
    }
}

/// A string of a reply, from a place on; NULL where there is none.
///
/// # Safety
/// `reply` is NULL or a live handle; `length` is NULL or may be written.
pub(crate) unsafe fn see_text(
    reply: *const ReplyHandle,
    length: *mut usize,
    place: usize,
    text: impl FnOnce(&State) -> Option<&Text>,
) -> *const c_char {
    // SAFETY: by this function's contract. The pointer outlives the lock: the text stays where it is until the next
    // call that is given the reply.
    let Some((text, text_len)) = (unsafe { see(reply, None, |state| text(state)?.at(place)) }) else {
        return std::ptr::null();
    };
    if !length.is_null() {
        // SAFETY: by this function's contract.
        unsafe { *length = text_len };
    }
    text
}

/// An empty reply. NULL only when something is very wrong.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_reply_new() -> *mut ReplyHandle {
    catch_unwind(|| Box::into_raw(Box::default())).unwrap_or(std::ptr::null_mut())
}

/// Gives it back, with all that it shows. NULL is let pass.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_reply_free(reply: *mut ReplyHandle) {
    if !reply.is_null() {
        // SAFETY: by the contract it came from jwtkeeper_reply_new, and is given back once.
        drop(unsafe { Box::from_raw(reply) });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use jwtkeeper_client::{Config, blocking};

    use super::*;

    fn client() -> ClientHandle {
        ClientHandle {
            shared: blocking::Client::new(Config::new("/nowhere")).into(),
            realm: String::new(),
        }
    }

    #[test]
    fn a_panic_is_a_code_and_the_reply_stays_usable() {
        let (client, reply) = (client(), ReplyHandle::default());
        let valid = |_: &ClientHandle| {
            Ok(Answer {
                valid: true,
                jti: Some("an id".into()),
                ..Answer::default()
            })
        };
        // SAFETY: both handles live.
        unsafe {
            assert_eq!(ask(&client, &reply, valid), 0);
            assert_eq!(ask(&client, &reply, |_| panic!("a fault")), code(ClientCode::Panicked));
            assert_eq!(see(&reply, 0, |state| state.code), code(ClientCode::Panicked));
            assert!(see(&reply, false, |state| !state.answer.valid && state.status == 500));
            assert!(see_text(&reply, std::ptr::null_mut(), 0, |state| state.answer.jti.as_ref()).is_null());
            let half = |_: Option<&ClientHandle>, answer: &mut Answer| {
                answer.valid = true;
                panic!("a fault, halfway")
            };
            assert_eq!(run(&client, &reply, half), code(ClientCode::Panicked));
            assert!(see(&reply, false, |state| !state.answer.valid));
            assert_eq!(ask(&client, &reply, valid), 0);
            assert!(see(&reply, false, |state| state.answer.valid && state.code == 0));
        }
    }

    #[test]
    fn a_call_without_a_client_leaves_no_old_answer() {
        let (client, reply) = (client(), ReplyHandle::default());
        let valid = |_: &ClientHandle| {
            Ok(Answer {
                valid: true,
                ..Answer::default()
            })
        };
        // SAFETY: both handles live, or are NULL.
        unsafe {
            assert_eq!(ask(&client, &reply, valid), 0);
            assert_eq!(ask(std::ptr::null(), &reply, valid), code(ClientCode::BadArgument));
            assert!(see(&reply, false, |state| !state.answer.valid));
        }
    }

    #[test]
    fn a_reply_in_use_is_busy() {
        let (client, reply) = (client(), ReplyHandle::default());
        let within = |_: &ClientHandle| {
            // SAFETY: both handles live.
            let code = unsafe { ask(&client, &reply, |_| Ok(Answer::default())) };
            assert_eq!(code, super::code(ClientCode::Busy));
            Ok(Answer::default())
        };
        // SAFETY: as above.
        assert_eq!(unsafe { ask(&client, &reply, within) }, 0);
    }
}
