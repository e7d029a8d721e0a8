//! `watch`: a screen of its own at a terminal, which is as it was whatever ends it; lines and objects elsewhere.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jwtkeeper_wire::{Answer, Op};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::pty::{ALL, On, Terminal, program};
use jwtkeeper_testkit::pace::until;

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// A daemon that has made ten changes more each time it is asked, and is up a second longer.
fn busy() -> Daemon {
    let times = Arc::new(AtomicU64::new(0));
    Daemon::by(move |op| match op {
        Op::Health => {
            let times = times.fetch_add(1, Ordering::SeqCst);
            health(times, times * 10)
        }
        _ => Answer::Pong,
    })
}

fn health(uptime: u64, changes: u64) -> Answer<'static> {
    let document = format!(
        r#"{{"uptime_seconds":{uptime},"store":{{"kind":"embedded","entries":12,"changes":{changes}}},"reuses":3,
        "realms":[{{"name":"default","generation":1,"keys":[],"requests":{{"validate":{{"valid":{changes}}}}}}}]}}"#
    );
    Answer::Health {
        ready: true,
        generation: 3,
        document: document.leak().as_bytes(),
    }
}

fn watch(daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = program();
    command.env("JWTKEEPER_SOCKET", daemon.fake.socket());
    command.args(["watch", "--interval", "10ms"]).args(args);
    command
}

#[test]
fn the_terminal_is_as_it_was_whatever_ends_it() {
    let daemon = busy();
    let ends: [(&str, Option<Signal>); 6] = [
        ("q", None),
        ("Q", None),
        ("", Some(Signal::SIGINT)),
        ("", Some(Signal::SIGTERM)),
        ("", Some(Signal::SIGHUP)),
        ("", Some(Signal::SIGQUIT)),
    ];
    for (key, signal) in ends {
        let mut terminal = Terminal::start(watch(&daemon, &[]), &ALL);
        let before = terminal.settings();
        terminal.go();
        assert_eq!(terminal.expect(ENTER), ENTER, "nothing comes before it");
        terminal.expect("\x1b[1;32mready\x1b[0m, generation 3, up ");
        terminal.expect("; q ends");
        let rate = terminal.expect("/s");
        assert!(rate.contains("entries") && rate.contains("changes"), "{rate}");
        assert_ne!(terminal.settings(), before, "keys come as they are typed");
        terminal.write(key);
        if let Some(signal) = signal {
            terminal.signal(signal);
        }
        let ended = terminal.ended();
        assert_eq!(terminal.settings(), before, "{key} {signal:?}");
        let (code, said) = ended;
        assert_eq!(code, Some(0), "{key} {signal:?}: {said:?}");
        assert!(said.ends_with(LEAVE), "{key} {signal:?}: {said:?}");
    }
}

#[test]
fn a_stopped_one_gives_the_screen_back_and_goes_on() {
    let daemon = busy();
    let mut terminal = Terminal::run(watch(&daemon, &[]), &ALL);
    terminal.expect("; q ends");
    terminal.signal(Signal::SIGTSTP);
    terminal.expect(LEAVE);
    until("it is stopped", || terminal.state() == 'T');
    terminal.signal(Signal::SIGCONT);
    terminal.expect(ENTER);
    terminal.expect("; q ends");
    terminal.write("q");
    assert!(terminal.end().1.ends_with(LEAVE));
}

