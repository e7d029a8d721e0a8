//! The embedded store across restarts: it says what it said.

use jwtkeeper_core::denylist::{Change, Denylist, Kind, Level, MARGIN, Outcome, Revocation, Rotate, SessionStart};
use jwtkeeper_core::types::{Id, Millis, Seconds};
use jwtkeeper_store::Embedded;

use crate::support::{
    NOW, Random, Said, apply, by, cutoff, directory, entries, hand_out, hard, id, moment, open, open_at, raise, realm,
    record, revoke_jti, rotate, say, tick, uuid,
};

const IDS: u64 = 12;

fn pool() -> Vec<Id> {
    (0..IDS).map(uuid).chain(["u", "v", "X", "日本"].map(id)).collect()
}

fn all(store: &Embedded, horizon: Seconds) -> Vec<Said> {
    pool()
        .iter()
        .map(|id| say(&realm(store.index()), id, horizon))
        .collect()
}

/// Any change, at this second.
fn any(random: &mut Random, second: i64) -> Change {
    let ids = pool();
    let pick = |random: &mut Random| ids[random.below(ids.len() as u64) as usize].clone();
    let level = if random.below(2) == 0 { Level::Soft } else { Level::Hard };
    let until = NOW + second + 1 + random.below(3000) as i64;
    let at = Millis(moment(second).0 - random.below(100_000));
    match random.below(12) {
        0..=2 => entries(vec![raise(Kind::Token, &pick(random), level, until)]),
        3 => entries(vec![raise(Kind::Session, &pick(random), Level::Hard, until)]),
        4 | 5 => entries(vec![Revocation {
            until,
            ..cutoff(Kind::Subject, &pick(random), level, at)
        }]),
        // A realm's one cutoff stays in memory past its deadline, when it speaks of nobody any more; its row does not.
        6 if random.below(20) == 0 => entries(vec![Revocation {
            until: NOW + 1_000_000,
            ..cutoff(Kind::Realm, &uuid(0), Level::Hard, at)
        }]),
        6 | 7 => Change::Revoke {
            entries: vec![raise(Kind::Token, &pick(random), Level::Hard, until)],
            ends_session_of: Some(pick(random)),
        },
        _ => {
            let Change::Rotate(rotate) = rotate(&pick(random), &uuid(100 + random.below(1 << 40)), second) else {
                unreachable!("a rotation")
            };
            Change::Rotate(Box::new(Rotate {
                until,
                session: uuid(99),
                subject: None,
                start: SessionStart {
                    at: moment(second + 1),
                    ..SessionStart::default()
                },
                ..*rotate
            }))
        }
    }
}

#[test]
fn whatever_was_done_is_there_after_a_restart_and_none_of_it_falls() {
    for seed in 1..=25 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let directory = directory();
        let mut store = open(&directory);
        let mut second = 0;
        for _ in 0..8 {
            for _ in 0..25 {
                apply(&store, &realm(store.index()), any(&mut random, second)).unwrap();
                if random.below(4) == 0 {
                    second += random.below(400) as i64;
                    apply(&store, &realm(store.index()), tick(second)).unwrap();
                }
            }
            // Time goes on before the restart: rows are forgotten one by one, entries must not be.
            second += random.below(2000) as i64;
            second += 64 + (64 - (NOW + second) % 64); // to where memory forgets to the second, as rows do
            apply(&store, &realm(store.index()), tick(second)).unwrap();
            let horizon = NOW + second;
            let before = all(&store, horizon);
            drop(store);
            store = open_at(&directory, second);
            for ((before, mut after), id) in before.into_iter().zip(all(&store, horizon)).zip(pool()) {
                if before.rotation.is_none() {
                    after.rotation = None; // the record of a rotation may outlive it, and bring it back for as long
                }
                assert_eq!(before, after, "seed {seed}, {id}");
            }
        }
    }
}

#[test]
fn a_rotation_survives_with_its_record_and_its_grace() {
    let directory = directory();
    let store = open(&directory);
    apply(&store, &realm(store.index()), rotate(&uuid(1), &uuid(2), 0)).unwrap();
    let handed_out = hand_out(&uuid(1), &uuid(1), &uuid(2), 0);
    apply(&store, &realm(store.index()), handed_out).unwrap();
    drop(store);
    let store = open_at(&directory, 10);
    let realm = realm(store.index());
    assert_eq!(
        apply(&store, &realm, rotate(&uuid(1), &uuid(3), 10)).unwrap(),
        Outcome::Already(record(&uuid(2)))
    );
    assert_eq!(
        apply(&store, &realm, rotate(&uuid(1), &uuid(3), 30)).unwrap(),
        Outcome::Reused
    );
    apply(&store, &realm, revoke_jti(&uuid(1))).unwrap();
    assert!(realm.token_revoked(&uuid(2)), "it leads there still");
}

