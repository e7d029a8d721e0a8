//! The layout is the contract, the crate behind it is not: `wincode`, with types of its own, must write and read
//! the very same bytes. Codes are plain u16 here, so their conversion is held to that too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod mirror;
mod support;

use std::fmt::Debug;

use mirror::Mirrored;
use support::{Named, body, frame, hex};

/// Both codecs write the same bytes, and each reads what the other wrote.
fn check<M>(samples: Vec<Named<M>>)
where
    M: serde::Serialize + Mirrored + Debug,
{
    for (name, message) in samples {
        let ours = frame(&message);
        let theirs = message.mirror_bytes();
        assert_eq!(hex(body(&ours)), hex(&theirs), "{name}");
        assert!(message.reads_as_mirror(body(&ours)), "wincode reads {name} differently");
        assert!(
            message.is_decoded_from(&theirs),
            "{name} is read differently from wincode's bytes"
        );
    }
}

#[test]
fn hello_has_the_same_bytes() {
    check(support::hellos());
}

#[test]
fn greetings_have_the_same_bytes() {
    check(support::greetings());
}

#[test]
fn lock_cookies_have_the_same_bytes() {
    check(support::realm_cookies());
}

#[test]
fn requests_have_the_same_bytes() {
    check(support::requests());
}

#[test]
fn replies_have_the_same_bytes() {
    check(support::replies());
    check(support::code_replies());
}
