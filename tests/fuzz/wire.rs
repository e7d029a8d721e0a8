//! Messages of the wire: what decodes has one spelling.

use jwtkeeper_wire::{Greeting, Hello, MAX_FRAME, Reply, Request, decode, encode, frame_length, peek_request};
use serde::{Deserialize, Serialize};

/// The first byte picks the kind of message; the rest is the message.
pub fn run(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else {
        return;
    };
    match kind % 5 {
        0 => canonical::<Hello<'_>>(body),
        1 => canonical::<Greeting<'_>>(body),
        2 => {
            let peeked = peek_request(body);
            if let Ok(request) = decode::<Request<'_>>(body) {
                assert_eq!(peeked.map(|(id, _)| id), Some(request.id));
            }
            canonical::<Request<'_>>(body);
        }
        3 => canonical::<Reply<'_>>(body),
        _ => {
            if let Ok(Some(length)) = frame_length(body, MAX_FRAME) {
                assert!(length <= MAX_FRAME);
            }
        }
    }
}

fn canonical<'a, T: Deserialize<'a> + Serialize>(body: &'a [u8]) {
    if let Ok(message) = decode::<T>(body) {
        let mut again = Vec::new();
        encode(&message, &mut again).unwrap();
        assert_eq!(again, body, "a second spelling of the same message");
    }
}
