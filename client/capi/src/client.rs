//! The client handle: a blocking client shared by the handles of all its realms.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jwtkeeper_client::session::LockCookie;
use jwtkeeper_client::{ClientCode, blocking};

use crate::argument::{Fault, code, utf8};
use crate::config::ConfigHandle;

/// A client of one daemon, in one realm. Any number of threads may use one at once, and it may be kept across fork:
/// a child connects anew.
#[derive(Clone)]
pub struct ClientHandle {
    pub(crate) shared: Arc<blocking::Client>,
    pub(crate) realm: String,
}

impl ClientHandle {
    /// The lock cookie of the realm, if it is known: the daemon is not asked.
    pub(crate) fn known_lock_cookie(&self) -> Option<LockCookie> {
        self.shared.known_lock_cookie_of(&self.realm)
    }
}

/// Writes a new handle, or nothing.
///
/// # Safety
/// `client` is NULL or may be written.
unsafe fn give(client: *mut *mut ClientHandle, make: impl FnOnce() -> Result<ClientHandle, Fault>) -> i32 {
    if client.is_null() {
        return code(ClientCode::BadArgument);
    }
    match catch_unwind(AssertUnwindSafe(make)) {
        Ok(Ok(made)) => {
            // SAFETY: by this function's contract.
            unsafe { *client = Box::into_raw(Box::new(made)) };
            0
        }
        Ok(Err(fault)) => fault.code(),
        Err(_) => code(ClientCode::Panicked),
    }
}

/// A client that connects when it is first used. `config` is copied; NULL means jwtkeeper_config_new()'s defaults.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_client_new(config: *const ConfigHandle, client: *mut *mut ClientHandle) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    let config = unsafe { config.as_ref() };
    let make = || {
        let config = config.cloned().unwrap_or_default();
        Ok(ClientHandle {
            realm: config.client.realm.clone(),
            shared: Arc::new(blocking::Client::new(config.client)),
        })
    };
    // SAFETY: the caller keeps the contract of outputs.
    unsafe { give(client, make) }
}

/// Another client, of another realm of the same daemon, over the same connections. Each is freed by itself, in any
/// order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_client_for_realm(
    client: *const ClientHandle,
    realm: *const c_char,
    realm_len: usize,
    other: *mut *mut ClientHandle,
) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    let client = unsafe { client.as_ref() };
    let make = || {
        let mut made = client.ok_or(Fault::Argument("client", "is NULL"))?.clone();
        // SAFETY: the caller keeps the contract of strings.
        made.realm = unsafe { utf8("realm", realm, realm_len) }?.to_owned();
        Ok(made)
    };
    // SAFETY: the caller keeps the contract of outputs.
    unsafe { give(other, make) }
}

/// Creates another client with a deadline of its own, in milliseconds and at least 1, over the same connections: for a
/// call that must end sooner. Each is freed by itself, in any order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_client_with_deadline(
    client: *const ClientHandle,
    milliseconds: u64,
    other: *mut *mut ClientHandle,
) -> i32 {
    // SAFETY: the caller keeps the contract of handles.
    let client = unsafe { client.as_ref() };
    let make = || {
        let client = client.ok_or(Fault::Argument("client", "is NULL"))?;
        if milliseconds == 0 {
            return Err(Fault::Argument("milliseconds", "is 0"));
        }
        let shared = client.shared.with_deadline(Duration::from_millis(milliseconds));
        Ok(ClientHandle {
            realm: client.realm.clone(),
            shared: Arc::new(shared),
        })
    };
    // SAFETY: the caller keeps the contract of outputs.
    unsafe { give(other, make) }
}

/// Gives it back, when no thread uses it any more. NULL is let pass.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_client_free(client: *mut ClientHandle) {
    if !client.is_null() {
        // SAFETY: by the contract it came from this library, and is given back once.
        let client = unsafe { Box::from_raw(client) };
        let _ended = catch_unwind(AssertUnwindSafe(|| drop(client)));
    }
}
