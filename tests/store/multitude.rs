//! Millions of entries that come and expire together: nobody waits for it, and file and memory are small afterwards. The
//! number of entries is JWTKEEPER_PROVE_ENTRIES; `make prove-expiry` sets it, and runs this optimised.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jwtkeeper_core::denylist::{Denylist, Index, Kind, Level, Revocation};
use jwtkeeper_store::Embedded;
use nix::time::{ClockId, clock_gettime};

use crate::support::{NOW, apply, directory, entries, hard, open_at, raise, realm, tick, until, uuid};

/// When all of them expire.
const LAST: i64 = NOW + 1000;
/// When they may be forgotten.
const LATER: i64 = 2000;
/// Less memory than this, in MiB, is lost in what else the process uses.
const LARGE: u64 = 32;
/// Revocations before the entries expire, for comparison; in `make prove-expiry` more.
const QUIET: u64 = 300;
const QUIET_JUDGED: u64 = 5000;

/// How many entries, and whether their times are judged: only an optimised build on a quiet machine has times worth it.
fn size(ordinary: u64) -> (u64, bool) {
    let many = std::env::var("JWTKEEPER_PROVE_ENTRIES").ok();
    let many = many.map(|many| many.parse().expect("JWTKEEPER_PROVE_ENTRIES is a number"));
    (many.unwrap_or(ordinary), many.is_some())
}

fn entry(number: u64) -> Revocation {
    raise(Kind::Token, &uuid(number), Level::Hard, LAST)
}

/// What this thread has used of a processor: what others do at the same time does not count.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// The longest of many steps.
fn longest(count: u64, mut step: impl FnMut(u64)) -> Duration {
    let mut longest = Duration::ZERO;
    let mut before = used();
    for number in 0..count {
        step(number);
        let now = used();
        longest = longest.max(now.saturating_sub(before));
        before = now;
    }
    longest
}

#[test]
fn no_growth_of_the_index_is_long() {
    let (count, judged) = size(400_000);
    let index = Index::default();
    let realm = index.realm("default");
    let ours = longest(count, |number| {
        realm.raise(&entry(number));
    });
    // One of sixteen maps that hold as many.
    let mut map = HashMap::new();
    let large = longest(count / 16, |number| {
        map.insert([number, number.rotate_left(17)], [0_u32; 3]);
    });
    println!("{count} entries: the longest growth takes {ours:?}; one of 16 maps would take {large:?}");
    assert!(
        if judged {
            ours < large / 4
        } else {
            ours < Duration::from_millis(4)
        },
        "{ours:?}"
    );
    let begun = Instant::now();
    index.purge(LAST + 100);
    println!("forgetting all of it at once would take {:?}", begun.elapsed());
    assert!(index.is_empty());
}

/// What a caller waits for.
struct Waits(Vec<Duration>);

impl Waits {
    fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self(waits)
    }

    fn at(&self, permille: usize) -> Duration {
        self.0[(self.0.len() - 1) * permille / 1000]
    }
}

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (p50, p99, p999, max) = (self.at(500), self.at(990), self.at(999), self.at(1000));
        write!(
            f,
            "{} revocations: p50 {p50:?}, p99 {p99:?}, p99.9 {p999:?}, max {max:?}",
            self.0.len()
        )
    }
}

/// Revokes one token after the other while `more` says so.
fn revoke_while(store: &Embedded, number: &mut u64, mut more: impl FnMut() -> bool) -> Waits {
    let realm = realm(store.index());
    let mut waits = Vec::new();
    while more() {
        *number += 1;
        let begun = Instant::now();
        let one = Revocation {
            until: NOW + 1_000_000,
            ..hard(Kind::Token, &uuid(*number))
        };
        apply(store, &realm, entries(vec![one])).unwrap();
        waits.push(begun.elapsed());
    }
    Waits::of(waits)
}

