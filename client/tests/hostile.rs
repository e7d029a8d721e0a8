//! Both clients against a broken or hostile daemon: bounded, never a wrong answer, and back as soon as it is well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jwtkeeper_client::{Error, ErrorCode, ErrorKind, Issue, Ping, Server, Validate, Verdict};
use jwtkeeper_testkit::fake::{Asked, Fake, Peer};
use jwtkeeper_testkit::pace::until;
use jwtkeeper_wire::{Answer, Reason};
use support::driver::{Driver, each};

/// Each connection is greeted, and its first request is treated by `treat`.
fn treats(treat: fn(&mut Peer, &Asked)) -> Fake {
    Fake::start(move |_, mut peer| {
        peer.greet();
        while let Some(asked) = peer.asked() {
            treat(&mut peer, &asked);
        }
    })
}

/// The first connection is treated by `treat` and closed; the later ones are as they should be.
fn treats_first(treat: fn(&mut Peer, &Asked)) -> Fake {
    Fake::start(move |number, mut peer| match number {
        0 => {
            peer.greet();
            if let Some(asked) = peer.asked() {
                treat(&mut peer, &asked);
            }
        }
        _ => peer.echo_all(),
    })
}

/// A daemon that always does this is a protocol error, after one more try; one that did it once is forgiven.
fn is_a_fault(treat: fn(&mut Peer, &Asked)) {
    each(
        || treats(treat),
        Fake::config,
        |fake, client| {
            let error = client.subject("mine").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            assert_eq!(fake.accepted(), 2, "each attempt has a connection of its own");
        },
    );
    each(|| treats_first(treat), Fake::config, |_, client| is_well(client));
}

fn is_well(client: &Driver) {
    assert_eq!(client.subject("mine").unwrap(), "mine");
    assert_eq!(client.subject("mine too").unwrap(), "mine too");
}

#[test]
fn a_reply_longer_than_a_frame() {
    is_a_fault(|peer, _| peer.raw(&[0xff; 64]));
    is_a_fault(|peer, _| peer.raw(&65_537_u32.to_le_bytes()));
}

#[test]
fn a_reply_of_garbage() {
    is_a_fault(|peer, _| peer.raw(&[8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]));
    is_a_fault(|peer, _| peer.raw(&[0, 0, 0, 0]));
    is_a_fault(|peer, asked| {
        let mut frame = 13_u32.to_le_bytes().to_vec();
        frame.extend_from_slice(&asked.id().to_le_bytes());
        frame.extend_from_slice(&[1, 0, 0, 0, 0xee]);
        peer.raw(&frame); // a pong, and a byte too many
    });
}

#[test]
fn a_reply_with_another_id() {
    is_a_fault(|peer, asked| peer.echo(asked.id() + 1, "another's"));
    is_a_fault(|peer, asked| peer.echo(asked.id() << 32, "another's"));
}

#[test]
fn an_answer_to_another_question() {
    is_a_fault(|peer, asked| peer.answer(asked.id(), Answer::Pong));
    is_a_fault(|peer, asked| peer.answer(asked.id(), Answer::Done));
}

#[test]
fn an_error_about_the_connection() {
    fn refuse(peer: &mut Peer, _: &Asked) {
        let code = ErrorCode::MalformedMessage;
        peer.answer(0, Answer::Error { code, message: "" });
    }
    is_a_fault(refuse);
    let code = |client: &Driver| client.subject("mine").unwrap_err().code();
    let known = Some(ErrorCode::MalformedMessage);
    each(
        || treats(refuse),
        Fake::config,
        |_, client| assert_eq!(code(client), known),
    );
}

/// A second reply to the same id must wait for nobody.
#[test]
fn a_reply_that_comes_twice() {
    each(
        || {
            treats(|peer, asked| {
                peer.echo(asked.id(), &asked.token());
                peer.echo(asked.id(), "another's");
            })
        },
        Fake::config,
        |_, client| {
            for subject in ["a", "b", "c", "d", "e"] {
                assert_eq!(client.subject(subject).unwrap(), subject);
            }
        },
    );
}

#[test]
fn a_connection_that_ends_in_the_middle_of_a_reply() {
    each(
        || treats_first(|peer, _| peer.raw(&[40, 0, 0, 0, 1, 0, 0])),
        Fake::config,
        |fake, client| {
            is_well(client);
            assert_eq!(fake.accepted(), 2);
        },
    );
}

#[test]
fn a_connection_that_ends_between_two_calls() {
    each(
        || treats_first(|peer, asked| peer.echo(asked.id(), &asked.token())),
        Fake::config,
        |fake, client| {
            is_well(client);
            assert_eq!(fake.accepted(), 2);
        },
    );
}

