//! When both clients try again, and when they do not: a restart costs time and no error, and "now" keeps its time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jwtkeeper_client::{Before, Config, ErrorCode, ErrorKind, Flag, Operation, Ping, Reload, Revoke, Revoked};
use jwtkeeper_testkit::fake::{Fake, Peer};
use jwtkeeper_testkit::pace::pace;
use jwtkeeper_wire::{self as wire, Answer, Greeting, Op};
use socket2::{Domain, SockAddr, Socket, Type};
use support::driver::each;

fn short(fake: &Fake) -> Config {
    fake.config().with_deadline(Duration::from_millis(200))
}

fn refuse(mut peer: Peer, code: ErrorCode) {
    peer.hello();
    peer.send(&Greeting::Refused {
        code,
        message: "try later",
    });
}

#[test]
fn an_absent_daemon_is_unreachable_and_not_before_the_deadline() {
    each(Fake::absent, short, |_, client| {
        let began = Instant::now();
        let error = client.call(&Ping).unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, None));
        assert!(error.to_string().contains("jwtkeeper.sock"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10));
        assert!(began.elapsed() > Duration::from_millis(40), "it tried for a while");
    });
}

#[test]
fn a_path_that_cannot_be_a_socket_is_unreachable_at_once() {
    let config = |_: &Fake| Config::new("/x".repeat(100));
    each(Fake::absent, config, |_, client| {
        let began = Instant::now();
        assert!(client.call(&Ping).unwrap_err().is_unreachable());
        assert!(began.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_daemon_that_starts_late_is_waited_for() {
    each(Fake::absent, Fake::config, |fake, client| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pace(Duration::from_millis(60));
                fake.listen(|_, peer| peer.echo_all());
            });
            assert_eq!(client.subject("patient").unwrap(), "patient");
        });
    });
}

#[test]
fn a_daemon_that_is_stopping_is_asked_again() {
    let stopping = || {
        Fake::start(|number, mut peer| match number {
            0 => refuse(peer, ErrorCode::ShuttingDown),
            1 => refuse(peer, ErrorCode::Overloaded),
            2 => {
                peer.greet();
                let id = peer.asked().unwrap().id();
                let code = ErrorCode::ShuttingDown;
                peer.answer(id, Answer::Error { code, message: "" });
            }
            _ => peer.echo_all(),
        })
    };
    each(stopping, Fake::config, |fake, client| {
        assert_eq!(client.subject("again").unwrap(), "again");
        assert_eq!(fake.accepted(), 4);
    });
}

#[test]
fn a_daemon_that_never_stops_stopping_is_unavailable() {
    let stopping = || Fake::start(|_, peer| refuse(peer, ErrorCode::ShuttingDown));
    each(stopping, short, |_, client| {
        let error = client.call(&Ping).unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        assert_eq!(error.code(), Some(ErrorCode::ShuttingDown));
    });
}

#[test]
fn no_other_refusal_and_no_other_error_is_asked_again() {
    let refusing = || Fake::start(|_, peer| refuse(peer, ErrorCode::UnsupportedProtocol));
    each(refusing, Fake::config, |fake, client| {
        assert_eq!(
            client.call(&Ping).unwrap_err().code(),
            Some(ErrorCode::UnsupportedProtocol)
        );
        assert_eq!(fake.accepted(), 1);
    });

    let asked = Arc::new(Mutex::new(0));
    let daemon = || {
        let asked = Arc::clone(&asked);
        Fake::start(move |_, mut peer| {
            peer.greet();
            while let Some(request) = peer.asked() {
                *asked.lock().unwrap() += 1;
                let answer = Answer::Error {
                    code: ErrorCode::Unavailable,
                    message: "no store",
                };
                peer.answer(request.id(), answer);
            }
        })
    };
    each(daemon, Fake::config, |_, client| {
        *asked.lock().unwrap() = 0;
        assert!(client.call(&Reload).unwrap_err().is_unavailable());
        assert_eq!(*asked.lock().unwrap(), 1);
    });
}

#[allow(
    clippy::disallowed_methods,
    reason = "held against the client's own look at the clock"
)]
fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn first_asked(op: &Op<'_>) -> Option<u64> {
    let before = match op {
        Op::Flag {
            target: wire::FlagTarget::Subject { before, .. },
            ..
        }
        | Op::Revoke {
            target: wire::RevokeTarget::Subject { before, .. },
            ..
        }
        | Op::Revoke {
            target: wire::RevokeTarget::IssuedBefore(before),
            ..
        } => before,
        op => panic!("{op:?}"),
    };
    match before {
        wire::Before::Now { first_asked } => *first_asked,
        before => panic!("{before:?}"),
    }
}

