//! What a hostile peer sends, or does not send: each has its stated answer, others are answered throughout, and memory
//! stays bounded.

use std::io::ErrorKind::WouldBlock;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jwtkeeper_client::{Issue, blocking};
use jwtkeeper_wire::{
    Answer, ErrorCode, Greeting, LENGTH_BYTES, MAGIC, MAX_FRAME, OP_COUNT, Op, PROTOCOL, RevokeTarget, decode,
};

use jwtkeeper_testkit::daemons::wire::{frame, hello};
use jwtkeeper_testkit::daemons::{Daemon, Over, Setup, Wire, pace, until, wait_for};

/// How much memory may grow under any of these attacks.
const GROWTH: u64 = 64 * 1024 * 1024;

fn error_of(wire: &mut Wire) -> (u64, ErrorCode) {
    wire.reply(|id, answer| match answer {
        Answer::Error { code, .. } => (id, code),
        other => panic!("{other:?}"),
    })
}

fn pong_of(wire: &mut Wire, id: u64) {
    wire.ask(id, Op::Ping);
    wire.reply(|answered, answer| {
        assert_eq!(answered, id);
        assert_eq!(answer, Answer::Pong);
    });
}

#[test]
fn lengths_at_every_edge() {
    let daemon = Setup::new().start();
    for length in [0_u32, 1, 11] {
        let mut wire = daemon.wire();
        wire.send(&length.to_le_bytes());
        wire.send(&vec![0; length as usize]);
        assert_eq!(error_of(&mut wire), (0, ErrorCode::MalformedMessage), "{length}");
        wire.assert_closed();
    }
    for length in [MAX_FRAME as u32 + 1, u32::MAX] {
        let mut wire = daemon.wire();
        wire.send(&length.to_le_bytes());
        assert_eq!(error_of(&mut wire), (0, ErrorCode::FrameTooLarge), "{length}");
        wire.assert_closed();
    }
    // As long as may be: read whole, and answered for what it holds.
    let mut wire = daemon.wire();
    let token = vec![b'.'; MAX_FRAME - frame(7, validate(&[])).len() + LENGTH_BYTES];
    let bytes = frame(7, validate(&token));
    assert_eq!(bytes.len(), MAX_FRAME + LENGTH_BYTES);
    wire.send(&bytes);
    wire.reply(|id, answer| assert!(matches!((id, answer), (7, Answer::Invalid { .. }))));
    pong_of(&mut wire, 8);
}

fn validate(token: &[u8]) -> Op<'_> {
    Op::Validate {
        realm: "",
        token,
        cookie: None,
    }
}

#[test]
fn unknown_tags_are_answered_and_the_connection_stays() {
    let daemon = Setup::new().start();
    let mut wire = daemon.wire();
    for tag in [OP_COUNT, OP_COUNT + 1, 0xffff, u32::MAX] {
        let mut message = 9_u64.to_le_bytes().to_vec();
        message.extend_from_slice(&tag.to_le_bytes());
        message.extend_from_slice(b"whatever a later operation holds");
        wire.send(&(message.len() as u32).to_le_bytes());
        wire.send(&message);
        assert_eq!(error_of(&mut wire), (9, ErrorCode::UnknownOperation));
    }
    pong_of(&mut wire, 10);
}

#[test]
fn trailing_bytes_and_messages_cut_short_are_refused_by_their_id() {
    let daemon = Setup::new().start();
    let whole = frame(
        5,
        Op::Revoke {
            realm: "default",
            target: RevokeTarget::Jti("jti"),
        },
    );
    let body = &whole[LENGTH_BYTES..];
    let with_more = [body, b"\0"].concat();
    let shorter = (12..body.len()).map(|length| body[..length].to_vec());
    for message in shorter.chain([with_more]) {
        let mut wire = daemon.wire();
        wire.send(&(message.len() as u32).to_le_bytes());
        wire.send(&message);
        assert_eq!(
            error_of(&mut wire),
            (5, ErrorCode::MalformedMessage),
            "{} bytes",
            message.len()
        );
        wire.assert_closed();
    }
    let mut wire = daemon.wire();
    wire.ask(6, Op::Status { realm: "", jti: "jti" });
    wire.reply(|_, answer| assert!(matches!(answer, Answer::Status { until: 0, .. }), "nothing was revoked"));
}

