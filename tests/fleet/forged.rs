//! Whoever can write to Redis must not have anything signed by that: a successor is made from what the realm's key has
//! sealed, for the token that it was sealed for, and from nothing else.

use jwtkeeper_client::{Issue, Minted, Reason, Rotation, blocking};
use serde_json::Value;

use crate::hosts::{at, entry, host, is_revoked, issue, record};
use jwtkeeper_testkit::daemons::{Daemon, until};
use jwtkeeper_testkit::servers::Server;

/// Two hosts that share a Redis, and one with the same keys and another Redis: what it decides they do not know.
struct Stage {
    server: Server,
    hosts: [Daemon; 2],
    elsewhere: Server,
    maker: Daemon,
}

/// A token in hand, and the genuine record of its rotation.
struct Decided {
    token: String,
    jti: String,
    record: String,
    successor: Minted,
}

fn successor(client: &blocking::Client, token: &str) -> Minted {
    match client.rotate(token).unwrap() {
        Rotation::Rotated(minted) => minted,
        other => panic!("refused: {other:?}"),
    }
}

impl Stage {
    fn new() -> Self {
        let (server, elsewhere) = (Server::start(), Server::start());
        let hosts = [(); 2].map(|()| host(at(&server.url())));
        let maker = host(at(&elsewhere.url()));
        Self {
            server,
            hosts,
            elsewhere,
            maker,
        }
    }

    fn decide(&self, minted: &Minted) -> Decided {
        let successor = successor(&self.maker.client(), minted.token());
        let record = self.elsewhere.ask(&["GET", &record(&minted.jti)]);
        let (token, jti) = (minted.token().to_owned(), minted.jti.clone());
        Decided {
            token,
            jti,
            record,
            successor,
        }
    }

