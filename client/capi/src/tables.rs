//! Names and meanings of codes, from the one table, and the version.

use std::ffi::{CStr, c_char};

use jwtkeeper_client::{Cause, ClientCode, CodeRow, ErrorCode, Reason, State};

/// The row of a code; the two tables of why there is no answer have no code in common.
fn row_of_code(code: i32) -> Option<CodeRow> {
    let code = u16::try_from(code).ok()?;
    ClientCode::from(code).row().or(ErrorCode::from(code).row())
}

fn row<T: From<u16>>(code: i32, row: impl Fn(T) -> Option<CodeRow>) -> Option<CodeRow> {
    row(T::from(u16::try_from(code).ok()?))
}

fn name(row: Option<CodeRow>) -> *const c_char {
    row.map_or(c"other", |row| row.c_name).as_ptr()
}

fn meaning(row: Option<CodeRow>) -> *const c_char {
    const UNKNOWN: &CStr = c"A code that this version does not know.";
    row.map_or(UNKNOWN, |row| row.c_meaning).as_ptr()
}

/// The name of a result code, as the command line and the daemon's log have it: `ok` for 0, `other` for one that this
/// version does not know. Never NULL, and never freed: so are all names and meanings.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_code_name(code: i32) -> *const c_char {
    match code {
        0 => c"ok".as_ptr(),
        code => name(row_of_code(code)),
    }
}

/// Returns the meaning of a result code, and what to do.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_code_meaning(code: i32) -> *const c_char {
    match code {
        0 => c"Answered.".as_ptr(),
        code => meaning(row_of_code(code)),
    }
}

/// The name of a reason for which a token is not valid: `none` for 0.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_reason_name(reason: i32) -> *const c_char {
    match reason {
        0 => c"none".as_ptr(),
        reason => name(row(reason, Reason::row)),
    }
}

/// Returns the meaning of a reason.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_reason_meaning(reason: i32) -> *const c_char {
    match reason {
        0 => c"The token is valid, or none was asked about.".as_ptr(),
        reason => meaning(row(reason, Reason::row)),
    }
}

/// The name of a cause for which a valid token should be rotated now: `none` for 0.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_cause_name(cause: i32) -> *const c_char {
    name(row(cause, Cause::row))
}

/// The name of what the denylist says of a jti: `none` for 0.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_state_name(state: i32) -> *const c_char {
    name(row(state, State::row))
}

/// The version of the library: MAJOR.MINOR.PATCH.
#[unsafe(no_mangle)]
pub extern "C" fn jwtkeeper_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
