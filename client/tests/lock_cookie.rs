//! The lock cookie of both clients: what it is called comes from the daemon's greeting, unless the app says it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::{Arc, Mutex};

use jwtkeeper_client::{Config, ErrorKind, LockCookie, Ping, Reason, Revoke, Revoked, Rotate, Rotation, Validate};
use jwtkeeper_testkit::fake::{Asked, Fake, Peer};
use jwtkeeper_wire::{Answer, EXTENSION_LOCK_COOKIE, Extension, Op, RealmCookie, RevokeTarget, encode};
use support::driver::{Driver, each};

const HEADERS: [&str; 2] = ["a=1", "jwt_keeper=old; lock=new; key=newer"];

fn cookie<'a>(realm: &'a str, name: &'a str) -> RealmCookie<'a> {
    RealmCookie {
        realm,
        name,
        domain: Some("example.com"),
        path: Some("/app"),
        secure: true,
        http_only: true,
        same_site: "strict",
    }
}

fn bytes(cookie: &RealmCookie<'_>) -> Vec<u8> {
    let mut value = Vec::new();
    encode(cookie, &mut value).unwrap();
    value
}

/// Greets as a daemon whose realm has this cookie.
fn greet(peer: &mut Peer, value: &[u8]) {
    let kind = EXTENSION_LOCK_COOKIE;
    let later = Extension {
        kind: 0xfffe,
        value: b"later",
    };
    peer.greet_with(vec![later, Extension { kind, value }]);
}

/// The lock cookie of a request.
fn cookie_of(asked: &Asked) -> Option<String> {
    match asked.request().op {
        Op::Validate { cookie, .. }
        | Op::Rotate { cookie, .. }
        | Op::Revoke {
            target: RevokeTarget::Token { cookie, .. },
            ..
        } => cookie.map(str::to_owned),
        op => panic!("{op:?} has no cookie"),
    }
}

/// Answers by the lock cookie, as its subject.
fn echo_cookie(peer: &mut Peer, asked: &Asked) {
    match asked.request().op {
        Op::Ping => peer.reply_to(asked),
        _ => peer.echo(asked.id(), &cookie_of(asked).unwrap_or_else(|| "none".to_owned())),
    }
}

/// A daemon that greets each connection by what `greeting` makes of its number.
fn daemon(greeting: fn(usize, &mut Peer)) -> Fake {
    Fake::start(move |number, mut peer| {
        greeting(number, &mut peer);
        while let Some(asked) = peer.asked() {
            echo_cookie(&mut peer, &asked);
        }
    })
}

fn found(client: &Driver, validate: &Validate<'_>) -> String {
    support::driver::subject(&client.call(validate).unwrap())
}

fn validate<'a>() -> Validate<'a> {
    Validate::new("a.b.c").cookie_headers(&HEADERS)
}

fn renamed(_: usize, peer: &mut Peer) {
    greet(peer, &bytes(&cookie("default", "lock")));
}

#[test]
fn the_greeting_says_what_the_cookie_is_called() {
    each(
        || daemon(renamed),
        Fake::config,
        |fake, client| {
            assert_eq!(found(client, &validate()), "new");
            assert_eq!(found(client, &Validate::new("a.b.c").cookie("given")), "given");
            assert_eq!(
                found(client, &Validate::new("a.b.c").cookie_headers(&["other=1"])),
                "none"
            );
            assert_eq!(fake.accepted(), 1, "it costs no connection of its own");
            let known = client.known_lock_cookie("").unwrap();
            assert_eq!((known.name.as_str(), known.path.as_deref()), ("lock", Some("/app")));
            assert_eq!(known.same_site.as_deref(), Some("strict"));
        },
    );
}

#[test]
fn rotate_and_revoke_find_it_too() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let fake = {
        let seen = Arc::clone(&seen);
        move || {
            let seen = Arc::clone(&seen);
            Fake::start(move |number, mut peer| {
                renamed(number, &mut peer);
                while let Some(asked) = peer.asked() {
                    seen.lock().unwrap().push(cookie_of(&asked).unwrap());
                    peer.answer(
                        asked.id(),
                        Answer::Invalid {
                            reason: Reason::Revoked,
                        },
                    );
                }
            })
        }
    };
    each(fake, Fake::config, |_, client| {
        let rotated = client.call(&Rotate::new("a.b.c").cookie_headers(&HEADERS)).unwrap();
        assert!(matches!(rotated, Rotation::Invalid(Reason::Revoked)));
        let revoked = client.call(&Revoke::token_with_headers("a.b.c", &HEADERS)).unwrap();
        assert_eq!(revoked, Revoked::Invalid(Reason::Revoked));
        assert_eq!(*seen.lock().unwrap(), ["new", "new"]);
        seen.lock().unwrap().clear();
    });
}