#[test]
fn a_greeting_that_is_none() {
    each(
        || {
            Fake::start(|_, mut peer| {
                peer.hello();
                peer.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                peer.until_closed();
            })
        },
        Fake::config,
        |_, client| {
            assert_eq!(client.call(&Ping).unwrap_err().kind(), ErrorKind::Protocol);
        },
    );
}

/// Who bound the path first is not told what is asked.
#[test]
fn a_daemon_of_another_uid() {
    let (silent, spoken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let impostor = || {
        let (silent, spoken) = (Arc::clone(&silent), Arc::clone(&spoken));
        silent.store(0, Ordering::SeqCst);
        Fake::start(move |_, mut peer| {
            let heard = if peer.asked().is_none() { &silent } else { &spoken };
            heard.fetch_add(1, Ordering::SeqCst);
        })
    };
    let config = |fake: &Fake| fake.config().with_server(Server::uid(4_000_000_000));
    each(impostor, config, |_, client| {
        let error = client.call(&Ping).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        until("the impostor hears nothing", || silent.load(Ordering::SeqCst) == 1);
    });
    assert_eq!(spoken.load(Ordering::SeqCst), 0);
}

#[test]
fn a_daemon_of_the_expected_uid() {
    use std::os::unix::fs::MetadataExt;
    each(
        || Fake::start(|_, peer| peer.echo_all()),
        |fake| {
            let uid = fake.directory().metadata().unwrap().uid();
            fake.config().with_server(Server::uid(uid))
        },
        |_, client| is_well(client),
    );
}

#[test]
fn a_request_longer_than_the_daemon_takes_is_not_sent() {
    let echo = || {
        Fake::start(|_, mut peer| {
            peer.greet_with_limit(1_000);
            while let Some(asked) = peer.asked() {
                peer.reply_to(&asked);
            }
        })
    };
    each(echo, Fake::config, |fake, client| {
        let token = "x".repeat(1_001);
        let error = client.call(&Validate::new(&token)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
        // What no daemon would take for a token is no error of the app's.
        let token = "x".repeat(70_000);
        let verdict = client.call(&Validate::new(&token)).unwrap();
        assert_eq!(verdict, Verdict::Invalid(Reason::Malformed));
        let cookie = "c".repeat(70_000);
        assert!(
            client
                .call(&Validate::new("short").cookie(cookie.as_str()))
                .unwrap()
                .is_valid()
        );
        is_well(client);
        assert_eq!(fake.accepted(), 1);
    });
}

#[test]
fn what_this_build_does_not_know_is_invalid_or_due() {
    each(
        || {
            treats(|peer, asked| match asked.token().as_str() {
                "reason" => {
                    let reason = Reason::Other(999);
                    peer.answer(asked.id(), Answer::Invalid { reason });
                }
                _ => {
                    let rotation = jwtkeeper_client::Cause::Other(999);
                    peer.answer(
                        asked.id(),
                        Answer::Valid {
                            claims: b"{}",
                            rotation,
                        },
                    );
                }
            })
        },
        Fake::config,
        |_, client| {
            let invalid = client.call(&Validate::new("reason")).unwrap();
            assert!(!invalid.is_valid());
            assert_eq!(format!("{invalid:?}"), "Invalid(Other(999))");
            let due = client.call(&Validate::new("cause")).unwrap();
            assert_eq!(due.rotation().map(|cause| cause.to_string()), Some("other(999)".into()));
        },
    );
}

/// A daemon's text goes to logs: one line of it, not too long, and never what was asked.
#[test]
fn an_error_is_fit_for_a_log() {
    fn kinds(error: &Error) -> (ErrorKind, Option<u16>) {
        (error.kind(), error.code().map(|code| code.code()))
    }
    each(
        || {
            treats(|peer, asked| {
                let message = format!("no\nsuch\u{1b}[2J{}", "x".repeat(5_000));
                let code = ErrorCode::NotPermitted;
                peer.answer(
                    asked.id(),
                    Answer::Error {
                        code,
                        message: &message,
                    },
                );
            })
        },
        Fake::config,
        |_, client| {
            let claims = r#"{"secret":"s3cret"}"#;
            let error = client.call(&Issue::new().claims(claims)).unwrap_err();
            assert_eq!(kinds(&error), (ErrorKind::NotPermitted, Some(400)));
            let text = format!("{error} {error:?}");
            assert!(error.to_string().starts_with("not_permitted: no such [2J"), "{text}");
            assert!(!text.contains(char::is_control) && text.len() < 5_000, "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        },
    );
}