#[test]
fn a_daemon_that_goes_is_waited_for() {
    let daemon = busy();
    let answers = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&answers);
    let daemon_away = Daemon::by(move |op| match (op, seen.fetch_add(1, Ordering::SeqCst)) {
        (Op::Health, 0..5) => health(100, 1_000),
        // It was started again meanwhile: it counts from 0.
        (Op::Health, 8..) => health(1, 5),
        (Op::Ping, 0..5 | 8..) => Answer::Pong,
        _ => Answer::Error {
            code: jwtkeeper_wire::ErrorCode::Internal,
            message: "a fault\x1b[2J",
        },
    });
    let mut terminal = Terminal::run(watch(&daemon_away, &[]), &ALL);
    terminal.expect("up 1 min 40 s");
    let away = terminal.expect("NO ANSWER\x1b[0m, ");
    assert!(!away.contains("up 1 s"), "{away}");
    terminal.expect("internal: a fault [2J");
    terminal.expect("up 1 s");
    terminal.write("q");
    assert_eq!(terminal.end().0, Some(0));

    // One that was never there is an error, on the screen that there was.
    let mut command = watch(&daemon, &[]);
    command.args(["--socket", "/nonexistent/socket", "--timeout", "50ms"]);
    let (code, said) = Terminal::run(command, &ALL).end();
    assert_eq!(code, Some(69));
    assert!(said.starts_with("jwtkeeperctl: no jwtkeeperd answers"), "{said:?}");
}

#[test]
fn where_there_is_no_screen_lines_are_added() {
    let daemon = busy();
    let mut dumb = watch(&daemon, &["--count", "2"]);
    dumb.env("TERM", "dumb");
    let (code, at_dumb) = Terminal::run(dumb, &ALL).end();
    assert_eq!(code, Some(0));
    let piped = On { stdout: false, ..ALL };
    assert_eq!(
        Terminal::run(watch(&daemon, &["--count", "1"]), &piped).end(),
        (Some(0), String::new())
    );
    let (code, lines) = daemon.answers(&["watch", "--interval", "10ms", "--count", "2"], "");
    assert_eq!(code, 0);
    for lines in [at_dumb.replace("\r\n", "\n"), lines] {
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (at, line) in lines.iter().enumerate() {
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(time.len() == 20 && time.ends_with('Z'), "{line}");
            assert!(rest.starts_with("ready, generation 3, up "), "{line}");
            assert!(
                rest.contains(", 12 entries, ") && rest.contains(", 3 reuses, 0 faults, ping "),
                "{line}"
            );
            assert_eq!(rest.contains(" changes/s, "), at == 1, "{line}");
            assert_eq!(rest.contains(" requests/s, "), at == 1, "{line}");
        }
    }
}

#[test]
fn a_fault_is_said_once_and_the_last_look_is_the_exit_status() {
    let daemon = Daemon::by(|op| match op {
        Op::Health => Answer::Health {
            ready: false,
            generation: 3,
            document: br#"{"faults":["no file: make one"]}"#,
        },
        _ => Answer::Pong,
    });
    let (code, said) = daemon.answers(&["watch", "--interval", "10ms", "--count", "3"], "");
    assert_eq!(
        (code, said.matches("NOT READY, generation 3, 1 faults").count()),
        (1, 3),
        "{said}"
    );
    assert_eq!(said.matches("\n  - no file: make one\n").count(), 1, "{said}");
}

#[test]
fn with_json_each_look_is_an_object() {
    let daemon = busy();
    let (code, said) = daemon.answers(&["--json", "watch", "--interval", "10ms", "--count", "3"], "");
    assert_eq!(code, 0);
    let looks: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(looks.len(), 3, "{said}");
    for (at, look) in looks.iter().enumerate() {
        assert_eq!(
            (&look["ready"], &look["error"]),
            (&Value::Bool(true), &Value::Null),
            "{look}"
        );
        assert_eq!(
            (look["entries"].as_u64(), look["reuses"].as_u64()),
            (Some(12), Some(3)),
            "{look}"
        );
        assert!(look["ping_microseconds"].is_u64() && look["at"].is_u64(), "{look}");
        let rates = look["rates"].as_object().unwrap();
        assert_eq!(rates.is_empty(), at == 0, "{look}");
        if at > 0 {
            assert!(rates["changes"].as_f64().unwrap() > 0.0, "{look}");
            assert_eq!(rates["changes"], rates["default requests validate"], "{look}");
        }
    }
}
