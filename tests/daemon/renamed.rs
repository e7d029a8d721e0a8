//! Realms that have a key in common: a realm that is renamed, and two that are there side by side.

use jwtkeeper_client::{Issue, Reason, Revoke, Verdict};
use jwtkeeper_core::denylist::Denylist;
use jwtkeeper_core::types::Millis;
use jwtkeeper_store::Embedded;

use jwtkeeper_testkit::daemons::{Daemon, Setup};

const SECRET: &[u8] = b"a secret of two realms, long enough for every hash: 0123456789abcdef";
const REVOKED: Verdict = Verdict::Invalid(Reason::Revoked);

/// Two realms, with one secret, and these lines.
fn two(one: &str, other: &str) -> Setup {
    let setup = Setup::bare().realm("one", "HS256", SECRET, one);
    setup.realm("two", "HS256", SECRET, other)
}

/// A daemon with a realm that has a revoked token.
fn revoked() -> (Daemon, String) {
    let daemon = Setup::bare().realm("old", "HS256", SECRET, "issuer = \"me\"").start();
    let client = daemon.realm("old");
    let token = client.issue(Issue::new()).unwrap().token().to_owned();
    let _ = client.revoke(Revoke::token(token.as_str(), None)).unwrap();
    assert_eq!(client.validate(token.as_str()).unwrap(), REVOKED);
    (daemon, token)
}

/// What `--check` says of it; it is right.
fn check(setup: &Setup) -> String {
    setup.init();
    let output = setup.run(&["--check"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

#[test]
fn renamed_realm_keeps_its_denylist() {
    let (mut daemon, token) = revoked();
    daemon
        .setup
        .replace("[realms.\"old\"]", "[realms.\"new\"]\ndenylist = \"old\"");
    daemon.client().reload().unwrap();
    assert_eq!(daemon.realm("new").validate(token.as_str()).unwrap(), REVOKED);
    daemon.logged("realm old is gone; its tokens are valid in realm new, which has its key and its denylist");
    daemon.stop();
    daemon.restart();
    assert_eq!(daemon.realm("new").validate(token.as_str()).unwrap(), REVOKED);
}

#[test]
fn log_says_that_a_renamed_realm_revives_tokens() {
    let (mut daemon, token) = revoked();
    daemon.setup.replace("[realms.\"old\"]", "[realms.\"new\"]");
    daemon.client().reload().unwrap();
    assert!(daemon.realm("new").validate(token.as_str()).unwrap().is_valid());
    daemon.logged("and so is every token that was revoked in old; set denylist = \"old\" in realm new");
    assert!(!daemon.log().contains("with it every token"), "{}", daemon.log());
    assert!(daemon.log().contains("WARN"), "{}", daemon.log());
    // It is not too late.
    daemon
        .setup
        .replace("[realms.\"new\"]", "[realms.\"new\"]\ndenylist = \"old\"");
    daemon.client().reload().unwrap();
    assert_eq!(daemon.realm("new").validate(token.as_str()).unwrap(), REVOKED);
    daemon.logged("realm new uses the denylist old and no longer new");
    // And a realm that none takes the place of is gone for good.
    daemon.setup.replace("issuer = \"me\"", "issuer = \"you\"");
    daemon.setup.replace("[realms.\"new\"]", "[realms.\"last\"]");
    daemon.client().reload().unwrap();
    daemon.logged("realm new is gone, and with it every token of it");
}

#[test]
fn shared_key_is_warned_of_unless_tokens_are_kept_apart() {
    let (issuer, audience) = (
        ["issuer = \"a\"", "issuer = \"b\""],
        ["audience = [\"a\"]", "audience = [\"b\"]"],
    );
    let overrides = format!("{}\nallow_overrides = [\"aud\"]", audience[0]);
    for (one, other, warned) in [
        ("", "", true),
        (issuer[0], issuer[0], true),
        (issuer[0], "", true),
        (issuer[0], issuer[1], false),
        (audience[0], audience[1], false),
        (audience[0], "", true),
        (&*overrides, audience[1], true),
        ("denylist = \"shared\"", "denylist = \"shared\"", false),
        ("denylist = \"two\"", "", false),
        ("", "denylist = \"shared\"", true),
    ] {
        let said = check(&two(one, other));
        let names = said.contains("realms one, two share the key");
        assert_eq!(names, warned, "{one} and {other}: {said}");
    }
    let said = check(&two("", "").realm("three", "HS512", SECRET, ""));
    assert!(!said.contains("three"), "another algorithm: {said}");
}

#[test]
fn shared_key_is_warned_of_at_start_and_at_reload() {
    let mut daemon = two("issuer = \"a\"", "issuer = \"b\"").start();
    assert!(!daemon.log().contains("share the key"));
    daemon.setup.replace("issuer = \"b\"", "issuer = \"a\"");
    daemon.client().reload().unwrap();
    daemon.logged("realms one, two share the key");
    let warned = |daemon: &Daemon| {
        daemon.health()["warnings"]
            .to_string()
            .contains("realms one, two share the key")
    };
    assert!(warned(&daemon) && daemon.client().health().unwrap().ready);
    daemon.stop();
    daemon.restart();
    assert_eq!(daemon.log().matches("realms one, two share the key").count(), 2);
    daemon
        .setup
        .replace("issuer = \"a\"", "issuer = \"a\"\ndenylist = \"both\"");
    daemon.client().reload().unwrap();
    assert!(!warned(&daemon));
    // Now a revocation in one takes effect in the other.
    let (one, two) = (daemon.realm("one"), daemon.realm("two"));
    let token = one.issue(Issue::new()).unwrap().token().to_owned();
    assert!(two.validate(token.as_str()).unwrap().is_valid());
    let _ = two.revoke(Revoke::token(token.as_str(), None)).unwrap();
    assert_eq!(one.validate(token.as_str()).unwrap(), REVOKED);
}

#[test]
fn realms_of_one_denylist_have_one_prefix() {
    let line = "denylist = \"both\"";
    assert_eq!(check(&two(line, line)), "");
    let output = two(line, &format!("{line}\nstore_prefix = \"x:\"")).run(&["--check"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("realms one and two share a denylist; set the same store_prefix"),
        "{said}"
    );
    let output = two("denylist = \"a/b\"", "").run(&["--check"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("realms.one.denylist is a name of 1 to 64"), "{said}");
}

/// Entries outlive the tokens of whichever realm lets them live longest.
#[test]
fn shared_denylist_keeps_the_longest_lifetime() {
    let lines = |span: &str| format!("denylist = \"both\"\nexpiry = \"1h\"\nmax_lifetime = \"{span}\"");
    let longest = |daemon: &mut Daemon| {
        daemon.stop();
        let store = Embedded::open(&daemon.setup.state_dir(), Millis(0), 0).unwrap();
        store.index().realm("both").max_lifetime()
    };
    let mut daemon = two(&lines("2h"), &lines("1h")).start();
    assert_eq!(longest(&mut daemon), 2 * 3600);
    daemon.restart();
    daemon.setup.replace("max_lifetime = \"1h\"", "max_lifetime = \"3h\"");
    daemon.client().reload().unwrap();
    assert_eq!(longest(&mut daemon), 3 * 3600);
}
