//! No inotify is to be had: files are polled, health says why, and every change is in force within a poll.

use crate::support::namespace::{Users, can};
use crate::support::ways::Way;
use crate::support::{Follow, Rounds, until};

const CALLERS: usize = 2;
const RELOAD: &str = "poll = \"600ms\"\nsettle = \"200ms\"";
const NO_INSTANCES: &str = "echo 0 > /proc/sys/user/max_inotify_instances";
const FEW_WATCHES: &str = "echo 1 > /proc/sys/user/max_inotify_watches";
/// What the daemon names: the limits of the host, which a user namespace has of its own.
const INSTANCES: &str = "fs.inotify.max_user_instances";
const WATCHES: &str = "fs.inotify.max_user_watches";

fn assert_polled(follow: &Follow, sysctl: &str) {
    until("health says that files are polled", || {
        let health = follow.daemon.health();
        let warnings = health["warnings"].as_array().unwrap();
        let named = |warning: &serde_json::Value| warning.as_str().unwrap().contains(sysctl);
        health["reload"]["watch"] == "poll" && warnings.iter().any(named)
    });
    follow.daemon.logged(sysctl);
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
        follow.daemon.logged("files are watched again");
        // With a poll as seldom as this, only events can tell.
        follow.daemon.setup.replace("600ms", "1h");
        until("the other poll is in force", || {
            follow.daemon.client().health().unwrap().generation == 2
        });
        let figures = follow.changes(0..10, CALLERS);
        println!("{limit} raised: watched again; {} changes, {figures}", figures.0.len());
    }
}
