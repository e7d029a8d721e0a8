//! Hostile and broken frames: cut, trailing, lying and random bytes. Every one is an
//! error; none panics, and none reserves what it claims.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use jwtkeeper_wire::{
    Answer, DecodeError, FrameError, Greeting, Hello, LENGTH_BYTES, MAX_FRAME, OP_COUNT, Op, RealmCookie, Reply,
    Request, decode, encode, frame_length, peek_request, put_frame,
};
use proptest::prelude::*;
use support::{body, frames};

/// Decodes `bytes` as the kind of message that a golden file holds.
fn decodes(file: &str, bytes: &[u8]) -> Result<(), DecodeError> {
    match file {
        "hello" => decode::<Hello<'_>>(bytes).map(drop),
        "greeting" => decode::<Greeting<'_>>(bytes).map(drop),
        "request" => decode::<Request<'_>>(bytes).map(drop),
        _ => decode::<Reply<'_>>(bytes).map(drop),
    }
}

#[test]
fn every_truncation_is_malformed() {
    for (file, name, frame) in frames() {
        let body = body(&frame);
        assert_eq!(decodes(file, body), Ok(()), "{file}/{name}");
        for end in 0..body.len() {
            let cut = decodes(file, &body[..end]);
            assert_eq!(cut, Err(DecodeError::Malformed), "{file}/{name} cut at {end}");
        }
    }
}

