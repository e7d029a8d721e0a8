//! A history of everything that clients do, judged answer by answer: two daemons whose clocks differ, on one Redis, with two
//! realms that have subjects of the same names.

mod caller;
mod model;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtkeeper_client::blocking;

use self::caller::Caller;
use self::model::{RealmChanges, Session, TestClock};
use crate::hosts::{host, settings};
use jwtkeeper_testkit::daemons::{Daemon, Over, pace, wait_for};
use jwtkeeper_testkit::servers::Server;

pub const REALMS: [&str; 2] = ["default", "shop"];
const CALLERS: usize = 8;
/// Sessions of a realm at a time.
const SESSIONS: usize = 100;
const SUBJECTS: usize = 50;
/// Operations of a short run; `make prove-history` sets JWTKEEPER_PROVE_OPERATIONS.
const SOME: u64 = 25_000;
/// At most one in so many may be unavailable while Redis runs: a login in the moments in which cutoffs are applied.
const MOST_UNAVAILABLE: u64 = 200;

/// All that callers share.
pub struct History {
    pub clock: TestClock,
    pub realms: Vec<RealmChanges>,
    pub sessions: Vec<Mutex<Vec<Option<Arc<Session>>>>>,
    pub operations: AtomicU64,
    pub unavailable: AtomicU64,
    pub is_over: AtomicBool,
    violations: Mutex<Vec<String>>,
}

impl History {
    fn new() -> Self {
        Self {
            clock: TestClock::new(),
            realms: REALMS.iter().map(|_| RealmChanges::new(SUBJECTS)).collect(),
            sessions: REALMS.iter().map(|_| Mutex::new(vec![None; SESSIONS])).collect(),
            operations: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            violations: Mutex::default(),
        }
    }

    pub fn violation(&self, what: String) {
        self.violations.lock().unwrap().push(what);
    }

    /// Has so many operations made; ends at once when something is wrong.
    fn run(self, hosts: &[Daemon], operations: u64) -> Self {
        let clients: Vec<blocking::Client> = hosts.iter().map(Daemon::client).collect();
        std::thread::scope(|scope| {
            let _over = Over(&self.is_over);
            let callers: Vec<_> = (0..CALLERS)
                .map(|number| {
                    let mut caller = Caller::new(&self, &clients, number);
                    scope.spawn(move || caller.run(operations))
                })
                .collect();
            let mut before = 0;
            while !callers.iter().all(|caller| caller.is_finished()) {
                // An operation is judged within the deadline of a call, or nothing moves any more.
                before = wait_for("operations are made", || {
                    pace(Duration::from_millis(50));
                    let now = self.operations.load(Ordering::Relaxed);
                    (now > before || callers.iter().all(|caller| caller.is_finished())).then_some(now)
                });
                if !self.violations.lock().unwrap().is_empty() {
                    self.is_over.store(true, Ordering::Relaxed);
                }
            }
        });
        let unavailable = self.unavailable.load(Ordering::Relaxed);
        if unavailable > operations / MOST_UNAVAILABLE {
            self.violation(format!("{unavailable} of {operations} operations were unavailable"));
        }
        self
    }
}

/// Two hosts whose clocks differ; `compare` breaks their cutoffs.
fn hosts(server: &Server, compare: &'static str) -> Vec<Daemon> {
    ["0", "1500"]
        .map(|offset| {
            let lines = format!("url = \"{}\"\nmax_staleness = \"10s\"", server.url());
            let policy = "clock_skew = \"2s\"\nrotation_grace = \"10m\"";
            let setup = settings(&lines)
                .top("[limits]\nrequests_per_uid = 0\nentries_per_realm = 0\nentries_per_uid = 0")
                .lines(policy)
                .realm(REALMS[1], "HS256", b"the secret of the shop: 0123456789abcdef", policy)
                .environment("JWTKEEPER_TEST_CLOCK_OFFSET_MS", offset)
                .environment("JWTKEEPER_TEST_CUTOFFS_COMPARE", compare);
            host(setup)
        })
        .into()
}

#[test]
fn every_answer_follows_from_the_history() {
    let operations = std::env::var("JWTKEEPER_PROVE_OPERATIONS").ok();
    let operations = operations.map_or(SOME, |number| number.parse().unwrap());
    let server = Server::start();
    let history = History::new().run(&hosts(&server, ""), operations);
    let violations = history.violations.lock().unwrap();
    println!(
        "history: {} operations on two hosts 1.5 s apart and two realms, {} of them unavailable; {} violations",
        history.operations.load(Ordering::Relaxed).min(operations),
        history.unavailable.load(Ordering::Relaxed),
        violations.len()
    );
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_cutoff_compared_with_ids_is_caught() {
    is_caught("ids", " after a ");
}

#[test]
fn a_cutoff_compared_with_times_alone_is_caught() {
    is_caught("times", "no login for");
}

fn is_caught(compare: &'static str, how: &str) {
    if !cfg!(debug_assertions) {
        println!("a release build has no such switch");
        return;
    }
    let server = Server::start();
    let history = History::new().run(&hosts(&server, compare), SOME);
    let violations = history.violations.lock().unwrap();
    let found = violations.iter().find(|violation| violation.contains(how));
    let found = found.unwrap_or_else(|| panic!("not caught: {violations:?}"));
    println!(
        "caught after {} operations: {found}",
        history.operations.load(Ordering::Relaxed)
    );
}