#[test]
fn an_older_daemon_has_the_default_cookie() {
    each(
        || {
            daemon(|_, peer| {
                peer.greet();
            })
        },
        Fake::config,
        |_, client| {
            assert_eq!(found(client, &validate()), "old");
            assert_eq!(client.known_lock_cookie(""), Some(LockCookie::default()));
        },
    );
}

#[test]
fn what_the_app_says_wins() {
    let mut explicit = LockCookie::default();
    explicit.name = "key".to_owned();
    let config = |fake: &Fake| fake.config().with_lock_cookie(explicit.clone());
    each(
        || {
            daemon(|_, peer| {
                assert!(peer.greet_with(Vec::new()).is_empty(), "the daemon is not asked");
            })
        },
        config,
        |_, client| assert_eq!(found(client, &validate()), "newer"),
    );
}

/// The hello names the realm of the call and the client's own, and a connection that named neither is not used.
#[test]
fn each_realm_has_its_own() {
    let greeting = |_: usize, peer: &mut Peer| {
        let values = [bytes(&cookie("shop", "lock")), bytes(&cookie("office", "key"))];
        let extensions = values.iter().map(|value| Extension {
            kind: EXTENSION_LOCK_COOKIE,
            value,
        });
        peer.greet_with(extensions.collect());
    };
    let config = |fake: &Fake| fake.config().with_realm("shop");
    each(
        || daemon(greeting),
        config,
        |fake, client| {
            assert_eq!(found(client, &validate()), "new");
            assert_eq!(found(client, &validate().realm("office")), "newer");
            assert_eq!(fake.accepted(), 2, "the first connection did not name it");
            assert_eq!(found(client, &validate()), "new");
            assert_eq!(found(client, &validate().realm("office")), "newer");
            assert_eq!(fake.accepted(), 2, "the second one named both");
        },
    );
}

/// A daemon whose settings changed ends the connection without an answer: the call greets anew and looks again.
#[test]
fn a_change_is_heard_of_before_the_answer() {
    let fake = || {
        Fake::start(|number, mut peer| {
            let name = if number == 0 { "lock" } else { "key" };
            greet(&mut peer, &bytes(&cookie("default", name)));
            while let Some(asked) = peer.asked() {
                if number == 0 && !matches!(asked.request().op, Op::Ping) {
                    return;
                }
                echo_cookie(&mut peer, &asked);
            }
        })
    };
    each(fake, Fake::config, |_, client| {
        client.call(&Ping).unwrap();
        assert_eq!(client.known_lock_cookie("").unwrap().name, "lock");
        assert_eq!(found(client, &validate()), "newer");
        assert_eq!(client.known_lock_cookie("").unwrap().name, "key");
    });
}

/// What a greeting says is written to a browser: it may not end a header, and it must be what the layout says.
#[test]
fn a_greeting_that_no_daemon_sends_is_a_fault() {
    let bad: [fn() -> Vec<u8>; 6] = [
        || b"\xff".to_vec(),
        Vec::new,
        || [bytes(&cookie("default", "lock")), vec![0]].concat(),
        || bytes(&cookie("default", "lock\r\nSet-Cookie: a")),
        || bytes(&cookie("default", "")),
        || {
            bytes(&RealmCookie {
                path: Some("/; Domain=evil.example"),
                ..cookie("default", "lock")
            })
        },
    ];
    for value in bad {
        let fake = move || {
            Fake::start(move |_, mut peer| {
                greet(&mut peer, &value());
                peer.until_closed();
            })
        };
        let config = |fake: &Fake| -> Config { fake.config() };
        each(fake, config, |_, client| {
            let error = client.call(&validate()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        });
    }
}

/// An answer about a realm that nobody asked about changes nothing.
#[test]
fn another_realms_cookie_is_not_taken() {
    each(
        || daemon(|_, peer| greet(peer, &bytes(&cookie("other", "lock")))),
        Fake::config,
        |_, client| assert_eq!(found(client, &validate()), "old"),
    );
}

/// Unused connections whose greeting said nothing of a realm leave room for those that know its cookie.
#[test]
fn a_pool_full_of_others_connections_starves_no_realm() {
    let fake = daemon(|_, peer| greet(peer, &bytes(&cookie("shop", "lock"))));
    let mut config = fake.config();
    config.max_idle = 1;
    let client = jwtkeeper_client::blocking::Client::new(config);
    client.ping().unwrap();
    for _ in 0..50 {
        let verdict = client.validate(validate().realm("shop")).unwrap();
        assert_eq!(support::driver::subject(&verdict), "new");
    }
    assert_eq!(fake.accepted(), 2, "one for each greeting that was needed");
}
