//! kill -9 while the store's file is compacted: what was acknowledged is found again, in whichever file the next start
//! finds.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use jwtkeeper_core::denylist::{Denylist, Kind, Level, Revocation};
use jwtkeeper_store::Embedded;

use crate::support::{
    NOW, Random, apply, directory, entries, hard, moment, open, open_at, raise, realm, tick, until, uuid,
};

/// Names the state directory to the process that is killed.
const CHILD: &str = "JWTKEEPER_TEST_COMPACTS_IN";
/// Entries that expire: more than seven eighths of a file of more than 4 MiB.
const DEAD: u64 = 80_000;
/// Entries that live: several slices of a copy.
const LIVING: u64 = 9_000;
const ROUNDS: u64 = 9;

/// Revokes one token after the other while the file is compacted, and prints the number of each as it is acknowledged.
fn revoke_until_killed(state_dir: &Path) {
    let store = Embedded::open(state_dir, moment(0), 2000).unwrap();
    let realm = realm(store.index());
    drop(store.apply(&realm, tick(2000))); // asked for, and not waited for
    let mut out = std::io::stdout().lock();
    for number in 1_000_000.. {
        let entry = Revocation {
            until: NOW + 1_000_000,
            ..hard(Kind::Token, &uuid(number))
        };
        apply(&store, &realm, entries(vec![entry])).unwrap();
        writeln!(out, "acknowledged {number}").unwrap(); // nobody reads any more: the parent is gone
        out.flush().unwrap();
    }
}

/// Makes a store that is compacted as soon as it may forget.
fn mostly_dead() -> tempfile::TempDir {
    let directory = directory();
    let store = open(&directory);
    let realm = realm(store.index());
    let all: Vec<_> = (0..DEAD + LIVING)
        .map(|number| {
            let last = if number < LIVING { 1_000_000 } else { 1000 };
            raise(Kind::Token, &uuid(number), Level::Hard, NOW + last)
        })
        .collect();
    for some in all.chunks(5000) {
        apply(&store, &realm, entries(some.to_vec())).unwrap();
    }
    drop(store);
    directory
}

#[test]
fn no_acknowledged_entry_is_lost_by_kill_9_during_compaction() {
    if let Some(state_dir) = std::env::var_os(CHILD) {
        return revoke_until_killed(Path::new(&state_dir));
    }
    let original = mostly_dead();
    let mut random = Random(59);
    let (mut during, mut after, mut acknowledged) = (0, 0, 0);
    for round in 0..ROUNDS {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("denylist.redb");
        let copy = directory.path().join("denylist.redb.compact");
        std::fs::copy(original.path().join("denylist.redb"), &file).unwrap();
        let length = std::fs::metadata(&file).unwrap().len();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "killed::no_acknowledged_entry_is_lost_by_kill_9_during_compaction",
                "--nocapture",
            ])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut numbers = Vec::new();
        let mut next = || {
            let line = lines.next().expect("the child goes on").unwrap();
            let number = line
                .split_once("acknowledged ")
                .and_then(|(_, number)| number.parse::<u64>().ok());
            numbers.extend(number);
        };
        while !copy.exists() && std::fs::metadata(&file).unwrap().len() >= length {
            next();
        }
        if round % 3 == 2 {
            // The moment that the copy takes the file's place.
            while copy.exists() {
                next();
            }
        } else {
            (0..random.below(40)).for_each(|_| next());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was printed before the kill was acknowledged.
        for line in lines.map_while(Result::ok) {
            let number = line
                .split_once("acknowledged ")
                .and_then(|(_, number)| number.parse::<u64>().ok());
            numbers.extend(number);
        }
        *(if copy.exists() { &mut during } else { &mut after }) += 1;
        let store = open_at(&directory, 2000);
        assert!(!copy.exists(), "round {round}");
        let found = realm(store.index());
        let lost = |number: &u64| found.token(&uuid(*number)).is_none();
        let all = numbers.iter().copied().chain(0..LIVING);
        assert_eq!(all.filter(lost).collect::<Vec<_>>(), [0_u64; 0], "round {round}");
        acknowledged += numbers.len();
        // And the next compaction succeeds.
        apply(&store, &found, tick(4000)).unwrap();
        until("the file is small", || {
            std::fs::metadata(&file).unwrap().len() < length / 2
        });
    }
    println!(
        "killed {during} times during a compaction, {after} times after one; {acknowledged} entries acknowledged, none lost"
    );
    assert!(during >= 3 && after >= 1, "{during} during, {after} after");
}