fn fill(directory: &tempfile::TempDir, count: u64) {
    let store = open_at(directory, 0);
    let realm = realm(store.index());
    for first in (0..count).step_by(20_000) {
        let some = (first..count.min(first + 20_000)).map(entry).collect();
        apply(&store, &realm, entries(some)).unwrap();
    }
}

fn open_timed(directory: &tempfile::TempDir, second: i64) -> (Embedded, Duration) {
    let begun = Instant::now();
    let store = open_at(directory, second);
    (store, begun.elapsed())
}

fn bytes(directory: &Path) -> u64 {
    directory.join("denylist.redb").metadata().unwrap().len()
}

/// Memory of this process that is in RAM, in MiB.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4 / 1024
}

#[test]
fn entries_that_expire_together_hold_up_nobody() {
    let (count, judged) = size(100_000);
    let directory = directory();
    let before = resident();
    fill(&directory, count);
    let full = bytes(directory.path());
    let (store, ready) = open_timed(&directory, 0);
    let large = resident() - before;
    println!(
        "{count} entries: ready in {ready:?}, file {} MiB, memory {large} MiB",
        full >> 20
    );
    let mut number = count;
    let end = number + if judged { QUIET_JUDGED } else { QUIET };
    let mut asked = count;
    let quiet = revoke_while(&store, &mut number, || {
        asked += 1;
        asked <= end
    });
    println!("before they expire: {quiet}");

    // What `apply` does with a tick, but for waiting.
    let begun = Instant::now();
    crate::support::wait(store.apply(&realm(store.index()), tick(LATER))).unwrap();
    let ticked = begun.elapsed();
    let (mut swept, mut left) = (None, 100_000);
    let meanwhile = revoke_while(&store, &mut number, || {
        left -= 1;
        if store.index().is_swept() {
            swept = swept.or(Some(begun.elapsed()));
        }
        left > 0 && (swept.is_none() || bytes(directory.path()) > full / 8)
    });
    let (swept, small) = (swept.unwrap(), bytes(directory.path()));
    println!("the tick was acknowledged after {ticked:?}, everything forgotten after {swept:?}");
    println!(
        "the file had {} KiB after {:?}, memory {} MiB; meanwhile: {meanwhile}",
        small >> 10,
        begun.elapsed(),
        resident().saturating_sub(before)
    );
    if large >= LARGE {
        until("memory is returned to the system", || resident() < before + large / 2);
    }
    assert!(
        ticked < swept,
        "everything was forgotten before the tick was acknowledged"
    );
    assert!(small <= full / 8, "{small} bytes");
    drop(store);
    let (store, ready) = open_timed(&directory, LATER);
    println!("ready in {ready:?} afterwards");
    assert_eq!(store.index().len(), number - count);
    let realm = realm(store.index());
    assert!((count + 1..=number).all(|number| realm.token_revoked(&uuid(number))));
    let names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["denylist.redb"], "no leavings");
    if judged {
        // A machine that is busy with something else is slow before they expire too.
        let bound = Duration::from_millis(10).max(2 * quiet.at(999));
        assert!(meanwhile.at(999) < bound, "{:?}", meanwhile.at(999));
    }
}

#[test]
fn a_start_passes_over_expired_rows() {
    let (count, judged) = size(100_000);
    let directory = directory();
    fill(&directory, count);
    let (store, living) = open_timed(&directory, 0);
    apply(
        &store,
        &realm(store.index()),
        entries(vec![hard(Kind::Token, &uuid(count))]),
    )
    .unwrap();
    // The end comes before any row is deleted.
    crate::support::wait(store.apply(&realm(store.index()), tick(LATER))).unwrap();
    drop(store);
    let (store, ready) = open_timed(&directory, LATER);
    println!("{count} entries: ready in {living:?} while they live, in {ready:?} once they expired");
    assert_eq!(store.index().len(), 1);
    if judged {
        assert!(ready < living / 2, "{ready:?}");
    }
    apply(&store, &realm(store.index()), tick(LATER + 600)).unwrap();
    until("the file is small", || bytes(directory.path()) < 1 << 20);
}
