//! What differs between the peers for the one client that asks them all: the bytes of a request, and where a reply
//! ends.

use jwtkeeper_wire::{Answer, Cause, LENGTH_BYTES, MAX_FRAME, Reply, decode, frame_length};

use crate::fault::{Doing, Result};

/// How a peer is spoken to.
pub(crate) trait Dialect: Sync {
    /// Appends a request under an id that no other in flight on its connection has.
    fn put(&self, request: &[u8], id: u64, out: &mut Vec<u8>);

    /// The reply that `bytes` begin with; `None` while it is not whole. A fault is a stream that cannot be read on.
    fn take(&self, bytes: &[u8]) -> Result<Option<Taken>>;
}

/// A reply that was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Its bytes, all told.
    pub(crate) length: usize,
    /// The id that it answers; `None` where replies come in the order of their requests and carry no id.
    pub(crate) id: Option<u64>,
    /// What is wrong with it.
    pub(crate) wrong: Option<String>,
}

/// What every reply must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// `Valid`, rotation not due, with claims of this length.
    Valid(usize),
    /// A message of this length, whatever it says.
    Echo(usize),
    /// `Issued`.
    Issued,
    /// `Rotated`.
    Rotated,
    /// `Done`.
    Done,
}

/// Frames of the daemon's protocol: a u32 length, then a message whose first eight bytes are its id.
pub(crate) struct Frames(pub(crate) Expect);

const ID_BYTES: usize = 8;
/// The id and the answer's tag.
const HEAD: usize = ID_BYTES + 4;

impl Dialect for Frames {
    fn put(&self, request: &[u8], id: u64, out: &mut Vec<u8>) {
        let body = out.len() + LENGTH_BYTES;
        out.extend_from_slice(request);
        if let Some(place) = out.get_mut(body..body + ID_BYTES) {
            place.copy_from_slice(&id.to_le_bytes());
        }
    }

    fn take(&self, bytes: &[u8]) -> Result<Option<Taken>> {
        let Some(length) = frame_length(bytes, MAX_FRAME).doing("a reply")? else {
            return Ok(None);
        };
        let Some(body) = bytes.get(LENGTH_BYTES..LENGTH_BYTES + length) else {
            return Ok(None);
        };
        let id = body.first_chunk::<ID_BYTES>().ok_or("a reply is too short for an id")?;
        Ok(Some(Taken {
            length: LENGTH_BYTES + length,
            id: Some(u64::from_le_bytes(*id)),
            wrong: if self.0.is_met_by(body) {
                None
            } else {
                Some(describe(body))
            },
        }))
    }
}

impl Expect {
    fn is_met_by(self, body: &[u8]) -> bool {
        let tag = body.get(ID_BYTES..HEAD);
        match self {
            Expect::Echo(length) => body.len() == length,
            Expect::Valid(claims) => {
                let not_due = u16::from(Cause::None).to_le_bytes();
                // id, tag, the claims' u64 length, the claims, the u16 cause
                tag == Some(&3u32.to_le_bytes()) && body.len() == HEAD + 8 + claims + 2 && body.ends_with(&not_due)
            }
            Expect::Issued => tag == Some(&2u32.to_le_bytes()),
            Expect::Rotated => tag == Some(&5u32.to_le_bytes()),
            Expect::Done => tag == Some(&6u32.to_le_bytes()),
        }
    }
}

/// A reply in words, without token or claims.
fn describe(body: &[u8]) -> String {
    match decode::<Reply<'_>>(body).map(|reply| reply.answer) {
        Ok(Answer::Error { code, message }) => format!("error {code}: {message}"),
        Ok(Answer::Invalid { reason }) => format!("invalid: {reason}"),
        Ok(Answer::Valid { claims, rotation }) => {
            format!("valid, with {} bytes of claims, rotation: {rotation}", claims.len())
        }
        Ok(_) => "an answer to another operation".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The Redis protocol: every reply must be a bulk string of this length.
pub(crate) struct Bulk(pub(crate) usize);

impl Dialect for Bulk {
    fn put(&self, request: &[u8], _id: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(request);
    }

    fn take(&self, bytes: &[u8]) -> Result<Option<Taken>> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line = bytes.get(..end).unwrap_or_default().trim_ascii_end();
        let length = line
            .strip_prefix(b"$")
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
        let Some(length) = length else {
            return Err(format!("redis answered {}", String::from_utf8_lossy(line)).into());
        };
        let whole = end + 1 + length + 2;
        let Some(reply) = bytes.get(..whole) else {
            return Ok(None);
        };
        let wrong = (length != self.0 || !reply.ends_with(b"\r\n")).then(|| format!("{length} bytes"));
        Ok(Some(Taken {
            length: whole,
            id: None,
            wrong,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jwtkeeper_wire::{ErrorCode, put_frame};

    fn frame(answer: Answer<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_frame(&Reply { id: 7, answer }, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_frame_is_taken_once_whole_and_checked() {
        let claims = br#"{"a":1}"#;
        let valid = frame(Answer::Valid {
            claims,
            rotation: Cause::None,
        });
        let frames = Frames(Expect::Valid(claims.len()));
        for end in 0..valid.len() {
            assert!(frames.take(&valid[..end]).unwrap().is_none());
        }
        let taken = frames.take(&valid).unwrap().unwrap();
        assert_eq!((taken.length, taken.id, taken.wrong), (valid.len(), Some(7), None));
        let due = frame(Answer::Valid {
            claims,
            rotation: Cause::Flagged,
        });
        assert!(frames.take(&due).unwrap().unwrap().wrong.is_some());
        assert!(Frames(Expect::Valid(6)).take(&valid).unwrap().unwrap().wrong.is_some());
    }

    #[test]
    fn an_error_is_told_in_its_own_words() {
        let error = frame(Answer::Error {
            code: ErrorCode::Overloaded,
            message: "too many",
        });
        let taken = Frames(Expect::Done).take(&error).unwrap().unwrap();
        assert!(taken.wrong.unwrap().contains("too many"));
    }

    #[test]
    fn the_id_stands_where_the_daemon_looks_for_it() {
        let mut out = b"before".to_vec();
        Frames(Expect::Done).put(&frame(Answer::Done), 9, &mut out);
        assert_eq!(Frames(Expect::Done).take(&out[6..]).unwrap().unwrap().id, Some(9));
    }

    #[test]
    fn a_bulk_string_ends_where_its_length_says() {
        let bulk = Bulk(5);
        let reply = b"$5\r\na\nb\r\n\r\n$5";
        assert_eq!(bulk.take(b"$5\r\na\nb").unwrap(), None);
        let taken = bulk.take(reply).unwrap().unwrap();
        assert_eq!((taken.length, taken.wrong), (11, None));
        assert!(bulk.take(b"$-1\r\n").is_err());
        assert!(bulk.take(b"-ERR no\r\n").is_err());
        assert!(bulk.take(b"$1\r\nx\r\n").unwrap().unwrap().wrong.is_some());
    }
}