#[test]
fn what_is_raised_again_for_less_does_not_fall_when_the_longer_entry_is_forgotten() {
    // A hard entry for a short time over a soft one for a long time is hard for the long time, on disk too.
    let directory = directory();
    let store = open(&directory);
    let realm_of = |store: &Embedded| realm(store.index());
    apply(
        &store,
        &realm_of(&store),
        entries(vec![raise(Kind::Token, &uuid(1), Level::Soft, NOW + 5000)]),
    )
    .unwrap();
    apply(
        &store,
        &realm_of(&store),
        entries(vec![raise(Kind::Token, &uuid(1), Level::Hard, NOW + 1000)]),
    )
    .unwrap();
    let short = Revocation {
        until: NOW + 1000,
        ..cutoff(Kind::Subject, &id("u"), Level::Hard, moment(-5))
    };
    let long = Revocation {
        until: NOW + 5000,
        ..cutoff(Kind::Subject, &id("u"), Level::Hard, moment(-9))
    };
    apply(&store, &realm_of(&store), entries(vec![short])).unwrap();
    apply(&store, &realm_of(&store), entries(vec![long])).unwrap();
    apply(&store, &realm_of(&store), tick(2000)).unwrap();
    assert_eq!(realm_of(&store).token(&uuid(1)), Some(Level::Hard));
    drop(store);
    let store = open_at(&directory, 2000);
    assert_eq!(realm_of(&store).token_until(&uuid(1)), Some((Level::Hard, NOW + 5000)));
    assert_eq!(realm_of(&store).subject(&id("u")).hard, by(moment(-5)));
}

#[test]
fn every_application_of_a_cutoff_survives_a_restart() {
    let directory = directory();
    let store = open(&directory);
    let (subject, realm_of) = (id("u"), |store: &Embedded| realm(store.index()));
    for second in [-8, -9] {
        let cutoff = realm_of(&store).next_cutoff(Kind::Subject, &subject, Level::Hard, moment(second), moment(-10));
        let raise = Revocation {
            cutoff,
            ..hard(Kind::Subject, &subject)
        };
        apply(&store, &realm_of(&store), entries(vec![raise])).unwrap();
    }
    let cutoff = realm_of(&store).subject(&subject).hard;
    assert_eq!(cutoff.steps().len(), 2);
    drop(store);
    assert_eq!(realm_of(&open(&directory)).subject(&subject).hard, cutoff);
}

#[test]
fn what_stands_already_is_not_written_again() {
    let directory = directory();
    let store = open(&directory);
    let realm = realm(store.index());
    apply(
        &store,
        &realm,
        entries(vec![raise(Kind::Token, &uuid(1), Level::Soft, NOW + 5000)]),
    )
    .unwrap();
    apply(
        &store,
        &realm,
        entries(vec![raise(Kind::Token, &uuid(1), Level::Hard, NOW + 1000)]),
    )
    .unwrap();
    let commits = store.health().commits;
    for _ in 0..5 {
        apply(
            &store,
            &realm,
            entries(vec![raise(Kind::Token, &uuid(1), Level::Hard, NOW + 1000)]),
        )
        .unwrap();
    }
    assert_eq!(store.health().commits, commits);
}

#[test]
fn entries_are_gone_from_the_file_once_they_are_past() {
    let directory = directory();
    let store = open(&directory);
    for n in 0..100 {
        apply(
            &store,
            &realm(store.index()),
            entries(vec![raise(Kind::Token, &uuid(n), Level::Hard, NOW + 60)]),
        )
        .unwrap();
    }
    apply(
        &store,
        &realm(store.index()),
        entries(vec![hard(Kind::Token, &uuid(1000))]),
    )
    .unwrap();
    apply(&store, &realm(store.index()), tick(1000)).unwrap();
    drop(store);
    let store = open_at(&directory, 0); // even if the clock is set back
    assert_eq!(store.index().len(), 1);
    assert!(realm(store.index()).token_revoked(&uuid(1000)));
    assert_eq!(
        store.index().forgotten(),
        NOW + 1000 - MARGIN,
        "tokens that died by then stay dead"
    );
}

#[test]
fn a_clock_years_ahead_for_some_seconds_makes_nothing_forgotten() {
    let directory = directory();
    let store = open(&directory);
    apply(
        &store,
        &realm(store.index()),
        entries(vec![hard(Kind::Token, &uuid(1))]),
    )
    .unwrap();
    for second in 0..5 {
        let now = moment(10 * 365 * 24 * 3600 + second);
        apply(&store, &realm(store.index()), Change::Tick { now, elapsed_ms: 1000 }).unwrap();
    }
    assert!(realm(store.index()).token_revoked(&uuid(1)));
    drop(store);
    assert!(realm(open(&directory).index()).token_revoked(&uuid(1)));
}
