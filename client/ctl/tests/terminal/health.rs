//! `health` at a glance: the headline first, then what is wrong; colour at a terminal alone.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use jwtkeeper_wire::{Answer, Op, State};

use crate::daemon::Daemon;
use crate::pty::{ALL, On, Terminal, program};

fn with(ready: bool, document: &str) -> Daemon {
    let document: &'static [u8] = document.to_owned().leak().as_bytes();
    Daemon::by(move |op| match op {
        Op::Health => Answer::Health {
            ready,
            generation: 3,
            document,
        },
        _ => Answer::Status {
            state: State::Rotated,
            until: 1_700_000_000,
        },
    })
}

/// Forty days and half an hour ago: shown as 40 d, however long a test takes.
#[allow(clippy::disallowed_methods)] // what is shown is relative to the clock
fn long_ago() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 40 * 86_400 - 1_800
}

fn whole() -> String {
    format!(
        r#"{{"version":"9.8.7","uptime_seconds":11520,"faults":["no file /x\nmake one","another\u001b[2J"],
        "warnings":["files are polled: no inotify"],
        "reload":{{"watch":"poll","reloads":2,"changes":[{{"at":1700000000,"generation":2,"text":"the first"}},
            {{"at":{},"generation":3,"text":"every token is now invalid"}}]}},
        "store":{{"kind":"redis","fault":null,"entries":12,"changes":40,"commits":22,"age_ms":7,"pending":1,"repaired":0,
            "unknown":0,"a_new_one":[1]}},
        "realms":[{{"name":"api","generation":1,"version":"7","issued":5,"keys":[]}},
            {{"name":"default","generation":3,"version":7,"keys":[
            {{"role":"current","algorithm":"HS512","fingerprint":"00112233445566778899aabbccddeeff"}},
            {{"role":"retired","algorithm":"HS256","fingerprint":"ffeeddccbbaa99887766554433221100"}}]}}],
        "realms_left_out":4,"reuses":6,"a_new_one":{{}}}}"#,
        long_ago()
    )
}

#[test]
fn faults_come_first_and_columns_are_aligned() {
    let daemon = with(false, &whole());
    let (code, said) = daemon.answers(&["health"], "");
    let mut lines: Vec<_> = said.lines().collect();
    let last = lines.pop().unwrap();
    assert_eq!(last, "  2023-11-14T22:13:20Z".to_owned() + &last[22..]);
    assert!(last.ends_with("  generation 2  the first"), "{last}");
    let change = lines.pop().unwrap();
    assert!(change.contains("Z (40 d ago)"), "{change}");
    assert!(
        change.ends_with("  generation 3  every token is now invalid"),
        "{change}"
    );
    let expected = [
        "NOT READY, generation 3, up 3 h 12 min, jwtkeeperd 9.8.7, 2 faults, 1 warning",
        "faults",
        "  - no file /x make one",
        "  - another\u{fffd}[2J",
        "warnings",
        "  - files are polled: no inotify",
        "store   redis, 12 entries, 40 changes, 22 commits, 1 pending for Redis, 0 repaired, 0 unknown, as Redis said it 7 ms ago",
        "files   watched by poll, 2 reloads asked for",
        "reuses  6 rotated tokens presented after their grace",
        "realm    generation  version  issued  key      algorithm  fingerprint",
        "api      1           \"7\"      5       no key",
        "default  3           7        -       current  HS512      00112233445566778899aabbccddeeff",
        "                                      retired  HS256      ffeeddccbbaa99887766554433221100",
        "and 4 realms that there was no room for",
        "last changes",
    ];
    assert_eq!((code, lines), (1, expected.to_vec()), "{said}");
}

#[test]
fn an_older_daemon_is_shown_by_what_it_says() {
    assert_eq!(
        with(true, "{}").answers(&["health"], ""),
        (0, "ready, generation 3\n".to_owned())
    );
    let odd = with(
        true,
        r#"{"faults":7,"realms":"many","store":{"entries":"x","kind":"embedded"},"uptime_seconds":0}"#,
    );
    let expected = "ready, generation 3, up 0 s\nstore  embedded\n".to_owned();
    assert_eq!(odd.answers(&["health"], ""), (0, expected));
}

fn health_of(daemon: &Daemon) -> Command {
    let mut command = program();
    command.env("JWTKEEPER_SOCKET", daemon.fake.socket()).arg("health");
    command
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let (ready, not) = (with(true, "{}"), with(false, "{}"));
    let seen = |command: Command, on: &On| Terminal::run(command, on).end();
    let plain = "ready, generation 3\r\n";
    assert_eq!(
        seen(health_of(&ready), &ALL),
        (Some(0), format!("\x1b[1;32mready\x1b[0m{}", &plain[5..]))
    );
    let red = "\x1b[1;31mNOT READY\x1b[0m, generation 3\r\n".to_owned();
    assert_eq!(seen(health_of(&not), &ALL), (Some(1), red));
    for (name, value, expected) in [
        ("NO_COLOR", "1", false),
        ("NO_COLOR", "", true),
        ("TERM", "dumb", false),
    ] {
        let mut command = health_of(&ready);
        command.env(name, value);
        let (_, said) = seen(command, &ALL);
        assert_eq!(said.contains('\x1b'), expected, "{name}={value}: {said:?}");
    }
    let mut json = health_of(&ready);
    json.arg("--json");
    let expected = "{\"ready\":true,\"generation\":3,\"details\":{}}\r\n".to_owned();
    assert_eq!(seen(json, &ALL), (Some(0), expected));
    let (_, said) = ready.answers(&["health"], "");
    assert_eq!(said, "ready, generation 3\n");
}

#[test]
fn status_says_until_when_and_how_far_that_is() {
    let daemon = with(true, r#"{"store":{"age_ms":7}}"#);
    let (code, said) = daemon.answers(&["status", "--jti", "an-id"], "");
    let (first, rest) = said.split_once('\n').unwrap();
    assert_eq!((code, rest), (0, "as Redis said it 7 ms ago\n"));
    assert!(first.starts_with("rotated until 2023-11-14T22:13:20Z ("), "{first}");
    assert!(first.contains(" d") && first.contains(" ago). Rotated: "), "{first}");
}