/// Three attempts lose their reply; what the fourth one asks must be the moment of the first.
fn keeps_its_time<O: Operation>(operation: &O) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let daemon = || {
        let seen = Arc::clone(&seen);
        Fake::start(move |number, mut peer| {
            peer.greet();
            let Some(asked) = peer.asked() else { return };
            seen.lock().unwrap().push((first_asked(&asked.request().op), wall_ms()));
            if number == 3 {
                peer.answer(asked.id(), Answer::Done);
                peer.until_closed();
            }
        })
    };
    each(daemon, Fake::config, |_, client| {
        seen.lock().unwrap().clear();
        let began = wall_ms();
        assert!(client.call(operation).is_ok());
        let seen = seen.lock().unwrap();
        let (times, arrived): (Vec<_>, Vec<_>) = seen.iter().copied().unzip();
        let &[None, Some(first), second, third] = &times[..] else {
            panic!("{times:?}")
        };
        assert!(began <= first && first <= *arrived.first().unwrap(), "{began} {first}");
        assert_eq!((second, third), (Some(first), Some(first)));
    });
}

#[test]
fn now_keeps_its_time() {
    keeps_its_time(&Revoke::subject("42", Before::Now));
    keeps_its_time(&Revoke::issued_before(Before::Now));
    keeps_its_time(&Flag::subject("42", Before::Now));
}

#[test]
fn revoked_by_id_has_one_answer() {
    let daemon = || {
        Fake::start(|_, mut peer| {
            peer.greet();
            while let Some(asked) = peer.asked() {
                let reason = jwtkeeper_client::Reason::BadSignature;
                peer.answer(asked.id(), Answer::Invalid { reason });
            }
        })
    };
    each(daemon, Fake::config, |_, client| {
        let in_hand = client.call(&Revoke::token("token", None)).unwrap();
        assert_eq!(in_hand, Revoked::Invalid(jwtkeeper_client::Reason::BadSignature));
        let by_id = client.call(&Revoke::jti("id")).unwrap_err();
        assert_eq!(by_id.kind(), ErrorKind::Protocol, "it must not count as revoked");
    });
}

/// A daemon that does not accept, behind a backlog of one that others have filled.
fn full_backlog(fake: &Fake) -> (UnixListener, Vec<Socket>) {
    let address = SockAddr::unix(fake.socket()).unwrap();
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(1).unwrap();
    let mut others = Vec::new();
    loop {
        let other = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        other.set_nonblocking(true).unwrap();
        match other.connect(&address) {
            Ok(()) => others.push(other),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                return (listener.into(), others);
            }
        }
    }
}

#[test]
fn a_full_backlog_is_waited_for_and_no_longer_than_the_deadline() {
    each(Fake::absent, short, |fake, client| {
        let (_listener, _others) = full_backlog(fake);
        let began = Instant::now();
        let error = client.call(&Ping).unwrap_err();
        assert!(error.is_timeout() || error.is_unreachable(), "{error}");
        assert!(
            (50..5_000).contains(&began.elapsed().as_millis()),
            "{:?}",
            began.elapsed()
        );
    });
    each(Fake::absent, Fake::config, |fake, client| {
        let (listener, others) = full_backlog(fake);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pace(Duration::from_millis(60));
                drop(others);
                fake.serve(listener, |_, peer| peer.echo_all());
            });
            client.call(&Ping).unwrap();
        });
    });
}

/// A load of calls over many restarts, each of which takes the socket away: none fails.
#[test]
fn restarts_cost_no_call() {
    each(Fake::absent, Fake::config, |fake, client| {
        let socket = fake.socket();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..10 {
                    let listener = UnixListener::bind(&socket).unwrap();
                    let (stream, _) = listener.accept().unwrap();
                    let mut peer = Peer::new(stream);
                    peer.greet();
                    for _ in 0..20 {
                        let Some(asked) = peer.asked() else { break };
                        peer.reply_to(&asked);
                    }
                    std::fs::remove_file(&socket).unwrap();
                }
            });
            for number in 0..200 {
                let subject = format!("subject-{number}");
                assert_eq!(client.subject(&subject).unwrap(), subject);
            }
        });
    });
}
