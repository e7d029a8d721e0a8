//! What the service manager is told, and in which order; that its watchdog is fed by nothing but a loop that answers; and
//! that one which does not listen holds up nothing.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use jwtkeeper_client::Issue;
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use jwtkeeper_testkit::daemons::{Daemon, PATIENCE, Setup, until};

/// What fills its queue.
const OF_ANOTHER: &str = "STATUS=of another\n";

/// The manager's end.
struct Manager(UnixDatagram);

impl Manager {
    /// A daemon that has one, with a watchdog of half a second.
    fn of(setup: Setup) -> (Self, Daemon) {
        let manager = Self(UnixDatagram::bind(setup.path("notify")).unwrap());
        manager.start(setup)
    }

    /// The same of one that does not listen: as much is said to it already as the kernel holds.
    fn that_is_deaf(setup: Setup) -> (Self, Daemon) {
        let path = setup.path("notify");
        let manager = Self(UnixDatagram::bind(&path).unwrap());
        let other = UnixDatagram::unbound().unwrap();
        other.set_nonblocking(true).unwrap();
        let full = (0..1_000_000).find_map(|_| other.send_to(OF_ANOTHER.as_bytes(), &path).err());
        assert_eq!(full.map(|full| full.kind()), Some(std::io::ErrorKind::WouldBlock));
        manager.start(setup)
    }

    fn start(self, setup: Setup) -> (Self, Daemon) {
        setup.init();
        let path = setup.path("notify");
        let mut command = setup.command(&[]);
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "500000");
        command.env("JWTKEEPER_TEST_WEDGED_LOOP", setup.path("wedged"));
        (self, Daemon::start_with(setup, command))
    }

    /// The next that is said within this time.
    fn next(&self, limit: Duration) -> Option<String> {
        let mut bytes = [0; 4096];
        self.0.set_read_timeout(Some(limit)).unwrap();
        let count = self.0.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..count].to_vec()).unwrap())
    }

    /// The next that is neither the watchdog's food nor how the daemon is.
    fn state(&self) -> String {
        loop {
            let said = self.next(PATIENCE).expect("the manager is told");
            if said != "WATCHDOG=1\n" && !said.starts_with("STATUS=") {
                return said;
            }
        }
    }

    /// That the watchdog is fed.
    fn fed(&self) {
        while self.next(PATIENCE).expect("the watchdog is fed") != "WATCHDOG=1\n" {}
    }
}

#[test]
fn the_order_of_things() {
    let (manager, mut daemon) = Manager::of(Setup::new());
    let ready = manager.state();
    assert!(
        ready.starts_with("READY=1\nSTATUS=ready; generation 1; realms default; embedded store, 0 entries"),
        "{ready}"
    );
    manager.fed();
    for round in 0..3 {
        match round {
            0 => daemon.signal(Signal::SIGHUP),
            _ => drop(daemon.client().reload()),
        }
        let reloading = manager.state();
        let at = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .expect(&reloading);
        let at = Duration::from_micros(at.trim().parse().unwrap());
        let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
        assert!(at <= now && now - at < PATIENCE, "{at:?} at {now:?}");
        assert!(manager.state().starts_with("READY=1\nSTATUS="));
    }
    // One that is refused ends as well, and says so.
    daemon.setup.write_secret("default.secret", b"short");
    assert!(daemon.client().reload().is_err());
    assert!(manager.state().starts_with("RELOADING=1\n"));
    let ready = manager.state();
    assert!(
        ready.starts_with("READY=1\nSTATUS=not ready: 1 fault; generation 1;"),
        "{ready}"
    );
    daemon.stop();
    assert!(manager.state().starts_with("STOPPING=1\n"));
    while let Some(more) = manager.next(Duration::from_millis(1)) {
        assert!(!more.contains("READY=1"), "{more}");
    }
}

#[test]
fn a_wedged_loop_starves_the_watchdog() {
    let (manager, daemon) = Manager::of(Setup::new());
    manager.fed();
    daemon.setup.write("wedged", "");
    let fed = |limit| manager.next(limit).is_some_and(|said| said == "WATCHDOG=1\n");
    // One may be on its way.
    let starved = (0..4).any(|_| !fed(Duration::from_secs(2)));
    assert!(starved, "a loop that answers nothing is fed");
    assert!(!fed(Duration::from_secs(1)));
    // And only that starved it.
    std::fs::remove_file(daemon.setup.path("wedged")).unwrap();
    manager.fed();
    daemon.client().ping().unwrap();
}

/// A manager that is frozen: requests are answered and files are read all the same. Once it listens it hears how things
/// stand, and little of how they stood; of the watchdog's food one helping, however many it would have had.
#[test]
fn one_that_does_not_listen_holds_up_nothing() {
    let (manager, mut daemon) = Manager::that_is_deaf(Setup::new());
    let client = daemon.client();
    for generation in 2..=4 {
        let secret = format!("{generation:064}");
        daemon.setup.write_secret("default.secret", secret.as_bytes());
        assert_eq!(client.reload().unwrap(), generation);
        let minted = client.issue(Issue::new()).unwrap();
        assert!(client.validate(minted.token()).unwrap().is_valid());
    }
    // What it hears now was said when the loop still answered.
    daemon.setup.write("wedged", "");
    let hasty = daemon.client_with(|config| config.with_deadline(Duration::from_millis(300)));
    until("the loop answers nothing", || hasty.ping().is_err());
    let heard: Vec<_> = std::iter::from_fn(|| manager.next(Duration::from_secs(1)))
        .filter(|said| said != OF_ANOTHER)
        .collect();
    let count = |what: &str| heard.iter().filter(|said| said.starts_with(what)).count();
    assert_eq!(count("WATCHDOG=1"), 1, "{heard:?}");
    let states: Vec<_> = heard.iter().filter(|said| !said.starts_with("WATCHDOG=1")).collect();
    let begins = ["READY=1\nSTATUS=", "RELOADING=1\n", "READY=1\nSTATUS="];
    assert_eq!(states.len(), begins.len(), "{heard:?}");
    for (state, begin) in states.iter().zip(begins) {
        assert!(state.starts_with(begin), "{heard:?}");
    }
    assert!(
        states[0].contains("generation 1;") && states[2].contains("generation 4;"),
        "{heard:?}"
    );
    std::fs::remove_file(daemon.setup.path("wedged")).unwrap();
    manager.fed();
    daemon.stop();
    assert!(manager.state().starts_with("STOPPING=1\n"));
}

/// It stops as asked all the same, and soon.
#[test]
fn one_that_does_not_listen_holds_up_no_stop() {
    let (manager, mut daemon) = Manager::that_is_deaf(Setup::new());
    daemon.client().reload().unwrap();
    daemon.stop();
    let log = daemon.log();
    assert!(
        log.contains("stopped") && !log.contains("the watchdog is not fed"),
        "{log}"
    );
    while let Some(said) = manager.next(Duration::from_millis(1)) {
        assert!(!said.contains("STOPPING=1"), "nobody listened to {said}");
    }
}

/// A daemon at all its limits is not a dead one.
#[test]
fn a_crowd_does_not_starve_it() {
    let limits = "[limits]\nconnections = 4\nrequests_per_uid = 1";
    let (manager, daemon) = Manager::of(Setup::new().lines(limits));
    let mut crowd: Vec<_> = (0..3).map(|_| daemon.wire()).collect();
    for wire in &mut crowd {
        wire.ask(1, jwtkeeper_wire::Op::Ping);
    }
    while manager.next(Duration::from_millis(1)).is_some() {}
    (0..5).for_each(|_| manager.fed());
}
