//! The marks that the embedded store keeps beside its entries: lifetimes, the high mark of minting, and when a cutoff was
//! first seen.

use jwtkeeper_core::denylist::{Change, Denylist, Kind, Level, MARGIN, Revocation};
use jwtkeeper_core::types::Millis;
use jwtkeeper_store::Embedded;

use crate::support::{NOW, apply, by, cutoff, directory, entries, id, moment, open, open_at, raise, realm, uuid};

#[test]
fn retention_survives_and_still_falls_by_itself() {
    let (hour, day) = (3600, 24 * 3600);
    let directory = directory();
    let set = |store: &Embedded, seconds: i64, second: i64| {
        let change = Change::Lifetime {
            max_lifetime: seconds as u64,
            now: moment(second),
        };
        apply(store, &realm(store.index()), change).unwrap();
    };
    let until = |store: &Embedded, second: i64| realm(store.index()).retention(moment(second)) - NOW - 1 - MARGIN;
    let store = open(&directory);
    set(&store, 30 * day, 0);
    set(&store, 7 * day, 100);
    set(&store, 2 * day, 200);
    set(&store, hour, 300);
    realm(store.index()).note_minted(moment(400));
    let tick = Change::Tick {
        now: moment(400),
        elapsed_ms: 1000,
    };
    apply(&store, &realm(store.index()), tick).unwrap();
    drop(store);
    // However often and whenever it starts again, tokens of 30 days were last minted at second 100.
    for second in [1000, 5 * day, 10 * day] {
        let store = open_at(&directory, second);
        set(&store, hour, second);
        assert_eq!(until(&store, second), 100 + 30 * day, "started at {second}");
    }
    let store = open_at(&directory, 40 * day);
    set(&store, hour, 40 * day);
    assert_eq!(until(&store, 40 * day), 40 * day + hour);
}

#[test]
fn what_was_in_force_when_a_life_ended_counts_until_its_last_token() {
    let day = 24 * 3600;
    let directory = directory();
    let store = open(&directory);
    let lifetime = |days: i64, second: i64| Change::Lifetime {
        max_lifetime: (days * day) as u64,
        now: moment(second),
    };
    apply(&store, &realm(store.index()), lifetime(30, 0)).unwrap();
    realm(store.index()).note_minted(moment(5 * day));
    let tick = Change::Tick {
        now: moment(5 * day),
        elapsed_ms: 1_000_000_000,
    };
    apply(&store, &realm(store.index()), tick).unwrap();
    drop(store);
    let store = open_at(&directory, 5 * day + 60);
    apply(&store, &realm(store.index()), lifetime(1, 5 * day + 60)).unwrap();
    let until = realm(store.index()).retention(moment(5 * day + 60)) - NOW;
    assert!(
        until > 35 * day,
        "a token of 30 days was minted at the end of day 5: kept until {until}"
    );
    assert!(until <= 35 * day + 60 + 1 + MARGIN);
}

/// The first start has no earlier time to compare its clock with.
#[test]
fn a_clock_that_was_ahead_at_the_first_start_lets_nothing_be_forgotten() {
    let (year, hour) = (365 * 24 * 3600, 3600);
    let directory = directory();
    let store = open_at(&directory, year);
    let tick = |second: i64| Change::Tick {
        now: moment(second),
        elapsed_ms: 60_000,
    };
    let revoke = |store: &Embedded, number: u64, second: i64| {
        let entry = raise(Kind::Token, &uuid(number), Level::Hard, NOW + second + hour);
        apply(store, &realm(store.index()), entries(vec![entry])).unwrap();
    };
    let kept = |store: &Embedded, number: u64| realm(store.index()).token_revoked(&uuid(number));
    revoke(&store, 1, year);
    apply(&store, &realm(store.index()), tick(year + 60)).unwrap();
    // The clock is put right, first while the daemon runs, then across a restart.
    apply(&store, &realm(store.index()), tick(0)).unwrap();
    revoke(&store, 2, 0);
    apply(&store, &realm(store.index()), tick(120)).unwrap();
    assert!(kept(&store, 1) && kept(&store, 2), "while it runs");
    drop(store);
    let store = open_at(&directory, 180);
    revoke(&store, 3, 180);
    apply(&store, &realm(store.index()), tick(300)).unwrap();
    assert!((1..=3).all(|number| kept(&store, number)), "after a restart");
    let forgotten = store.index().forgotten();
    assert!(forgotten < NOW, "tokens that expire by {forgotten} are refused");
}

