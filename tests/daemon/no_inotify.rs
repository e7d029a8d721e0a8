//! No inotify is to be had: files are polled, health says why, and every change is in effect within a poll.

use std::process::Command;
use std::time::{Duration, Instant};

use jwtkeeper_client::Issue;

use jwtkeeper_testkit::daemons::follow::refused;
use jwtkeeper_testkit::daemons::load::secret;
use jwtkeeper_testkit::daemons::namespace::{Users, can};
use jwtkeeper_testkit::daemons::ways::Way;
use jwtkeeper_testkit::daemons::{Daemon, Follow, Rounds, Setup, pace, until};

const CALLERS: usize = 2;
const RELOAD: &str = "poll = \"600ms\"\nsettle = \"200ms\"";
const NO_INSTANCES: &str = "echo 0 > /proc/sys/user/max_inotify_instances";
const FEW_WATCHES: &str = "echo 1 > /proc/sys/user/max_inotify_watches";
/// What the daemon names: the limits of the host, which a user namespace has of its own.
const INSTANCES: &str = "fs.inotify.max_user_instances";
const WATCHES: &str = "fs.inotify.max_user_watches";

/// How long the kernel may take to refuse an instance: it was seen to take 20 seconds. The daemon can say no sooner why.
const REFUSAL: Duration = Duration::from_secs(120);

fn assert_polled(follow: &Follow, sysctl: &str) {
    let end = Instant::now() + REFUSAL;
    loop {
        let health = follow.daemon.health();
        let warnings = health["warnings"].as_array().unwrap();
        let named = |warning: &serde_json::Value| warning.as_str().unwrap().contains(sysctl);
        if health["reload"]["watch"] == "poll" && warnings.iter().any(named) {
            break;
        }
        assert!(
            Instant::now() < end,
            "health does not say that files are polled: {health}"
        );
        pace(Duration::from_millis(1));
    }
}

fn is_seen(way: Way, reload: &str, limit: (&str, &str), rounds: Rounds) {
    let (script, sysctl) = limit;
    let follow = Follow::start(way, reload, Some(script));
    assert_polled(&follow, sysctl);
    let figures = follow.changes(rounds, CALLERS);
    let (count, requests) = (figures.0.len(), follow.load.requests());
    println!("polled, {way:?}: {count} changes seen, {figures}; {requests} requests answered right");
    assert_polled(&follow, sysctl);
}

#[test]
fn every_way_is_seen_by_the_poll() {
    if !can(Users::Own) {
        return;
    }
    for way in Way::ALL {
        let rounds = Rounds::new(&format!("polled-{way:?}"), 2, 50);
        is_seen(way, RELOAD, (NO_INSTANCES, INSTANCES), rounds);
    }
}

#[test]
fn too_few_watches_are_as_good_as_none() {
    if !can(Users::Own) {
        return;
    }
    for way in [Way::Rename, Way::Truncate, Way::Volume, Way::ConfigMap] {
        let rounds = Rounds::new(&format!("few-watches-{way:?}"), 2, 50);
        is_seen(way, RELOAD, (FEW_WATCHES, WATCHES), rounds);
    }
}

#[test]
fn the_poll_that_is_the_default_sees_it_too() {
    if !can(Users::Own) {
        return;
    }
    for way in [Way::Rename, Way::Truncate] {
        let rounds = Rounds::new(&format!("default-poll-{way:?}"), 1, 3);
        is_seen(way, "", (NO_INSTANCES, INSTANCES), rounds);
    }
}

/// The limit is raised, and events are told of again, without a restart.
#[test]
fn it_watches_again_when_it_can() {
    if !can(Users::Own) {
        return;
    }
    let limits = [
        ("max_inotify_instances", 0, INSTANCES),
        ("max_inotify_watches", 1, WATCHES),
    ];
    for (limit, low, sysctl) in limits {
        // The shell stays in the namespace, and raises the limit when it is told to.
        let script = format!(
            "cd \"$HOOK\"; mkfifo raise\nlimit=/proc/sys/user/{limit}\necho {low} > $limit\n\
             (read -r to < raise; echo $to > $limit) &"
        );
        let hook = tempfile::tempdir().unwrap();
        let script = script.replace("$HOOK", hook.path().to_str().unwrap());
        let mut follow = Follow::start(Way::Rename, RELOAD, Some(&script));
        assert_polled(&follow, sysctl);
        std::fs::write(hook.path().join("raise"), "100\n").unwrap();
        let watches = || follow.daemon.health()["reload"]["watch"] == "inotify";
        until("it watches again", watches);
        assert_eq!(follow.daemon.health()["warnings"].as_array().unwrap().len(), 0);
        follow.daemon.logged("watching files again");
        // With a poll as seldom as this, only events can tell.
        follow.daemon.setup.replace("600ms", "1h");
        until("the other poll is in effect", || {
            follow.daemon.client().health().unwrap().generation == 2
        });
        let figures = follow.changes(0..10, CALLERS);
        println!("{limit} raised: watched again; {} changes, {figures}", figures.0.len());
    }
}

/// A daemon that is refused an instance after so many microseconds. A kernel that has none left may take long to say
/// so: it first waits for what others gave back.
fn refused_after(microseconds: u64) -> Daemon {
    let setup = Setup::new().top(&format!("[reload]\n{RELOAD}"));
    setup.init();
    let daemon = setup.command(&[]);
    let mut command = Command::new("strace");
    command.args(["-f", "-o"]).arg(setup.path("trace"));
    command.args(["-e", "trace=inotify_init1", "-e"]);
    command.arg(format!("inject=inotify_init1:error=EMFILE:delay_enter={microseconds}"));
    command.arg(daemon.get_program()).args(daemon.get_args());
    Daemon::start_with(setup, command)
}

#[test]
fn a_kernel_that_is_slow_to_refuse_holds_up_nothing() {
    let daemon = refused_after(100_000_000); // longer than this test
    let token = daemon.client().issue(Issue::new()).unwrap().token().to_owned();
    daemon.setup.write_secret("default.secret", secret(1).as_bytes());
    refused(&daemon.client(), &token);
    let health = daemon.health();
    assert_eq!(health["reload"]["watch"], "poll");
    assert_eq!(health["warnings"].as_array().unwrap().len(), 1, "{health}");
    let asked = Instant::now();
    daemon.client().reload().unwrap();
    println!("a refusal that takes 100 s: a reload took {:?}", asked.elapsed());
}

#[test]
fn a_slow_refusal_is_told_when_it_comes() {
    let daemon = refused_after(1_000_000);
    daemon.logged("has not said yet");
    daemon.logged(INSTANCES);
    let warnings = &daemon.health()["warnings"];
    assert!(warnings[0].as_str().unwrap().contains(INSTANCES), "{warnings}");
}