/// A frame that stops at any byte, and a peer that goes away there: nothing is done, nobody else is harmed.
#[test]
fn frames_that_end_at_every_byte() {
    let daemon = Setup::new().start();
    let whole = frame(
        5,
        Op::Revoke {
            realm: "",
            target: RevokeTarget::Session("session"),
        },
    );
    for length in 0..whole.len() {
        let mut wire = daemon.wire();
        wire.send(&whole[..length]);
        wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
        wire.assert_closed();
    }
    let greeting = hello(MAGIC, PROTOCOL);
    for length in 0..greeting.len() {
        let mut wire = Wire::silent(&daemon.setup.socket());
        wire.send(&greeting[..length]);
        wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
        wire.assert_closed();
    }
    daemon.client().ping().unwrap();
}

/// However the bytes arrive, the same answers come.
#[test]
fn frames_that_arrive_a_byte_at_a_time() {
    let daemon = Setup::new().start();
    let mut wire = Wire::silent(&daemon.setup.socket());
    let requests = [frame(1, Op::Ping), frame(2, validate(b"a.b.c")), frame(3, Op::Ping)].concat();
    for byte in hello(MAGIC, PROTOCOL).iter().chain(&requests) {
        wire.send(&[*byte]);
    }
    let greeting = wire.message().unwrap();
    assert!(matches!(decode(&greeting).unwrap(), Greeting::Welcome(_)));
    for id in 1..=3 {
        wire.reply(|answered, _| assert_eq!(answered, id));
    }
}

#[test]
fn what_is_no_hello_is_closed_without_a_word() {
    let daemon = Setup::new().start();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &hello(*b"jwtkeep\x01", PROTOCOL),
        &[12, 0, 0, 0, b'X'], // wrong from the first byte: the rest is not waited for
        &u32::MAX.to_le_bytes(),
        &frame(1, Op::Ping),
    ] {
        let began = Instant::now();
        let mut wire = Wire::silent(&daemon.setup.socket());
        let _ = wire.stream.write_all(bytes); // closed while we write: as good
        wire.assert_closed();
        assert!(began.elapsed() < Duration::from_secs(4), "not at once");
    }
    let mut wire = Wire::silent(&daemon.setup.socket());
    wire.send(&hello(MAGIC, 0));
    let message = wire.message().unwrap();
    let refused = decode::<Greeting<'_>>(&message).unwrap();
    assert!(
        matches!(
            refused,
            Greeting::Refused {
                code: ErrorCode::UnsupportedProtocol,
                ..
            }
        ),
        "{refused:?}"
    );
    wire.assert_closed();
}

/// Asks without pause while something goes on; returns how often it was answered and the longest wait.
fn others_meanwhile(daemon: &Daemon, attack: impl FnOnce()) -> (u64, Duration) {
    let client = daemon.client();
    let token = client.issue(Issue::new()).unwrap().token().to_owned();
    let over = AtomicBool::new(false);
    let (answers, longest) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                assert!(client.validate(token.as_str()).unwrap().is_valid());
                longest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                answers.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _over = Over(&over);
        attack();
    });
    (answers.into_inner(), Duration::from_micros(longest.into_inner()))
}

