//! The first frame each way.

use jwtkeeper_wire::{Greeting, Hello, Limits, MAGIC, MAX_FRAME, PROTOCOL, decode, put_frame};

use crate::call::Failure;
use crate::error::{Error, Fault};

/// The frame with the hello of a client of this name.
pub(crate) fn hello(name: &str) -> Vec<u8> {
    let mut hello = Hello {
        magic: MAGIC,
        protocol: PROTOCOL,
        client: name,
        extensions: Vec::new(),
    };
    let mut frame = Vec::new();
    if put_frame(&hello, &mut frame).is_err() {
        hello.client = ""; // a name that takes more than a frame is no name
        let _shorter = put_frame(&hello, &mut frame);
    }
    frame
}

/// The longest request that the daemon takes, from the message of its first frame.
pub(crate) fn welcome(body: &[u8]) -> Result<usize, Failure> {
    match decode::<Greeting<'_>>(body) {
        Err(_) => Err(Failure::Fault(Fault::Greeting)),
        Ok(Greeting::Refused { code, message }) => Err(Failure::refused(code, Error::daemon(code, message))),
        Ok(Greeting::Welcome(welcome)) if welcome.protocol != PROTOCOL => Err(Failure::Fault(Fault::Version)),
        Ok(Greeting::Welcome(welcome)) => {
            let Limits { max_frame, .. } = welcome.limits;
            Ok(MAX_FRAME.min(max_frame as usize))
        }
    }
}
