//! The settings of a client, set one by one before a client is made of it.

use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use jwtkeeper_client::session::LockCookie;
use jwtkeeper_client::{ClientCode, Config, Server};

use crate::argument::{Fault, code, required, utf8};

/// The longest path that the address of a socket holds (sun_path, less its NUL).
const LONGEST_PATH: usize = 107;

/// The settings of a client: the socket, the deadlines, the lock cookie. To be used by one thread at a
/// time.
#[derive(Clone, Default)]
pub struct ConfigHandle {
    pub(crate) client: Config,
}

/// The defaults: the socket that JWTKEEPER_SOCKET names in the environment, or else
/// /run/jwtkeeper/jwtkeeper.sock; the realm `default`; 5 seconds for a call in all. NULL only when something is
/// very wrong.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_config_new() -> *mut ConfigHandle {
    catch_unwind(|| Box::into_raw(Box::default())).unwrap_or(std::ptr::null_mut())
}

/// Gives it back. NULL is let pass.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_free(config: *mut ConfigHandle) {
    if !config.is_null() {
        // SAFETY: by the contract it came from jwtkeeper_config_new, and is given back once.
        drop(unsafe { Box::from_raw(config) });
    }
}

/// Sets one thing, or nothing at all.
///
/// # Safety
/// `config` is NULL or a live handle that no other thread uses.
unsafe fn set(config: *mut ConfigHandle, change: impl FnOnce(&mut ConfigHandle) -> Result<(), Fault>) -> i32 {
    // SAFETY: by this function's contract.
    let Some(config) = (unsafe { config.as_mut() }) else {
        return code(ClientCode::BadArgument);
    };
    match catch_unwind(AssertUnwindSafe(|| change(config))) {
        Ok(Ok(())) => 0,
        Ok(Err(fault)) => fault.code(),
        Err(_) => code(ClientCode::Panicked),
    }
}

/// The path of the daemon's socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_set_socket(
    config: *mut ConfigHandle,
    path: *const c_char,
    path_len: usize,
) -> i32 {
    let change = |config: &mut ConfigHandle| {
        // SAFETY: the caller keeps the contract of strings.
        let path = unsafe { required("path", path, path_len) }?;
        // The system would take what stands before a NUL for the path.
        if path.is_empty() || path.len() > LONGEST_PATH || path.contains(&0) {
            return Err(Fault::Argument("path", "is empty, too long, or holds a NUL"));
        }
        config.client.socket = OsStr::from_bytes(path).into();
        Ok(())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { set(config, change) }
}

/// The realm of all calls; empty means the daemon's `default`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_set_realm(
    config: *mut ConfigHandle,
    realm: *const c_char,
    realm_len: usize,
) -> i32 {
    let change = |config: &mut ConfigHandle| {
        // SAFETY: the caller keeps the contract of strings.
        config.client.realm = unsafe { utf8("realm", realm, realm_len) }?.to_owned();
        Ok(())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { set(config, change) }
}

/// Sets the client's name in the daemon's log: a name and a version, never a secret.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_set_name(
    config: *mut ConfigHandle,
    name: *const c_char,
    name_len: usize,
) -> i32 {
    let change = |config: &mut ConfigHandle| {
        // SAFETY: the caller keeps the contract of strings.
        config.client.name = unsafe { utf8("name", name, name_len) }?.to_owned();
        Ok(())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { set(config, change) }
}

fn span(name: &'static str, milliseconds: u64) -> Result<Duration, Fault> {
    match milliseconds {
        0 => Err(Fault::Argument(name, "is 0")),
        milliseconds => Ok(Duration::from_millis(milliseconds)),
    }
}

/// Sets the deadline of a call, in milliseconds, with connecting and trying again; 5000 by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_set_deadline_ms(config: *mut ConfigHandle, deadline_ms: u64) -> i32 {
    let change = |config: &mut ConfigHandle| {
        config.client.deadline = span("deadline_ms", deadline_ms)?;
        Ok(())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { set(config, change) }
}

/// Sets the deadline of one attempt to connect, in milliseconds; 2000 by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_set_connect_timeout_ms(config: *mut ConfigHandle, timeout_ms: u64) -> i32 {
    let change = |config: &mut ConfigHandle| {
        config.client.connect_timeout = span("timeout_ms", timeout_ms)?;
        Ok(())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { set(config, change) }
}

/// The uid that the daemon must run as. Unless set, by this or by JWTKEEPER_SERVER_UID in the environment (a uid, or
/// `any`), it is that of root, of this process, or of the owner of the socket's directory, which not everybody may
/// write to. A peer of another uid is sent nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_set_server_uid(config: *mut ConfigHandle, uid: u32) -> i32 {
    let change = |config: &mut ConfigHandle| {
        config.client.server = Server::uid(uid);
        Ok(())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { set(config, change) }
}

/// Sets the number of unused connections that are kept for later calls; 16 by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_set_max_idle(config: *mut ConfigHandle, max_idle: usize) -> i32 {
    let change = |config: &mut ConfigHandle| {
        config.client.max_idle = max_idle;
        Ok(())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { set(config, change) }
}

/// A cookie's name: a token of HTTP (RFC 9110 section 5.6.2).
fn cookie_name(name: &str) -> Result<String, Fault> {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
    match !name.is_empty() && name.bytes().all(is_token) {
        true => Ok(name.to_owned()),
        false => Err(Fault::Argument("name", "is not what a cookie can be called")),
    }
}

/// A cookie's attribute: nothing that would end it, or the header (RFC 6265 section 4.1.1).
fn attribute(name: &'static str, value: &str) -> Result<String, Fault> {
    match value.bytes().any(|byte| byte == b';' || byte.is_ascii_control()) {
        true => Err(Fault::Argument(name, "holds what ends a cookie's attribute")),
        false => Ok(value.to_owned()),
    }
}

/// The lock cookie of every realm of the client, whatever the daemon says that it is: seldom needed, for unless this is
/// called the daemon says it for each realm, as the realm's `cookie` section has it. `domain` NULL is none; `path`
/// NULL is none; `secure` 0 is for plain http alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jwtkeeper_config_set_cookie(
    config: *mut ConfigHandle,
    name: *const c_char,
    name_len: usize,
    domain: *const c_char,
    domain_len: usize,
    path: *const c_char,
    path_len: usize,
    secure: i32,
) -> i32 {
    let change = |config: &mut ConfigHandle| {
        let mut cookie = LockCookie::default();
        // SAFETY: the caller keeps the contract of strings.
        cookie.name = cookie_name(unsafe { utf8("name", name, name_len) }?)?;
        cookie.domain = match domain.is_null() {
            true => None,
            // SAFETY: as above.
            false => Some(attribute("domain", unsafe { utf8("domain", domain, domain_len) }?)?),
        };
        cookie.path = match path.is_null() {
            true => None,
            // SAFETY: as above.
            false => Some(attribute("path", unsafe { utf8("path", path, path_len) }?)?),
        };
        cookie.secure = secure != 0;
        config.client.lock_cookie = Some(cookie);
        Ok(())
    };
    // SAFETY: the caller keeps the contract of handles.
    unsafe { set(config, change) }
}