#[test]
fn five_hundred_that_never_speak_are_closed_and_harm_nobody() {
    let daemon = Setup::new().top("[limits]\nframe_timeout = \"1s\"").start();
    let before = daemon.resident();
    let (answers, longest) = others_meanwhile(&daemon, || {
        let silent: Vec<_> = (0..500).map(|_| Wire::silent(&daemon.setup.socket())).collect();
        until("all are closed", || silent.iter().all(is_closed));
    });
    let grown = daemon.resident().saturating_sub(before);
    println!(
        "500 silent connections: others answered {answers} times, the longest after {longest:?}, {grown} bytes more"
    );
    assert!(answers > 100, "{answers}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert!(grown < GROWTH, "{grown}");
}

fn is_closed(wire: &Wire) -> bool {
    wire.stream.set_nonblocking(true).unwrap();
    match (&wire.stream).read(&mut [0; 16]) {
        Ok(0) => true,
        Ok(_) => panic!("something was said"),
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// Asks for as much as it can, and reads nothing.
#[test]
fn those_that_never_read_are_not_waited_for() {
    let daemon = Setup::new().top("[limits]\nwrite_timeout = \"1s\"").start();
    let client = daemon.client();
    let claims = serde_json::json!({ "text": "x".repeat(4000) });
    let token = client.issue(Issue::new().claims(claims)).unwrap().token().to_owned();
    let before = daemon.resident();
    let (answers, longest) = others_meanwhile(&daemon, || {
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let mut wire = daemon.wire();
                    wire.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
                    let request = frame(1, validate(token.as_bytes()));
                    while wire.stream.write_all(&request).is_ok() {}
                    until("it is given up", || {
                        let gone = wire
                            .stream
                            .write(&request)
                            .is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
                        gone || daemon.resident() > before + 4 * GROWTH
                    });
                });
            }
        });
    });
    let grown = daemon.resident().saturating_sub(before);
    println!("20 that never read: others answered {answers} times, the longest after {longest:?}, {grown} bytes more");
    assert!(answers > 100, "{answers}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert!(grown < GROWTH, "{grown}");
}

/// A frame that comes a byte now and then holds its connection no longer than `frame_timeout`.
#[test]
fn a_trickle_is_cut_off() {
    let daemon = Setup::new().top("[limits]\nframe_timeout = \"500ms\"").start();
    let mut wire = daemon.wire();
    pong_of(&mut wire, 1);
    let began = Instant::now();
    let request = frame(2, validate(&[b'a'; 1000]));
    for byte in &request {
        if wire.stream.write_all(&[*byte]).is_err() {
            break;
        }
        pace(Duration::from_millis(20));
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "1,000 bytes at 50 a second were waited for"
    );
}

/// A peer that speaks slowly but whole stays, though every read may end within a frame.
#[test]
fn a_steady_peer_is_not_cut_off() {
    let daemon = Setup::new().top("[limits]\nframe_timeout = \"2s\"").start();
    let mut wire = daemon.wire();
    let request = frame(1, Op::Ping);
    let began = Instant::now();
    let (head, tail) = request.split_at(7);
    wire.send(head);
    while began.elapsed() < Duration::from_secs(5) {
        // The rest of one frame and the beginning of the next, always in one write.
        wire.send(&[tail, head].concat());
        wire.reply(|_, answer| assert_eq!(answer, Answer::Pong));
        pace(Duration::from_millis(20));
    }
}

/// Whichever of the two timeouts is the longer.
#[test]
fn idle_connections_are_closed_and_busy_ones_are_not() {
    for limits in [
        "idle_timeout = \"2s\"",
        "idle_timeout = \"2s\"\nframe_timeout = \"500ms\"",
    ] {
        let daemon = Setup::new().top(&format!("[limits]\n{limits}")).start();
        let (mut idle, mut busy) = (daemon.wire(), daemon.wire());
        pong_of(&mut idle, 1);
        let began = Instant::now();
        idle.stream.set_nonblocking(true).unwrap();
        let is_open = |wire: &mut Wire| {
            wire.stream
                .read(&mut [0; 1])
                .is_err_and(|error| error.kind() == WouldBlock)
        };
        while is_open(&mut idle) {
            assert!(began.elapsed() < Duration::from_secs(8), "{limits}: it stays");
            pong_of(&mut busy, 1);
            pace(Duration::from_millis(20));
        }
        assert!(
            began.elapsed() > Duration::from_millis(1500),
            "{limits}: it was cut off early"
        );
        pong_of(&mut busy, 2);
    }
}

