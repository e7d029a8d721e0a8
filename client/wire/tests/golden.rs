//! The bytes of every message and every code, held against tests/golden/wire/*.hex, both ways. Golden lines are
//! added (JWTKEEPER_BLESS=1), never edited: a changed byte is a broken client somewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Write;

use jwtkeeper_wire::{Answer, FlagTarget, Op, RevokeTarget, decode};
use support::{Named, bless, body, frame, golden, hex, repository};

/// Encode is the golden frame, and the golden frame decodes to the message.
fn check<T, D>(file: &str, samples: Vec<Named<T>>, decodes: D)
where
    T: serde::Serialize + PartialEq + Debug,
    D: Fn(&[u8], &T) -> bool,
{
    let mut known = golden(file);
    for (name, message) in samples {
        let bytes = frame(&message);
        let Some(expected) = known.remove(&name) else {
            add(file, &name, &bytes);
            continue;
        };
        assert_eq!(hex(&bytes), hex(&expected), "the bytes of {file}/{name} changed");
        assert!(
            decodes(body(&expected), &message),
            "{file}/{name} decodes to another message"
        );
    }
    assert!(
        known.is_empty(),
        "golden lines of {file} without a message: {:?}",
        known.keys()
    );
}

/// Appends a new line when asked to, and fails otherwise.
fn add(file: &str, name: &str, bytes: &[u8]) {
    let path = repository("tests/golden/wire").join(format!("{file}.hex"));
    assert!(
        bless(),
        "{file}/{name} has no golden line; run with JWTKEEPER_BLESS=1 to add it to {}",
        path.display()
    );
    let fresh = !path.exists();
    let mut out = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap();
    if fresh {
        writeln!(
            out,
            "# Whole frames: a name, then the bytes. Lines are added, never edited."
        )
        .unwrap();
    }
    writeln!(out, "{name} {}", hex(bytes)).unwrap();
}

#[test]
fn hello_is_golden() {
    check("hello", support::hellos(), |bytes, message| {
        decode(bytes).as_ref() == Ok(message)
    });
}

#[test]
fn greeting_is_golden() {
    check("greeting", support::greetings(), |bytes, message| {
        decode(bytes).as_ref() == Ok(message)
    });
}

#[test]
fn requests_are_golden() {
    check("request", support::requests(), |bytes, message| {
        decode(bytes).as_ref() == Ok(message)
    });
}

#[test]
fn replies_are_golden() {
    check("reply", support::replies(), |bytes, message| {
        decode(bytes).as_ref() == Ok(message)
    });
}

#[test]
fn codes_are_golden() {
    check("codes", support::code_replies(), |bytes, message| {
        decode(bytes).as_ref() == Ok(message)
    });
}

/// The matches below have no wildcard: who adds a variant must come here, and then to the samples.
#[test]
fn every_variant_has_a_sample() {
    let requests = support::requests();
    let ops: BTreeSet<&str> = requests.iter().map(|(_, request)| op(&request.op)).collect();
    assert_eq!(ops.len(), 18, "{ops:?}");

    let replies = support::replies();
    let answers: BTreeSet<&str> = replies.iter().map(|(_, reply)| answer(&reply.answer)).collect();
    assert_eq!(answers.len(), 14, "{answers:?}");
}

fn op(op: &Op<'_>) -> &'static str {
    match op {
        Op::Ping => "ping",
        Op::Issue { .. } => "issue",
        Op::Validate { .. } => "validate",
        Op::Rotate { .. } => "rotate",
        Op::Flag {
            target: FlagTarget::Jti(_),
            ..
        } => "flag jti",
        Op::Flag {
            target: FlagTarget::Subject { .. },
            ..
        } => "flag subject",
        Op::Revoke {
            target: RevokeTarget::Token { .. },
            ..
        } => "revoke token",
        Op::Revoke {
            target: RevokeTarget::Jti(_),
            ..
        } => "revoke jti",
        Op::Revoke {
            target: RevokeTarget::Session(_),
            ..
        } => "revoke session",
        Op::Revoke {
            target: RevokeTarget::Subject { .. },
            ..
        } => "revoke subject",
        Op::Revoke {
            target: RevokeTarget::IssuedBefore(_),
            ..
        } => "revoke issued before",
        Op::Status { .. } => "status",
        Op::Jwks { .. } => "jwks",
        Op::Health => "health",
        Op::Reload => "reload",
        Op::Import => "import",
        Op::ReloadReport { .. } => "reload_report",
        Op::Introspect { .. } => "introspect",
    }
}

fn answer(answer: &Answer<'_>) -> &'static str {
    match answer {
        Answer::Error { .. } => "error",
        Answer::Pong => "pong",
        Answer::Issued(_) => "issued",
        Answer::Valid { .. } => "valid",
        Answer::Invalid { .. } => "invalid",
        Answer::Rotated(_) => "rotated",
        Answer::Done => "done",
        Answer::Status { .. } => "status",
        Answer::Jwks { .. } => "jwks",
        Answer::Health { .. } => "health",
        Answer::Reloaded { .. } => "reloaded",
        Answer::Imported { .. } => "imported",
        Answer::ReloadReport { .. } => "reload_report",
        Answer::Introspection { .. } => "introspection",
    }
}
