//! What a greeting says of lock cookies, and what becomes of connections when a reload changes it.

use jwtkeeper_client::{Issue, LockCookie, Validate, Verdict};
use jwtkeeper_wire::{
    Answer, EXTENSION_LOCK_COOKIE, Extension, Greeting, Hello, MAGIC, MAX_NAMED_REALMS, Op, PROTOCOL, RealmCookie,
    decode, put_frame,
};

use jwtkeeper_testkit::daemons::{Daemon, SECRET, Setup, Wire, until};

const LINES: &str = "cookie_lock = \"required\"\n[realms.default.cookie]\nname = \"lock\"\npath = \"/app\"\n";

fn locking() -> Setup {
    Setup::bare().realm("default", "HS256", SECRET.as_bytes(), LINES)
}

/// Greets, asking about these realms, of which there may be any bytes; gives the realms and names that were told.
fn greeted(daemon: &Daemon, realms: &[&[u8]]) -> (Wire, Vec<(String, String)>) {
    let mut wire = Wire::silent(&daemon.setup.socket());
    let kind = EXTENSION_LOCK_COOKIE;
    let hello = Hello {
        magic: MAGIC,
        protocol: PROTOCOL,
        client: "tests/1",
        extensions: realms.iter().map(|value| Extension { kind, value }).collect(),
    };
    let mut frame = Vec::new();
    put_frame(&hello, &mut frame).unwrap();
    wire.send(&frame);
    let message = wire.message().unwrap();
    let Greeting::Welcome(welcome) = decode(&message).unwrap() else {
        panic!("not welcomed");
    };
    let told = welcome.extensions.iter().map(|extension| {
        assert_eq!(extension.kind, kind);
        let cookie: RealmCookie<'_> = decode(extension.value).unwrap();
        (cookie.realm.to_owned(), cookie.name.to_owned())
    });
    (wire, told.collect())
}

fn pair(realm: &str, name: &str) -> (String, String) {
    (realm.to_owned(), name.to_owned())
}

/// Changes the configuration, and waits until that has taken effect.
fn change(daemon: &mut Daemon, from: &str, to: &str) {
    let generation = || daemon.client().health().unwrap().generation;
    let before = generation();
    daemon.setup.replace(from, to);
    daemon.client().reload().unwrap();
    until("the change takes effect", || {
        daemon.client().health().unwrap().generation > before
    });
}

#[test]
fn a_greeting_tells_what_was_asked_and_no_more() {
    let daemon = locking().start();
    assert_eq!(greeted(&daemon, &[]).1, []);
    assert_eq!(greeted(&daemon, &[b""]).1, [pair("", "lock")]);
    let (_, told) = greeted(&daemon, &[b"default", b"nowhere", b"\xff\xfe"]);
    assert_eq!(told, [pair("default", "lock")]);
}

#[test]
fn a_hello_that_names_more_realms_than_may_be_is_answered_and_bounded() {
    let daemon = locking().start();
    let many = vec![&b"default"[..]; 2000];
    assert_eq!(greeted(&daemon, &many).1.len(), MAX_NAMED_REALMS);
    let long = vec![b'x'; 60_000];
    let (mut wire, told) = greeted(&daemon, &[&long, b"default"]);
    assert_eq!(told, [pair("default", "lock")]);
    wire.ask(1, Op::Ping);
    wire.reply(|id, answer| assert_eq!((id, answer), (1, Answer::Pong)));
}

#[test]
fn a_peer_without_rights_in_a_realm_learns_nothing_of_it() {
    let user = nix::unistd::geteuid();
    let rule = |allow: &str| format!("[[access]]\nuser = {user}\nallow = [{allow}]\n");
    let daemon = locking().lines(&rule("\"status\"")).start();
    assert_eq!(greeted(&daemon, &[b"default"]).1, []);
    let daemon = locking().lines(&rule("\"issue\"")).start();
    assert_eq!(greeted(&daemon, &[b"default"]).1, [pair("default", "lock")]);
}

#[test]
fn a_client_finds_the_cookie_after_its_name_has_changed() {
    let mut daemon = locking().start();
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    let value = minted.cookie.as_ref().unwrap().value().to_owned();
    let is_valid = |header: &str| {
        let headers = [header];
        let validate = Validate::new(minted.token()).cookie_headers(&headers);
        client.validate(validate).unwrap().is_valid()
    };
    let (old, new) = (format!("lock={value}"), format!("lock=x; key={value}"));
    assert!(is_valid(&old) && !is_valid(&new));
    change(&mut daemon, "name = \"lock\"", "name = \"key\"");
    assert!(is_valid(&new), "the first request after the change");
    assert!(!is_valid(&old));
    assert_eq!(client.lock_cookie().unwrap().name, "key");
    assert_eq!(client.lock_cookie().unwrap().path.as_deref(), Some("/app"));
}

/// Only a connection that was told something else ends, and it ends without an answer.
#[test]
fn a_change_ends_the_connections_that_were_told_otherwise() {
    let mut daemon = locking().realm("other", "HS256", SECRET.as_bytes(), "").start();
    let mut told = greeted(&daemon, &[b"default"]).0;
    let mut elsewhere = greeted(&daemon, &[b"other"]).0;
    let mut silent = daemon.wire();
    change(&mut daemon, "path = \"/app\"", "path = \"/\"");
    told.ask(1, Op::Ping);
    told.assert_closed();
    for wire in [&mut elsewhere, &mut silent] {
        wire.ask(1, Op::Ping);
        wire.reply(|id, answer| assert_eq!((id, answer), (1, Answer::Pong)));
    }
    // A reload that changes nothing of it ends none.
    let mut told = greeted(&daemon, &[b"default"]).0;
    change(
        &mut daemon,
        "cookie_lock = \"required\"",
        "expiry = \"1h\"\ncookie_lock = \"required\"",
    );
    told.ask(1, Op::Ping);
    told.reply(|id, answer| assert_eq!((id, answer), (1, Answer::Pong)));
}

#[test]
fn what_the_app_says_of_the_cookie_wins() {
    let daemon = locking().start();
    let mut explicit = LockCookie::default();
    explicit.name = "key".to_owned();
    let client = daemon.client_with(|config| config.with_lock_cookie(explicit));
    let minted = client.issue(Issue::new()).unwrap();
    let value = minted.cookie.as_ref().unwrap().value();
    let verdict = |name: &str| {
        let header = format!("{name}={value}");
        let headers = [header.as_str()];
        client.validate(Validate::new(minted.token()).cookie_headers(&headers))
    };
    assert!(verdict("key").unwrap().is_valid());
    assert!(matches!(verdict("lock").unwrap(), Verdict::Invalid(_)));
}
