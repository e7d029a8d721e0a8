//! /readyz, and health over the wire, which say the same: what makes the daemon unready, and what does not.

use jwtkeeper_core::denylist::{Change, Denylist};
use jwtkeeper_core::types::Millis;
use jwtkeeper_store::Embedded;
use nix::sys::signal::Signal;

use jwtkeeper_testkit::daemons::http::{At, start};
use jwtkeeper_testkit::daemons::{Daemon, SECRET, Setup, until};

fn faults(at: &At) -> Vec<String> {
    let (_, document) = at.ready();
    let faults = document["faults"].as_array().unwrap();
    faults.iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
}

/// That it is ready or not, by all ways of asking.
fn agreed(daemon: &Daemon, at: &At, ready: bool) {
    assert_eq!(at.ready().0, ready);
    assert_eq!(at.value("jwtkeeper_ready"), Some(f64::from(u8::from(ready))));
    assert_eq!(daemon.client().health().unwrap().ready, ready);
    assert_eq!(at.sum("jwtkeeper_faults{") == 0.0, ready);
    assert_eq!(at.get("/livez").status, 200, "it lives however that is");
}

#[test]
fn a_broken_secret_and_back() {
    let (daemon, at) = start(Setup::new());
    agreed(&daemon, &at, true);
    assert_eq!(at.value("jwtkeeper_config_last_reload_successful"), Some(1.0));
    daemon.setup.write_secret("default.secret", b"short");
    until("it is not ready", || !at.ready().0);
    agreed(&daemon, &at, false);
    assert!(faults(&at)[0].contains("default.secret"), "{:?}", faults(&at));
    let right = at
        .value("jwtkeeper_config_last_reload_success_timestamp_seconds")
        .unwrap();
    assert_eq!(at.value("jwtkeeper_config_last_reload_successful"), Some(0.0));
    daemon.setup.write_secret("default.secret", SECRET.as_bytes());
    until("it is ready", || at.ready().0);
    agreed(&daemon, &at, true);
    assert!(
        at.value("jwtkeeper_config_last_reload_success_timestamp_seconds")
            .unwrap()
            > right
    );
}

/// Connections that are open go on; nobody can make another.
#[test]
fn a_socket_whose_file_is_removed_or_replaced() {
    let (daemon, at) = start(Setup::new());
    let client = daemon.client();
    client.ping().unwrap();
    let socket = daemon.setup.socket();
    let aside = daemon.setup.path("aside");
    std::fs::rename(&socket, &aside).unwrap();
    assert!(!at.ready().0);
    let told = format!(
        "the socket {} was removed: new clients cannot reach this daemon",
        socket.display()
    );
    assert!(faults(&at)[0].contains(&told), "{:?}", faults(&at));
    assert!(!client.health().unwrap().ready, "over a connection that was open");
    assert_eq!(at.sum("jwtkeeper_faults{kind=\"socket\""), 1.0);
    daemon.logged("was removed: new clients");
    let other = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(faults(&at)[0].contains("was replaced: "), "{:?}", faults(&at));
    drop(other);
    std::fs::rename(&aside, &socket).unwrap();
    until("it is ready", || at.ready().0);
    agreed(&daemon, &at, true);
}

#[test]
fn a_store_that_is_gone() {
    let (daemon, at) = start(Setup::new());
    assert_eq!(at.value("jwtkeeper_store_up"), Some(1.0));
    std::fs::remove_file(daemon.setup.state_dir().join("denylist.redb")).unwrap();
    until("it is not ready", || !at.ready().0);
    agreed(&daemon, &at, false);
    assert_eq!(at.value("jwtkeeper_store_up"), Some(0.0));
    assert_eq!(at.value("jwtkeeper_store_size_bytes"), None);
}

/// A clock an hour behind what was minted before: tokens are issued all the same, and a metric shows the difference.
#[test]
fn a_clock_that_is_behind() {
    let setup = Setup::new();
    setup.init();
    #[allow(clippy::disallowed_methods)] // as a daemon with a clock an hour ahead would leave it
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let now = Millis(now.as_millis() as u64);
    let store = Embedded::open(&setup.state_dir(), now, 0).unwrap();
    let minted = now.plus(3_600_000);
    let realm = store.index().realm("default");
    realm.note_minted(minted);
    let change = Change::Tick {
        now: minted,
        elapsed_ms: 3_600_000,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.apply(&realm, change)).unwrap();
    store.close();
    drop(store);
    let socket = setup.path("metrics.sock");
    let daemon = Daemon::start(setup.top(&format!("[metrics]\nsocket = \"{}\"", socket.display())));
    let at = At::Unix(socket);
    agreed(&daemon, &at, true);
    assert_eq!(at.value("jwtkeeper_self_test_passed{realm=\"default\"}"), Some(1.0));
    let behind = at.value("jwtkeeper_clock_behind_seconds").unwrap();
    assert!((3000.0..3601.0).contains(&behind), "{behind}");
}

/// A realm whose tokens all outgrow its own limit can issue none.
#[test]
fn a_realm_that_can_issue_nothing() {
    let issuer = format!("issuer = \"{}\"\nmax_token = 256", "long".repeat(100));
    let (daemon, at) = start(Setup::new().realm("second", "HS256", SECRET.as_bytes(), &issuer));
    agreed(&daemon, &at, false);
    let said = faults(&at);
    assert!(
        said.len() == 1 && said[0].contains("realm second") && said[0].contains("max_token"),
        "{said:?}"
    );
    assert_eq!(at.value("jwtkeeper_self_test_passed{realm=\"default\"}"), Some(1.0));
    assert_eq!(at.value("jwtkeeper_self_test_passed{realm=\"second\"}"), Some(0.0));
}

/// The self-test is no request, and who asks all the time has it made seldom.
#[test]
fn the_self_test_leaves_nothing_behind() {
    let (daemon, at) = start(Setup::new());
    agreed(&daemon, &at, true);
    let changes = at.value("jwtkeeper_store_entries");
    for _ in 0..50 {
        at.ready();
    }
    assert_eq!(at.value("jwtkeeper_store_entries"), changes);
    assert_eq!(at.value("jwtkeeper_store_apply_duration_seconds_count"), Some(0.0));
}

/// The thread that follows the files is gone, by a defect of ours: that is a fault, and who asks for a reload hears of it.
#[cfg(debug_assertions)]
#[test]
fn nobody_follows_the_files() {
    let (daemon, at) = start(Setup::new().environment("JWTKEEPER_TEST_RELOAD_ENDS_THE_FOLLOWER", "1"));
    agreed(&daemon, &at, true);
    assert_eq!(at.value("jwtkeeper_file_watcher_up"), Some(1.0));
    daemon.signal(Signal::SIGHUP);
    until("it is not ready", || !at.ready().0);
    agreed(&daemon, &at, false);
    assert!(faults(&at)[0].contains("watching files failed"), "{:?}", faults(&at));
    assert_eq!(at.value("jwtkeeper_file_watcher_up"), Some(0.0));
    let error = daemon.client().reload().unwrap_err();
    assert!(error.to_string().contains("watching files failed"), "{error}");
}
