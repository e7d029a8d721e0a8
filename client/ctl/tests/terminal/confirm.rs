//! `revoke --issued-before` asks first where there is somebody to ask, and nowhere else.

use std::process::Command;

use jwtkeeper_wire::{Answer, Before, Op, RevokeTarget};

use crate::daemon::{Daemon, TOKEN};
use crate::pty::{ALL, On, Terminal, program};

const STORE: &str = r#""store":{"kind":"redis"}"#;

fn with(document: &str) -> Daemon {
    let document: &'static [u8] = document.to_owned().leak().as_bytes();
    Daemon::by(move |op| match op {
        Op::Health => Answer::Health {
            ready: true,
            generation: 1,
            document,
        },
        _ => Answer::Done,
    })
}

fn counting() -> Daemon {
    with(&format!(
        r#"{{"uptime_seconds":10800,{STORE},"realms":[{{"name":"default","issued":1204}},{{"name":"api","issued":1}}]}}"#
    ))
}

fn revoke(daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = program();
    command.env("JWTKEEPER_SOCKET", daemon.fake.socket());
    command.arg("revoke").args(args);
    command
}

/// Returns the requests, but for those of health.
fn changes(daemon: &Daemon) -> Vec<String> {
    let asked = std::mem::take(&mut *daemon.asked.lock().unwrap());
    asked.into_iter().filter(|op| op != "Health").collect()
}

fn cutoff(realm: &str) -> Vec<String> {
    let target = RevokeTarget::IssuedBefore(Before::Now { first_asked: None });
    vec![format!("{:?}", Op::Revoke { realm, target })]
}

#[test]
fn the_realms_name_or_yes_goes_on() {
    let daemon = counting();
    for (realm, answer, says) in [
        (
            "default",
            "default",
            "at least 1204 tokens issued by this daemon since it started 3 h ago, and all older ones.",
        ),
        (
            "api",
            "yes",
            "at least 1 token issued by this daemon since it started 3 h ago, and all older ones.",
        ),
    ] {
        let command = revoke(&daemon, &["--issued-before", "now", "--realm", realm]);
        let mut terminal = Terminal::run(command, &ALL);
        let asked = terminal.expect("to go on: ");
        let head = format!(
            "This ends all logins of the realm {realm} begun until now, here and on every host that shares its Redis.\r\n"
        );
        assert!(asked.starts_with(&head) && asked.contains(says), "{asked}");
        assert!(changes(&daemon).is_empty());
        terminal.write(&format!("{answer}\n"));
        let (code, said) = terminal.end();
        assert_eq!((code, changes(&daemon)), (Some(0), cutoff(realm)));
        assert!(said.ends_with("revoked\r\n"), "{said}");
    }
}

#[test]
fn anything_else_revokes_nothing() {
    let daemon = counting();
    // The last is the end of what is typed.
    for answer in [
        "\n",
        "no\n",
        "y\n",
        "YES\n",
        "api\n",
        "defaul\n",
        "default default\n",
        "\x04",
    ] {
        let mut terminal = Terminal::run(revoke(&daemon, &["--issued-before", "now"]), &ALL);
        terminal.expect("to go on: ");
        terminal.write(answer);
        let (code, said) = terminal.end();
        assert_eq!((code, changes(&daemon)), (Some(1), Vec::new()), "{answer:?}");
        assert!(
            said.ends_with("jwtkeeperctl: nothing was revoked\r\n"),
            "{answer:?}: {said}"
        );
    }
    let mut terminal = Terminal::run(revoke(&daemon, &["--json", "--issued-before", "now"]), &ALL);
    terminal.expect("to go on: ");
    terminal.write("\n");
    let (code, said) = terminal.end();
    assert_eq!((code, changes(&daemon)), (Some(1), Vec::new()));
    assert!(said.ends_with("{\"done\":false}\r\n"), "{said}");
}

#[test]
fn what_is_not_known_is_said() {
    for (daemon, time, says) in [
        (
            with("{}"),
            "now",
            "begun until now.\r\nHow many tokens that is, the daemon does not know.\r\n",
        ),
        (
            counting(),
            "1700000000",
            "the daemon does not know: it was not running then, but started 3 h ago.",
        ),
        (
            with(r#"{"uptime_seconds":3000000000,"realms":[{"name":"default","issued":7}]}"#),
            "1700000000",
            "Of 7 tokens issued by this daemon since it started 34722 d 5 h ago those whose logins had begun by then",
        ),
    ] {
        let mut terminal = Terminal::run(revoke(&daemon, &["--issued-before", time]), &ALL);
        let asked = terminal.expect("to go on: ");
        assert!(asked.contains(says), "{asked}");
        if time != "now" {
            assert!(asked.contains("begun until 2023-11-14T22:13:20Z ("), "{asked}");
        }
        drop(terminal);
        assert!(changes(&daemon).is_empty());
    }
}

#[test]
fn who_is_not_there_or_said_yes_is_not_asked() {
    let daemon = counting();
    let on = |stdin, stdout, stderr| On { stdin, stdout, stderr };
    let now: &[&str] = &["--issued-before", "now"];
    for (args, on) in [
        (&[now, &["--yes"]].concat()[..], ALL),
        (&[now, &["-y"]].concat(), ALL),
        (now, on(false, true, true)),
        (now, on(true, true, false)),
        (now, on(false, false, false)),
        (&["--jti", "an-id"], ALL),
        (&["--subject", "42"], ALL),
        (&[TOKEN], ALL),
    ] {
        let (code, said) = Terminal::run(revoke(&daemon, args), &on).end();
        assert_eq!(code, Some(0), "{args:?}: {said}");
        let expected = if on.stdout { "revoked\r\n" } else { "" };
        assert_eq!(said, expected, "{args:?}");
        let asked = std::mem::take(&mut *daemon.asked.lock().unwrap());
        assert_eq!(asked.len(), 1, "{args:?}: {asked:?}");
        assert!(asked[0].starts_with("Revoke"), "{asked:?}");
    }
    // A terminal for the answer is not needed.
    let mut terminal = Terminal::run(revoke(&daemon, now), &on(true, false, true));
    terminal.expect("to go on: ");
}

#[test]
fn a_key_is_replaced_by_yes_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    for (answer, code) in [("\n", 1), ("y\n", 1), ("\x04", 1), ("yes\n", 0)] {
        std::fs::write(&file, "the old secret").unwrap();
        let mut command = program();
        command.args(["secret", "generate"]).arg(&file);
        let mut terminal = Terminal::run(command, &ALL);
        let asked = terminal.expect("to replace it: ");
        assert!(asked.contains("holds an HMAC secret"), "{asked}");
        terminal.write(answer);
        let (found, said) = terminal.end();
        let is_old = std::fs::read_to_string(&file).unwrap() == "the old secret";
        assert_eq!((found, is_old), (Some(code), code == 1), "{answer:?}: {said}");
    }
    let mut command = program();
    command.args(["secret", "generate", "--yes"]).arg(&file);
    let (code, said) = Terminal::run(command, &ALL).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("Type yes"), "{said}");
}