#[test]
fn a_lock_cookie_that_is_cut_or_too_long_is_malformed() {
    for (name, cookie) in support::realm_cookies() {
        let mut bytes = Vec::new();
        encode(&cookie, &mut bytes).unwrap();
        for end in 0..bytes.len() {
            let cut = decode::<RealmCookie<'_>>(&bytes[..end]);
            assert_eq!(cut, Err(DecodeError::Malformed), "{name} cut at {end}");
        }
        bytes.push(0);
        assert_eq!(decode::<RealmCookie<'_>>(&bytes), Err(DecodeError::Trailing(1)));
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for (file, name, frame) in frames() {
        for extra in [1, 2, 300] {
            let mut bytes = body(&frame).to_vec();
            bytes.resize(bytes.len() + extra, 0);
            let result = decodes(file, &bytes);
            assert_eq!(result, Err(DecodeError::Trailing(extra)), "{file}/{name}");
        }
    }
}

/// Every u64 that a length could stand in is replaced by lies: the frame stays legal, the length does not.
#[test]
fn lying_lengths_inside_legal_frames_are_refused() {
    for (file, name, frame) in frames() {
        let body = body(&frame).to_vec();
        for lie in [1 << 63, u64::MAX, 1 << 40, u64::from(u32::MAX), MAX_FRAME as u64 + 1] {
            for at in 0..body.len().saturating_sub(7) {
                let mut bytes = body.clone();
                bytes[at..at + 8].copy_from_slice(&lie.to_le_bytes());
                let _no_panic_and_no_reservation = decodes(file, &bytes);
            }
        }
        assert_eq!(decodes(file, &body), Ok(()), "{file}/{name}");
    }
}

#[test]
fn a_hello_with_too_many_extensions_is_malformed() {
    for count in [1_u64 << 63, u64::MAX, 1 << 32, 100_000] {
        let mut bytes = b"jwtkeep\0\x01\x00".to_vec();
        bytes.extend_from_slice(&0_u64.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.resize(MAX_FRAME, 0);
        assert_eq!(decode::<Hello<'_>>(&bytes), Err(DecodeError::Malformed), "{count}");
    }
}

#[test]
fn strings_must_be_utf8_and_options_and_flags_zero_or_one() {
    let mut name = b"jwtkeep\0\x01\x00".to_vec();
    name.extend_from_slice(&2_u64.to_le_bytes());
    name.extend_from_slice(&[0xc3, 0x28]);
    name.extend_from_slice(&0_u64.to_le_bytes());
    assert_eq!(decode::<Hello<'_>>(&name), Err(DecodeError::Malformed));

    // Issue: an id, the tag, an empty realm, no claims, and an option that is neither.
    let mut option = [0; 8].to_vec();
    option.extend_from_slice(&1_u32.to_le_bytes());
    option.extend_from_slice(&[0; 16]);
    option.push(2);
    option.extend_from_slice(&[0; 8]);
    assert_eq!(decode::<Request<'_>>(&option), Err(DecodeError::Malformed));

    // Health: an id, the tag, and a flag that is neither.
    let mut flag = [0; 8].to_vec();
    flag.extend_from_slice(&9_u32.to_le_bytes());
    flag.push(2);
    flag.extend_from_slice(&[0; 16]);
    assert_eq!(decode::<Reply<'_>>(&flag), Err(DecodeError::Malformed));
}

/// All-zero fields are legal for every operation, so a known tag decodes at one length and an unknown one at none.
#[test]
fn op_count_is_the_number_of_operations() {
    let known = |tag: u32| {
        (0..64).any(|zeros| {
            let mut bytes = tag.to_le_bytes().to_vec();
            bytes.resize(bytes.len() + zeros, 0);
            decode::<Op<'_>>(&bytes).is_ok()
        })
    };
    for tag in 0..OP_COUNT {
        assert!(known(tag), "{tag}");
    }
    for tag in [OP_COUNT, OP_COUNT + 1, 255, u32::MAX] {
        assert!(!known(tag), "{tag}");
    }
}

#[test]
fn id_and_tag_are_read_before_the_rest() {
    for (file, name, frame) in frames() {
        let body = body(&frame);
        if file != "request" {
            continue;
        }
        let request: Request<'_> = decode(body).unwrap();
        let (id, tag) = peek_request(body).unwrap();
        assert_eq!(id, request.id, "{name}");
        assert!(tag < OP_COUNT, "{name}");
        assert_eq!(peek_request(&body[..11]), None);
    }
    let unknown = [&77_u64.to_le_bytes()[..], &OP_COUNT.to_le_bytes()[..]].concat();
    assert_eq!(peek_request(&unknown), Some((77, OP_COUNT)));
    assert_eq!(decode::<Request<'_>>(&unknown), Err(DecodeError::Malformed));
}

#[test]
fn a_frame_beyond_the_limit_is_refused_by_its_length_alone() {
    let at = |length: u32| frame_length(&length.to_le_bytes(), MAX_FRAME);
    assert_eq!(at(0), Ok(Some(0)));
    assert_eq!(at(65_536), Ok(Some(MAX_FRAME)));
    for length in [65_537, 0x7fff_ffff, u32::MAX] {
        let error = FrameError {
            length: length as usize,
            limit: MAX_FRAME,
        };
        assert_eq!(at(length), Err(error));
    }
    assert_eq!(frame_length(&100_u32.to_le_bytes(), 99).unwrap_err().limit, 99);
    assert_eq!(
        frame_length(&65_537_u32.to_le_bytes(), usize::MAX).unwrap_err().length,
        65_537
    );
    assert_eq!(frame_length(&[1, 0, 0], MAX_FRAME), Ok(None));
}

#[test]
fn a_message_beyond_the_limit_leaves_the_buffer_as_it_was() {
    let document = vec![b' '; MAX_FRAME];
    let reply = Reply {
        id: 1,
        answer: Answer::Jwks { document: &document },
    };
    let mut out = b"before".to_vec();
    assert!(put_frame(&reply, &mut out).is_err());
    assert!(encode(&reply, &mut out).is_err());
    assert_eq!(out, b"before");

    let longest = &document[..MAX_FRAME - 20];
    let reply = Reply {
        id: 1,
        answer: Answer::Jwks { document: longest },
    };
    put_frame(&reply, &mut out).unwrap();
    assert_eq!(out.len(), b"before".len() + LENGTH_BYTES + MAX_FRAME);
    assert_eq!(decode::<Reply<'_>>(&out[b"before".len() + LENGTH_BYTES..]), Ok(reply));
}

/// Takes whole frames off a growing buffer, as a reader of a socket does.
#[derive(Default)]
struct Reader {
    buffer: Vec<u8>,
    bodies: Vec<Vec<u8>>,
}

impl Reader {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while let Ok(Some(length)) = frame_length(&self.buffer, MAX_FRAME) {
            if self.buffer.len() < LENGTH_BYTES + length {
                return;
            }
            let rest = self.buffer.split_off(LENGTH_BYTES + length);
            let frame = std::mem::replace(&mut self.buffer, rest);
            self.bodies.push(frame[LENGTH_BYTES..].to_vec());
        }
    }
}

#[test]
fn frames_split_at_every_byte_give_the_same_messages() {
    let all = frames();
    let bodies: Vec<Vec<u8>> = all.iter().map(|(_, _, frame)| body(frame).to_vec()).collect();
    let stream: Vec<u8> = all.iter().flat_map(|(_, _, frame)| frame.clone()).collect();

    for split in 0..=stream.len() {
        let mut reader = Reader::default();
        reader.push(&stream[..split]);
        reader.push(&stream[split..]);
        assert!(reader.bodies == bodies && reader.buffer.is_empty(), "split at {split}");
    }
    let mut reader = Reader::default();
    stream.chunks(1).for_each(|byte| reader.push(byte));
    assert!(reader.bodies == bodies && reader.buffer.is_empty());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        for file in ["hello", "greeting", "request", "reply"] {
            let _ = decodes(file, &bytes);
        }
        let _ = peek_request(&bytes);
        let _ = frame_length(&bytes, MAX_FRAME);
    }

    #[test]
    fn changed_bytes_of_a_message_never_panic(
        pick in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let all = frames();
        let (file, _, frame) = &all[pick.index(all.len())];
        let mut bytes = body(frame).to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = decodes(file, &bytes);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(0_u8..4, 0..96)) {
        if let Ok(request) = decode::<Request<'_>>(&bytes) {
            let mut again = Vec::new();
            encode(&request, &mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}