#[test]
fn the_deadline_of_a_future_token_survives_a_restart() {
    let directory = directory();
    let store = open(&directory);
    let lifetime = |second: i64| Change::Lifetime {
        max_lifetime: 600,
        now: moment(second),
    };
    apply(&store, &realm(store.index()), lifetime(0)).unwrap();
    let exp = NOW + 50_000;
    realm(store.index()).note_future(exp, moment(0));
    let tick = |second: i64| Change::Tick {
        now: moment(second),
        elapsed_ms: 1_000_000_000,
    };
    apply(&store, &realm(store.index()), tick(1)).unwrap();
    drop(store);
    let store = open_at(&directory, 10);
    apply(&store, &realm(store.index()), lifetime(10)).unwrap();
    let until = realm(store.index()).retention(moment(10));
    assert!(until >= exp + MARGIN, "kept until {until}, valid until {exp}");
    let revoked = raise(Kind::Token, &id("a"), Level::Hard, until);
    apply(&store, &realm(store.index()), entries(vec![revoked])).unwrap();
    drop(store);
    let store = open_at(&directory, 25_000);
    apply(&store, &realm(store.index()), tick(49_999)).unwrap();
    assert!(
        realm(store.index()).token_revoked(&id("a")),
        "forgotten while the token is valid"
    );
}

#[test]
fn the_high_mark_of_minting_survives() {
    let directory = directory();
    let store = open(&directory);
    let minted = |store: &Embedded| realm(store.index()).minted();
    assert_eq!(minted(&store), Millis(0));
    for minted in [moment(5), moment(9), moment(7)] {
        realm(store.index()).note_minted(minted);
        let tick = Change::Tick {
            now: moment(10),
            elapsed_ms: 10_000,
        };
        apply(&store, &realm(store.index()), tick).unwrap();
    }
    drop(store);
    assert_eq!(minted(&open(&directory)), moment(9));
    let other = open(&directory).index().realm("other");
    assert_eq!(other.minted(), Millis(0), "each realm has a mark of its own");
}

#[test]
fn a_cutoff_from_the_future_is_reported_and_counts_from_when_it_was_first_seen() {
    let directory = directory();
    let store = open(&directory);
    for (kind, cutoff_id) in [(Kind::Subject, id("u")), (Kind::Realm, uuid(0))] {
        let until = NOW + 1_000_000;
        let change = entries(vec![Revocation {
            until,
            ..cutoff(kind, &cutoff_id, Level::Hard, moment(100_000))
        }]);
        apply(&store, &realm(store.index()), change).unwrap();
    }
    drop(store);
    let store = open_at(&directory, 10);
    assert_eq!(store.future_cutoffs(), 2);
    let (seen, realm_of) = (moment(12), |store: &Embedded| realm(store.index()));
    assert_eq!(realm_of(&store).subject(&id("u")).hard.start(), seen);
    assert_eq!(realm_of(&store).realm_cutoff().start(), seen);
    drop(store);
    // The next start does not move it: who logged in meanwhile stays logged in.
    let store = open_at(&directory, 1000);
    assert_eq!(store.future_cutoffs(), 0, "it was put right");
    assert_eq!(realm_of(&store).subject(&id("u")).hard.start(), seen);
    assert_eq!(realm_of(&store).realm_cutoff().start(), seen);
}

/// Cutoffs up to the skew are nothing unusual. And where the store knows that it is later than the clock says, it is the
/// clock that is wrong: by it no cutoff is lowered, or logins that were revoked would be valid when it is put right.
#[test]
fn a_clock_that_is_behind_lowers_no_cutoff() {
    let directory = directory();
    let store = open(&directory);
    let hard = cutoff(Kind::Subject, &id("u"), Level::Hard, moment(100_000));
    let until = NOW + 1_000_000;
    apply(
        &store,
        &realm(store.index()),
        entries(vec![Revocation { until, ..hard }]),
    )
    .unwrap();
    realm(store.index()).note_minted(moment(99_998));
    let tick = Change::Tick {
        now: moment(99_998),
        elapsed_ms: 99_998_000,
    };
    apply(&store, &realm(store.index()), tick).unwrap();
    drop(store);
    for second in [99_998, 10, -50_000, 100_001] {
        let store = open_at(&directory, second);
        assert_eq!(store.future_cutoffs(), 0, "at {second}");
        assert_eq!(
            realm(store.index()).subject(&id("u")).hard,
            by(moment(100_000)),
            "at {second}"
        );
    }
}

#[test]
fn the_file_stays_small_however_much_comes_and_goes() {
    let directory = directory();
    let store = open(&directory);
    let size = || std::fs::metadata(directory.path().join("denylist.redb")).unwrap().len();
    let mut early = 0;
    for second in 0..40_i64 {
        let now = NOW + 60 * second;
        for batch in 0..4_u64 {
            // Ten thousand entries a round, each past when the next one comes.
            let all = (0..2500).map(|n| {
                let id = uuid(second as u64 * 10_000 + batch * 2500 + n);
                raise(Kind::Token, &id, Level::Hard, now + 1)
            });
            apply(&store, &realm(store.index()), entries(all.collect())).unwrap();
        }
        let tick = Change::Tick {
            now: Millis::from_seconds(now),
            elapsed_ms: 60_000,
        };
        apply(&store, &realm(store.index()), tick).unwrap();
        if second == 5 {
            early = size();
        }
    }
    assert!(store.index().len() <= 20_000);
    assert!(size() <= 2 * early, "{} bytes after 40 rounds, {early} after 5", size());
}
