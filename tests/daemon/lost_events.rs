//! More events than the kernel keeps: those of a change are lost, and the change is seen all the same. At once, unless
//! the file must rest: that it was renamed can be among what was lost.

use std::fs;
use std::time::{Duration, Instant};

use jwtkeeper_client::Issue;
use nix::sys::signal::Signal;

use jwtkeeper_testkit::daemons::follow::refused;
use jwtkeeper_testkit::daemons::load::secret;
use jwtkeeper_testkit::daemons::ways::Way;
use jwtkeeper_testkit::daemons::{Daemon, Figures, Rounds, Setup, pace, until};

/// So seldom that it cannot be what sees the change.
const NO_POLL: &str = "[reload]\npoll = \"1h\"\nsettle = \"200ms\"";

fn start() -> Daemon {
    let setup = Setup::bare()
        .top(NO_POLL)
        .realm("default", "HS256", secret(0).as_bytes(), "");
    fs::create_dir(setup.path("conf.d")).unwrap();
    setup.start()
}

/// How many events the kernel keeps for a reader.
fn kept() -> u64 {
    let text = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    text.trim().parse().unwrap()
}

/// Changes the secret while the daemon stands still and its events overflow; how long after that it is in effect.
fn change_unseen(daemon: &Daemon, number: u64, events: u64, make_events: impl Fn(&Setup, u64)) -> Duration {
    let client = daemon.client();
    let token = client.issue(Issue::new()).unwrap().token().to_owned();
    daemon.signal(Signal::SIGSTOP);
    // At least one event each.
    for event in 0..events {
        make_events(&daemon.setup, event);
    }
    let file = daemon.setup.path("default.secret");
    Way::Rename.change(&file, &secret(number), &secret(number + 1));
    let start = Instant::now();
    daemon.signal(Signal::SIGCONT);
    refused(&client, &token) - start
}

/// Other names in the watched directory mean nothing to it: only the overflow tells it to look.
#[test]
fn a_change_among_lost_events_of_other_names_is_seen() {
    let daemon = start();
    let touch = |setup: &Setup, event: u64| setup.write(&format!("other.{}", event % 2), "");
    overflow(&daemon, "other names", touch);
}

#[test]
fn a_change_among_lost_events_of_its_own_names_is_seen() {
    let daemon = start();
    let rename = |setup: &Setup, event: u64| {
        let (secret, away) = (setup.path("default.secret"), setup.path("away"));
        match event % 2 {
            0 => fs::rename(secret, away).unwrap(),
            _ => fs::rename(away, secret).unwrap(),
        }
    };
    overflow(&daemon, "the secret itself", rename);
}

#[test]
fn a_change_among_lost_events_of_drop_ins_is_seen() {
    let daemon = start();
    let touch = |setup: &Setup, event: u64| {
        let file = setup.path("conf.d/more.toml");
        match event % 2 {
            0 => fs::write(file, "").unwrap(),
            _ => fs::remove_file(file).unwrap(),
        }
    };
    overflow(&daemon, "drop-ins", touch);
}

fn overflow(daemon: &Daemon, what: &str, make_events: impl Fn(&Setup, u64)) {
    let events = (kept() + 4000).next_multiple_of(2).max(20_000);
    let mut number = 0;
    let mut spans = Vec::new();
    for _ in Rounds::new(&format!("overflow-{}", what.replace(' ', "-")), 1, 20) {
        spans.push(change_unseen(daemon, number, events, &make_events));
        number += 1;
        // And what comes after is told of again.
        change_seen(daemon, number);
        number += 1;
    }
    let figures = Figures(spans);
    println!(
        "{events} events lost ({what}): {} changes seen, {figures}",
        figures.0.len()
    );
    assert_eq!(daemon.health()["faults"].as_array().unwrap().len(), 0);
}

/// A change like any other.
fn change_seen(daemon: &Daemon, number: u64) {
    let client = daemon.client();
    let token = client.issue(Issue::new()).unwrap().token().to_owned();
    let file = daemon.setup.path("default.secret");
    Way::Rename.change(&file, &secret(number), &secret(number + 1));
    refused(&client, &token);
}

/// A name that was moved there once vouches for no file that is written there later, however late its events come.
#[test]
fn a_file_half_written_behind_old_events_must_rest() {
    let setup = Setup::bare().top("[reload]\npoll = \"1h\"\nsettle = \"10s\"");
    let daemon = setup.realm("default", "HS256", secret(0).as_bytes(), "").start();
    let file = daemon.setup.path("default.secret");
    let away = daemon.setup.path("away");
    daemon.signal(Signal::SIGSTOP);
    for _ in 0..5000 {
        fs::rename(&file, &away).unwrap();
        fs::rename(&away, &file).unwrap();
    }
    fs::remove_file(&file).unwrap();
    daemon.setup.write_secret("default.secret", &secret(1).as_bytes()[..40]);
    daemon.signal(Signal::SIGCONT);
    pace(Duration::from_secs(2)); // far less than it must rest
    assert_eq!(
        daemon.client().health().unwrap().generation,
        1,
        "half of it is in effect"
    );
}

/// The thread that watches files ends, by a defect of ours: what it was told last is seen, and it is followed by another.
#[cfg(debug_assertions)]
#[test]
fn a_watcher_that_ends_has_a_successor() {
    let setup = Setup::bare()
        .top(NO_POLL)
        .environment("JWTKEEPER_TEST_EVENT_ENDS_THE_WATCHER", "1")
        .realm("default", "HS256", secret(0).as_bytes(), "");
    let daemon = setup.start();
    let client = daemon.client();
    let file = daemon.setup.path("default.secret");
    for number in 0..3 {
        let token = client.issue(Issue::new()).unwrap().token().to_owned();
        Way::Rename.change(&file, &secret(number), &secret(number + 1));
        refused(&client, &token);
    }
    // Who meets the watcher in the midst of its end fails once, says so, and tries again.
    until("nothing is wrong any more", || client.health().unwrap().ready);
    assert_eq!(daemon.health()["reload"]["watch"], "inotify");
}