#[test]
fn too_many_of_one_uid_are_refused_and_too_many_in_all_wait() {
    let daemon = Setup::new().top("[limits]\nconnections_per_uid = 3").start();
    // Who asked whether it had started may be counted for a moment longer.
    let greeted = || Wire::greeted_or_refused(&daemon.setup.socket()).ok();
    let held: Vec<_> = (0..3).map(|_| wait_for("there is room for three", greeted)).collect();
    let mut wire = Wire::silent(&daemon.setup.socket());
    wire.send(&hello(MAGIC, PROTOCOL));
    let message = wire.message().unwrap();
    let refused = decode::<Greeting<'_>>(&message).unwrap();
    assert!(
        matches!(
            refused,
            Greeting::Refused {
                code: ErrorCode::Overloaded,
                ..
            }
        ),
        "{refused:?}"
    );
    drop(held);
    until("there is room again", || daemon.client().ping().is_ok());

    let daemon = Setup::new().top("[limits]\nconnections = 2").start();
    // As its own user we have 16 more than others.
    let held: Vec<_> = (0..18).map(|_| daemon.wire()).collect();
    let waits = std::thread::scope(|scope| {
        let asks = scope.spawn(|| daemon.client().ping());
        pace(Duration::from_millis(200));
        assert!(!asks.is_finished(), "served beyond the limit");
        drop(held);
        asks.join().unwrap()
    });
    waits.unwrap();
}

/// Requests that wait for a slow disk are bounded in bytes too.
#[test]
fn large_requests_that_wait_are_bounded() {
    let daemon = Setup::new().start();
    let token = daemon.client().issue(Issue::new()).unwrap().token().to_owned();
    let before = daemon.resident();
    let cookie = "c".repeat(60_000);
    let mut wire = daemon.wire();
    let rotates = 300;
    std::thread::scope(|scope| {
        let mut writer = Wire {
            stream: wire.stream.try_clone().unwrap(),
        };
        let (token, cookie) = (&token, &cookie);
        scope.spawn(move || {
            for id in 1..=rotates {
                let (token, cookie) = (token.as_bytes(), Some(cookie.as_str()));
                writer.ask(
                    id,
                    Op::Rotate {
                        realm: "",
                        token,
                        cookie,
                        claims: None,
                    },
                );
            }
        });
        for _ in 1..=rotates {
            wire.reply(|_, answer| assert!(matches!(answer, Answer::Rotated(_)), "{answer:?}"));
        }
    });
    let grown = daemon.resident().saturating_sub(before);
    println!("{rotates} rotates of 60 KB: {grown} bytes more");
    assert!(grown < 16 * 1024 * 1024, "{grown}");
}

/// As many requests as fit in flight, and more behind them: all are answered, in bounded memory.
#[test]
fn more_than_may_be_in_flight_waits_its_turn() {
    let daemon = Setup::new().top("[limits]\nin_flight = 8").start();
    let mut wire = daemon.wire();
    let many: Vec<u8> = (1..=500)
        .flat_map(|id| {
            frame(
                id,
                Op::Revoke {
                    realm: "",
                    target: RevokeTarget::Jti(&format!("jti-{id}")),
                },
            )
        })
        .collect();
    wire.send(&many);
    let mut ids: Vec<u64> = (0..500)
        .map(|_| {
            wire.reply(|id, answer| {
                assert_eq!(answer, Answer::Done);
                id
            })
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=500).collect::<Vec<_>>());
}

/// What a peer asked before it hung up is done.
#[test]
fn a_revoke_without_waiting_for_the_answer_is_done() {
    let daemon = Setup::new().start();
    let client: blocking::Client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    let mut wire = daemon.wire();
    let target = RevokeTarget::Jti(&minted.jti);
    wire.ask(1, Op::Revoke { realm: "", target });
    drop(wire);
    until("it is revoked", || !client.validate(minted.token()).unwrap().is_valid());
}
