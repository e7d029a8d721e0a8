//! Every way in which a file changes is seen, and no request notices but by its answer.

use jwtkeeper_testkit::daemons::follow::SETTLE;
use jwtkeeper_testkit::daemons::namespace::{Users, can};
use jwtkeeper_testkit::daemons::ways::Way;
use jwtkeeper_testkit::daemons::{Follow, Rounds};

const CALLERS: usize = 8;
/// So seldom that it cannot be what sees a change: events must.
const RELOAD: &str = "poll = \"1h\"\nsettle = \"200ms\"";

fn is_seen(way: Way) {
    let follow = Follow::start(way, RELOAD, None);
    assert_eq!(follow.daemon.health()["reload"]["watch"], "inotify");
    let figures = follow.changes(Rounds::new(&format!("changes-{way:?}"), 5, 50), CALLERS);
    print!("{way:?}: {} changes seen, {figures}", figures.0.len());
    if way.in_place() {
        print!("; less settle: {}", figures.less(SETTLE));
    }
    println!("; {} requests answered right", follow.load.requests());
    assert_eq!(follow.daemon.health()["reload"]["watch"], "inotify");
}

#[test]
fn a_rename_over_it_is_seen() {
    is_seen(Way::Rename);
}

#[test]
fn a_write_at_once_is_seen() {
    is_seen(Way::Truncate);
}

#[test]
fn a_write_byte_by_byte_is_seen_when_whole() {
    is_seen(Way::Drip);
}

#[test]
fn a_write_over_it_is_seen() {
    is_seen(Way::Overwrite);
}

#[test]
fn sed_is_seen() {
    is_seen(Way::Sed);
}

#[test]
fn vim_is_seen() {
    is_seen(Way::Vim);
}

#[test]
fn cp_is_seen() {
    is_seen(Way::Cp);
}

#[test]
fn a_hard_link_renamed_is_seen() {
    is_seen(Way::HardLink);
}

#[test]
fn ln_is_seen() {
    is_seen(Way::Ln);
}

#[test]
fn a_symbolic_link_renamed_is_seen() {
    is_seen(Way::Symlink);
}

#[test]
fn one_moved_there_after_none_was_is_seen() {
    is_seen(Way::Gone);
}

#[test]
fn a_secret_of_kubernetes_is_seen() {
    is_seen(Way::Volume);
}

#[test]
fn a_config_map_of_kubernetes_is_seen() {
    is_seen(Way::ConfigMap);
}

#[test]
fn a_bind_mount_is_seen() {
    if can(Users::Shared) {
        is_seen(Way::BindMount);
    }
}
