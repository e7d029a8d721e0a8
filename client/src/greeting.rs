//! The first frame each way.

use jwtkeeper_wire::{
    EXTENSION_LOCK_COOKIE, Extension, Greeting, Hello, Limits, MAGIC, MAX_FRAME, PROTOCOL, decode, put_frame,
};

use crate::call::Failure;
use crate::error::{Error, Fault};
use crate::lock_cookie::Announced;

/// The frame with the hello of a client of this name, which asks for the lock cookies of these realms.
pub(crate) fn hello(name: &str, realms: &[String]) -> Vec<u8> {
    let mut hello = Hello {
        magic: MAGIC,
        protocol: PROTOCOL,
        client: name,
        extensions: realms.iter().map(|realm| about(realm)).collect(),
    };
    let mut frame = Vec::new();
    if put_frame(&hello, &mut frame).is_err() {
        hello.client = ""; // a name that takes more than a frame is no name
        let _shorter = put_frame(&hello, &mut frame);
    }
    frame
}

/// The extension that asks for a realm's lock cookie.
fn about(realm: &str) -> Extension<'_> {
    Extension {
        kind: EXTENSION_LOCK_COOKIE,
        value: realm.as_bytes(),
    }
}

/// The content of the daemon's first frame: the longest request that it takes, and the lock cookies of the
/// realms that the hello named.
pub(crate) fn welcome(body: &[u8], realms: Vec<String>) -> Result<(usize, Announced), Failure> {
    match decode::<Greeting<'_>>(body) {
        Err(_) => Err(Failure::Fault(Fault::Greeting)),
        Ok(Greeting::Refused { code, message }) => Err(Failure::refused(code, Error::daemon(code, message))),
        Ok(Greeting::Welcome(welcome)) if welcome.protocol != PROTOCOL => Err(Failure::Fault(Fault::Version)),
        Ok(Greeting::Welcome(welcome)) => {
            let Limits { max_frame, .. } = welcome.limits;
            let announced = Announced::read(realms, &welcome).ok_or(Failure::Fault(Fault::Greeting))?;
            Ok((MAX_FRAME.min(max_frame as usize), announced))
        }
    }
}
