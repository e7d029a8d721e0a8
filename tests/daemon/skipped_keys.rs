//! Warnings about key files: the same in `--check`, in the log and in health, and no longer than they hold.

use jwtkeeper_testkit::daemons::{Daemon, Setup};

/// RFC 7515 appendix A.3.
const KEY: &str = concat!(
    r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#,
    r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
);
const SKIPPED: &str = "jwks.json: key 1 (kid \"odd\") is skipped";

fn set(odd: &str) -> String {
    format!(r#"{{"keys":[{KEY}{odd}]}}"#)
}

fn odd() -> String {
    set(r#",{"kty":"EC","crv":"P-256","kid":"odd"}"#)
}

fn setup(keys: &str) -> Setup {
    let setup = Setup::bare();
    setup.write("jwks.json", keys);
    let file = setup.path("jwks.json");
    setup.lines(&format!(
        "[realms.default]\nalgorithm = \"ES256\"\njwks_file = \"{}\"",
        file.display()
    ))
}

#[test]
fn check_and_the_log_name_skipped_keys() {
    let setup = setup(&odd());
    setup.init();
    let output = setup.run(&["--check"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: realm default: jwks_file "), "{said}");
    assert!(said.contains(SKIPPED), "{said}");
    Daemon::start(setup).logged(SKIPPED);
}

/// A reload that changes nothing but the skipped keys changes the warnings all the same.
#[test]
fn warnings_follow_the_file() {
    let daemon = setup(&set("")).start();
    let warned = || daemon.health()["warnings"].to_string().contains("is skipped");
    assert!(!warned());
    let replace = |keys: &str| {
        daemon.setup.write("jwks.new", keys);
        std::fs::rename(daemon.setup.path("jwks.new"), daemon.setup.path("jwks.json")).unwrap();
        daemon.client().reload().unwrap();
    };
    replace(&odd());
    assert!(warned(), "{}", daemon.health());
    daemon.logged(SKIPPED);
    replace(&set(""));
    assert!(!warned(), "{}", daemon.health());
}