    /// A token that nobody who shares the first Redis has rotated.
    fn fresh(&self) -> Decided {
        let minted = self.hosts[0]
            .client()
            .issue(Issue::new().claims(r#"{"sub":"somebody"}"#));
        self.decide(&minted.unwrap())
    }

    fn put(&self, jti: &str, text: &str) {
        self.server.ask::<()>(&["SET", &record(jti), text, "EX", "3600"]);
    }

    fn not_signed(&self, what: &str, decided: &Decided, record: &str, words: &str) {
        assert_ne!(record, decided.record, "{what}: nothing is changed");
        self.put(&decided.jti, record);
        for host in &self.hosts {
            match host.client().rotate(decided.token.as_str()) {
                // Another host has said meanwhile that it is used up.
                Ok(Rotation::Invalid(reason)) => assert_eq!(reason, Reason::Revoked, "{what}"),
                Ok(other) => panic!("{what}: {other:?}"),
                Err(error) => {
                    assert!(error.is_unavailable(), "{what}: {error}");
                    assert!(error.to_string().contains(words), "{what}: {error}");
                }
            }
        }
    }
}

type Change = fn(&mut Value);

fn changed(record: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = record.parse().unwrap();
    change(&mut document);
    document.to_string()
}

fn flip(bytes: &mut Value) {
    bytes[3] = (bytes[3].as_u64().unwrap() ^ 1).into();
}

const NOT_OURS: &str = "was not made by this realm's key";

/// The claims of a record, with another subject.
fn of_another_subject(document: &mut Value) {
    let mut claims: Value = document["claims"].as_str().unwrap().parse().unwrap();
    assert_eq!(claims["sub"], "somebody");
    claims["sub"] = "root".into();
    document["claims"] = claims.to_string().into();
}

#[test]
fn a_record_that_was_changed_makes_no_token() {
    let stage = Stage::new();
    let changes: [(&str, Change); 5] = [
        ("the claims", of_another_subject),
        ("the nonce", |document| flip(&mut document["nonce"])),
        ("the seal", |document| flip(&mut document["seal"])),
        ("the lock", |document| document["lock"] = 2.into()),
        ("the successor", |document| document["successor"] = "another".into()),
    ];
    for (what, change) in changes {
        let decided = stage.fresh();
        let record = changed(&decided.record, change);
        stage.not_signed(what, &decided, &record, NOT_OURS);
    }
    let decided = stage.fresh();
    let record = changed(&decided.record, |document| flip(&mut document["key"]));
    stage.not_signed("the key", &decided, &record, "no longer there");
}

#[test]
fn the_record_of_another_token_makes_no_token() {
    let stage = Stage::new();
    let other = stage.fresh();
    let decided = stage.fresh();
    stage.not_signed("another token's", &decided, &other.record, NOT_OURS);
    // Of the same subject, one rotation after the other.
    let later = stage.decide(&other.successor);
    let decided = stage.fresh();
    stage.not_signed("an earlier session's", &decided, &later.record, NOT_OURS);
    let next = stage.decide(&decided.successor);
    stage.not_signed("its own predecessor's", &next, &decided.record, NOT_OURS);
}

#[test]
fn what_cannot_be_read_gives_way_to_one_rotation() {
    let stage = Stage::new();
    for text in ["", "{}", "hard", "null"] {
        let decided = stage.fresh();
        stage.put(&decided.jti, text);
        let rotate = |host: &Daemon| successor(&host.client(), &decided.token).jti;
        assert_eq!(rotate(&stage.hosts[0]), rotate(&stage.hosts[1]), "{text:?}");
    }
}

/// A record of bytes that are no text is one that cannot be read.
#[test]
fn a_record_that_is_no_text_gives_way_to_one_rotation() {
    let stage = Stage::new();
    let decided = stage.fresh();
    let mut connection = stage.server.client().get_connection().unwrap();
    let mut command = redis::cmd("SET");
    command
        .arg(record(&decided.jti))
        .arg(b"\xff\xfe{\"successor\":1}".as_slice());
    command.exec(&mut connection).unwrap();
    let rotate = |host: &Daemon| successor(&host.client(), &decided.token).jti;
    assert_eq!(rotate(&stage.hosts[0]), rotate(&stage.hosts[1]));
}

/// A forgery, of a token's own record and another's.
type Forge = fn(&str, &str) -> String;

/// A daemon that starts knows of a revocation only what Redis says.
#[test]
fn a_forged_record_makes_no_revoked_token_a_rotated_one() {
    let stage = Stage::new();
    let other = stage.fresh();
    let forgeries: [(&str, Forge); 2] = [
        ("another key", |own, _| {
            changed(own, |document| flip(&mut document["key"]))
        }),
        ("another token's", |_, other| other.to_owned()),
    ];
    let revoked = forgeries.map(|(what, forge)| {
        let decided = stage.fresh();
        // As a gem revokes: the daemons would revoke its session too.
        stage.server.ask::<()>(&["SETEX", &entry(&decided.jti), "3600", "hard"]);
        stage.put(&decided.jti, &forge(&decided.record, &other.record));
        (what, decided)
    });
    let started = host(at(&stage.server.url()));
    for (what, decided) in revoked {
        assert!(is_revoked(&started.client(), &decided.token), "{what}: validated");
        match started.client().rotate(decided.token.as_str()).unwrap() {
            Rotation::Invalid(reason) => assert_eq!(reason, Reason::Revoked, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_genuine_record_leads_to_its_successor_on_every_host() {
    let stage = Stage::new();
    let decided = stage.fresh();
    stage.put(&decided.jti, &decided.record);
    for host in &stage.hosts {
        // The same bytes: HS256 is deterministic.
        let minted = successor(&host.client(), &decided.token);
        assert_eq!(minted.token(), decided.successor.token());
        assert!(host.client().validate(minted.token()).unwrap().is_valid());
    }
}

/// A forgery of the end of a grace, of a token's own record and another's.
type ForgeEnd = fn(&mut Value, &Value);

/// A daemon that starts knows of a grace only what Redis says. The end of it that a record tells must be the one that was
/// sealed, for this token and no other.
#[test]
fn a_forged_end_of_a_grace_makes_the_token_used_up() {
    let server = Server::start();
    let url = server.url();
    let one = host(at(&url).lines("rotation_grace = \"1h\""));
    let rotated = || {
        let minted = issue(&one.client());
        successor(&one.client(), minted.token());
        let text = || server.ask::<String>(&["GET", &record(&minted.jti)]);
        let document = || text().parse::<Value>().unwrap();
        until("the end of the grace is told", || document()["grace_until"].is_u64());
        let text = text();
        (minted, text)
    };
    let (genuine, others) = rotated();
    let others: Value = others.parse().unwrap();
    let forgeries: [(&str, ForgeEnd); 4] = [
        ("a later end", |own, _| {
            own["grace_until"] = (own["grace_until"].as_u64().unwrap() + 600_000).into();
        }),
        ("another seal", |own, _| {
            let seal: String = own["grace_seal"].as_str().unwrap().chars().rev().collect();
            own["grace_seal"] = seal.into();
        }),
        ("no seal", |own, _| own["grace_seal"] = Value::Null),
        ("another token's", |own, others| {
            own["grace_until"] = others["grace_until"].clone();
            own["grace_seal"] = others["grace_seal"].clone();
        }),
    ];
    let forged = forgeries.map(|(what, forge)| {
        let (minted, genuine) = rotated();
        (what, minted, changed(&genuine, |own| forge(own, &others)))
    });
    // Nobody else may repair what is forged.
    drop(one);
    for (_, minted, text) in &forged {
        server.ask::<()>(&["SET", &record(&minted.jti), text, "EX", "3600"]);
    }
    let started = host(at(&url).lines("rotation_grace = \"1h\""));
    let client = started.client();
    assert!(client.validate(genuine.token()).unwrap().is_valid(), "a genuine end");
    for (what, minted, _) in &forged {
        assert!(is_revoked(&client, minted.token()), "{what}");
        match client.rotate(minted.token()) {
            Ok(Rotation::Invalid(reason)) => assert_eq!(reason, Reason::Revoked, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// Who has a token that was rotated long ago, and writes to Redis, gets no successor by that from a host that knows when the
/// grace ended. Only one that starts knows no more than Redis says.
#[test]
fn a_grace_that_was_made_longer_makes_no_token_where_its_end_is_known() {
    let server = Server::start();
    let url = server.url();
    let one = host(at(&url).lines("rotation_grace = \"1s\""));
    let minted = issue(&one.client());
    successor(&one.client(), minted.token());
    until("the grace is over", || is_revoked(&one.client(), minted.token()));
    let genuine: String = server.ask(&["GET", &record(&minted.jti)]);
    let [longer, pending] = [
        changed(&genuine, |document| {
            document["grace_until"] = (document["grace_until"].as_u64().unwrap() + 3_600_000).into();
        }),
        changed(&genuine, |document| document["grace_until"] = Value::Null),
    ];
    for text in [longer, pending] {
        server.ask::<()>(&["SET", &record(&minted.jti), &text, "EX", "3600"]);
        // The news of an entry is what has it read again.
        server.ask::<()>(&["SET", &entry(&minted.jti), "hard", "EX", "3600"]);
        let repaired = || {
            let text: String = server.ask(&["GET", &record(&minted.jti)]);
            let text: Value = text.parse().unwrap();
            let genuine: Value = genuine.parse().unwrap();
            text["grace_until"] == genuine["grace_until"]
        };
        until("the end of the grace is put back", repaired);
        match one.client().rotate(minted.token()) {
            Ok(Rotation::Invalid(reason)) => assert_eq!(reason, Reason::Revoked),
            other => panic!("{other:?}"),
        }
    }
}
