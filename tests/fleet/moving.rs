//! From a host's own store to one that a fleet shares, and back: whatever was revoked stays so.

use std::process::Output;

use jwtkeeper_client::{Before, Cause, Issue, Minted, Rotation, blocking};

use crate::hosts::{MAX_STALENESS, is_ready, is_revoked, is_settled, issue, ready, revoke};
use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of, until};
use jwtkeeper_testkit::servers::Server;

const EMBEDDED: &str = "[store]\nkind = \"embedded\"";
const OTHER: &[u8] = b"the other realm's secret: 0123456789abcdef";

fn shared(server: &Server) -> String {
    let (url, staleness) = (server.url(), MAX_STALENESS.as_secs());
    format!("[store]\nkind = \"redis\"\n[store.redis]\nurl = \"{url}\"\nmax_staleness = \"{staleness}s\"")
}

/// A host with its store there; its graces are long enough for every step of a move.
fn start(store: &str) -> Daemon {
    let setup = Setup::new().lines("rotation_grace = \"10m\"").top(store);
    setup.realm("other", "HS256", OTHER, "rotation_grace = \"10m\"").start()
}

/// Has it use another store, with the same state_dir.
fn change(daemon: &mut Daemon, from: &str, to: &str) {
    daemon.stop();
    daemon.setup.replace(from, to);
    daemon.restart();
}

/// What was revoked and flagged, in every way, and rotated.
struct Denied {
    revoked: Vec<(&'static str, Minted)>,
    of_other_realm: Minted,
    flagged: Vec<Minted>,
    rotated: Minted,
    successor: Minted,
    good: Minted,
}

fn of(client: &blocking::Client, subject: &str) -> Minted {
    client
        .issue(Issue::new().claims(format!(r#"{{"sub":"{subject}"}}"#)))
        .unwrap()
}

fn rotate(client: &blocking::Client, minted: &Minted) -> Minted {
    match client.rotate(minted.token()).unwrap() {
        Rotation::Rotated(minted) => minted,
        other => panic!("refused: {other:?}"),
    }
}

impl Denied {
    fn new(daemon: &Daemon) -> Self {
        let client = daemon.client();
        let (in_hand, by_jti, first) = (issue(&client), issue(&client), issue(&client));
        revoke(&client, in_hand.token());
        client.revoke_jti(&by_jti.jti).unwrap();
        let second = rotate(&client, &first);
        client.revoke_session(&first.jti).unwrap();
        let of_subject = of(&client, "somebody");
        client.revoke_subject("somebody", Before::Now).unwrap();
        let of_other_realm = issue(&daemon.realm("other"));
        daemon.realm("other").revoke_issued_before(Before::Now).unwrap();
        let flagged = vec![issue(&client), of(&client, "flagged")];
        client.flag_jti(&flagged[0].jti).unwrap();
        client.flag_subject("flagged", Before::Now).unwrap();
        let rotated = issue(&client);
        let successor = rotate(&client, &rotated);
        let good = issue(&client);
        let revoked = vec![
            ("a token in hand", in_hand),
            ("a jti", by_jti),
            ("a session's first token", first),
            ("a session's second token", second),
            ("a subject's token", of_subject),
        ];
        Self {
            revoked,
            of_other_realm,
            flagged,
            rotated,
            successor,
            good,
        }
    }

    fn assert(&self, daemon: &Daemon) {
        let client = daemon.client();
        for (what, minted) in &self.revoked {
            assert!(is_revoked(&client, minted.token()), "{what}");
        }
        let other = daemon.realm("other");
        assert!(is_revoked(&other, self.of_other_realm.token()), "issued before");
        let later = issue(&other);
        assert!(other.validate(later.token()).unwrap().is_valid(), "issued later");
        let cause = |minted: &Minted| client.validate(minted.token()).unwrap().rotation();
        for minted in &self.flagged {
            assert_eq!(cause(minted), Some(Cause::Flagged));
        }
        assert_eq!(cause(&self.rotated), Some(Cause::Rotated));
        assert_eq!(rotate(&client, &self.rotated).token(), self.successor.token());
        for minted in [&self.successor, &self.good] {
            assert!(client.validate(minted.token()).unwrap().is_valid());
        }
    }
}

fn import(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = daemon.ctl();
    command.arg("import").args(arguments);
    let Output { status, stdout, stderr } = exit_of(command);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn entries(daemon: &Daemon) -> u64 {
    daemon.health()["store"]["entries"].as_u64().unwrap()
}

#[test]
fn what_was_revoked_moves_to_redis_and_back() {
    let server = Server::start();
    let mut first = start(EMBEDDED);
    let denied = Denied::new(&first);
    denied.assert(&first);
    let shared = shared(&server);
    change(&mut first, EMBEDDED, &shared);
    until("it is settled", || is_settled(&first));
    denied.assert(&first);
    let mut second = start(&shared);
    ready(&second);
    denied.assert(&second);

    // The second one has only read it, and its own store has nothing of it.
    let (code, said, complaint) = import(&second, &["--json"]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let said: serde_json::Value = said.parse().unwrap();
    let known = entries(&second);
    assert!(known >= 10, "{known}");
    assert_eq!(said, serde_json::json!({"entries": known, "pending": 0}));
    let (code, said, _) = import(&second, &[]);
    assert_eq!(code, Some(0));
    assert_eq!(said, format!("{known} entries are in this host's store\n"));
    drop((first, server));
    change(&mut second, &shared, EMBEDDED);
    assert!(is_ready(&second));
    denied.assert(&second);
    second.kill();
    second.restart();
    denied.assert(&second);
}

#[test]
fn without_redis_nothing_is_imported() {
    let mut server = Server::start();
    let daemon = start(&shared(&server));
    ready(&daemon);
    server.kill();
    until("the copy is too old", || {
        daemon.health()["store"]["age_ms"].as_u64() > Some(MAX_STALENESS.as_millis() as u64)
    });
    let (code, said, complaint) = import(&daemon, &[]);
    assert_eq!((code, said.as_str()), (Some(69), ""));
    assert!(complaint.contains("max_staleness"), "{complaint}");
}

#[test]
fn where_nothing_is_shared_all_is_imported() {
    let daemon = start(EMBEDDED);
    daemon.client().revoke_jti("a-jti").unwrap();
    let known = entries(&daemon);
    let (code, said, complaint) = import(&daemon, &["--json"]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let said: serde_json::Value = said.parse().unwrap();
    assert_eq!(said, serde_json::json!({"entries": known, "pending": 0}));
}

/// Whoever looks a jti up where a store is shared is told how old the answer is.
#[test]
fn status_says_how_old_it_is_where_the_store_is_shared() {
    let server = Server::start();
    let daemon = start(&shared(&server));
    ready(&daemon);
    daemon.client().revoke_jti("a-jti").unwrap();
    let status = |daemon: &Daemon| -> serde_json::Value {
        let mut command = daemon.ctl();
        command.args(["status", "--json", "--jti", "a-jti"]);
        String::from_utf8(exit_of(command).stdout).unwrap().parse().unwrap()
    };
    let said = status(&daemon);
    assert_eq!(said["state"], "hard");
    let age = said["age_ms"].as_u64().unwrap();
    assert!(u128::from(age) <= MAX_STALENESS.as_millis(), "{age}");
    assert!(status(&start(EMBEDDED)).get("age_ms").is_none());
}
