//! What was changed is changed back: tokens are what they were, but for those that were revoked. And connections that
//! were open all the while obey what is in effect.

use jwtkeeper_client::{Cause, Issue, Reason, Verdict, blocking};
use jwtkeeper_wire::{Answer, Cause as Code, Reason as Refusal};

use jwtkeeper_testkit::daemons::load::{secret, validate};
use jwtkeeper_testkit::daemons::ways::Way;
use jwtkeeper_testkit::daemons::{Daemon, Setup, Wire, until};

/// A realm by secret 0, and version 1.
fn start() -> Daemon {
    let setup = Setup::bare().realm("default", "HS256", secret(0).as_bytes(), "");
    setup.write("version", "1");
    let version = setup.path("version");
    setup
        .lines(&format!("version_file = \"{}\"", version.display()))
        .start()
}

/// Puts another text into a file by rename, and waits until that is in effect.
fn put(daemon: &Daemon, file: &str, text: &str) {
    let before = generation(daemon);
    Way::Rename.change(&daemon.setup.path(file), "", text);
    until("the change is in effect", || generation(daemon) > before);
}

fn generation(daemon: &Daemon) -> u64 {
    daemon.client().health().unwrap().generation
}

fn mint(client: &blocking::Client) -> (String, String) {
    let minted = client.issue(Issue::new()).unwrap();
    (minted.token().to_owned(), minted.jti)
}

#[test]
fn a_secret_rolled_back_brings_back_no_revoked_token() {
    let daemon = start();
    let client = daemon.client();
    let (revoked, jti) = mint(&client);
    let (other, _) = mint(&client);
    let (later, later_jti) = mint(&client);
    client.revoke_jti(&jti).unwrap();
    put(&daemon, "default.secret", &secret(1));
    for token in [&revoked, &other, &later] {
        let verdict = client.validate(token.as_str()).unwrap();
        assert_eq!(verdict, Verdict::Invalid(Reason::BadSignature));
    }
    client.revoke_jti(&later_jti).unwrap(); // while nobody could use it
    put(&daemon, "default.secret", &secret(0));
    for token in [&revoked, &later] {
        let verdict = client.validate(token.as_str()).unwrap();
        assert_eq!(verdict, Verdict::Invalid(Reason::Revoked));
    }
    let verdict = client.validate(other.as_str()).unwrap();
    assert!(verdict.is_valid());
    assert_eq!(verdict.rotation(), None);
}

#[test]
fn a_version_rolled_back_makes_tokens_current_again() {
    let daemon = start();
    let client = daemon.client();
    let (token, _) = mint(&client);
    for (version, rotation) in [("2", Some(Cause::StaleVersion)), ("1", None)] {
        put(&daemon, "version", version);
        let verdict = client.validate(token.as_str()).unwrap();
        assert!(verdict.is_valid());
        assert_eq!(verdict.rotation(), rotation, "version {version}");
    }
}

#[test]
fn a_retired_key_is_added_and_removed() {
    let daemon = start();
    let client = daemon.client();
    let (token, _) = mint(&client);
    let about = || client.validate(token.as_str()).unwrap();
    put(&daemon, "default.secret", &secret(1));
    assert_eq!(about(), Verdict::Invalid(Reason::BadSignature));
    daemon.setup.write_secret("retired", secret(0).as_bytes());
    let retired = format!(
        "[[realms.default.retired_keys]]\nalgorithm = \"HS256\"\nfile = \"{}\"",
        daemon.setup.path("retired").display()
    );
    let configuration = daemon.setup.configure();
    let without = std::fs::read_to_string(configuration).unwrap();
    put(&daemon, "jwtkeeper.toml", &format!("{without}{retired}\n"));
    assert_eq!(about().rotation(), Some(Cause::RetiredKey));
    let keys = &daemon.health()["realms"][0]["keys"];
    assert_eq!(
        (&keys[0]["role"], &keys[1]["role"]),
        (&"current".into(), &"retired".into())
    );
    put(&daemon, "jwtkeeper.toml", &without);
    assert_eq!(about(), Verdict::Invalid(Reason::BadSignature));
}

/// What an open connection is told of a token.
fn told(wire: &mut Wire, token: &str) -> Result<Code, Refusal> {
    wire.ask(1, validate(token.as_bytes()));
    wire.reply(|_, answer| match answer {
        Answer::Valid { rotation, .. } => Ok(rotation),
        Answer::Invalid { reason } => Err(reason),
        other => panic!("{other:?}"),
    })
}

#[test]
fn open_connections_obey_what_is_in_force() {
    let daemon = start();
    let mut wire = daemon.wire();
    let (token, _) = mint(&daemon.client());
    assert_eq!(told(&mut wire, &token), Ok(Code::None));
    put(&daemon, "version", "2");
    assert_eq!(told(&mut wire, &token), Ok(Code::StaleVersion));
    put(&daemon, "default.secret", &secret(1));
    assert_eq!(told(&mut wire, &token), Err(Refusal::BadSignature));
    put(&daemon, "default.secret", &secret(0));
    assert_eq!(told(&mut wire, &token), Ok(Code::StaleVersion));
    put(&daemon, "version", "1");
    assert_eq!(told(&mut wire, &token), Ok(Code::None));
}
