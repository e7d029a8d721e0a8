//! Loading: whatever an entry holds, and however many there are.

use std::sync::Arc;

use jwtkeeper_core::denylist::{Change, Denylist, Kind, Level, Record, Revocation};
use jwtkeeper_store::Embedded;

use crate::support::{
    NOW, Said, apply, cutoff, directory, entries, hard, id, moment, open, raise, realm, rotate, say, uuid,
};

#[test]
fn any_id_and_the_longest_record_come_back_as_they_were() {
    let long = "x".repeat(1024);
    let odd = [
        "a",
        " ",
        "\u{0}\n",
        "日本",
        "0190B5A4-7A3C-7000-8000-000000000001",
        "{}",
        "a/b",
        &long,
    ]
    .map(id);
    let directory = directory();
    let store = open(&directory);
    for name in ["default", "a.b_c-9"] {
        let realm = store.index().realm(name);
        for (n, odd) in odd.iter().enumerate() {
            apply(
                &store,
                &realm,
                entries(vec![hard(Kind::Token, odd), hard(Kind::Session, odd)]),
            )
            .unwrap();
            apply(
                &store,
                &realm,
                entries(vec![cutoff(Kind::Subject, odd, Level::Hard, moment(-1))]),
            )
            .unwrap();
            apply(&store, &realm, rotate(&uuid(n as u64), odd, 0)).unwrap();
        }
        let Change::Rotate(mut large) = rotate(&uuid(99), &uuid(100), 0) else {
            unreachable!("a rotation")
        };
        let claims = format!(r#"{{"jti":"{}","pad":"{}"}}"#, uuid(100), "é".repeat(12_000)); // what 32 KiB of token hold
        large.record = Arc::new(Record {
            claims: claims.into(),
            ..(*large.record).clone()
        });
        apply(&store, &realm, Change::Rotate(large)).unwrap();
    }
    let said = |store: &Embedded| -> Vec<Said> {
        let ids = odd.iter().cloned().chain((0..8).map(uuid)).chain([uuid(99)]);
        let ids: Vec<_> = ids.collect();
        let realms = ["default", "a.b_c-9", "none"].map(|name| store.index().realm(name));
        realms
            .iter()
            .flat_map(|realm| ids.iter().map(|id| say(realm, id, NOW)))
            .collect()
    };
    let before = said(&store);
    drop(store);
    let store = open(&directory);
    assert_eq!(said(&store), before);
    let record = realm(store.index()).rotation(&uuid(99)).unwrap().record.unwrap();
    assert!(record.claims.len() > 24_000);
}

#[test]
fn a_hundred_thousand_entries_load_right() {
    let directory = directory();
    let store = open(&directory);
    for batch in 0..10_u64 {
        let all = (0..10_000).map(|n| {
            let id = if n % 10 == 0 {
                id(&format!("text {batch} {n}"))
            } else {
                uuid(batch * 10_000 + n)
            };
            raise(Kind::Token, &id, Level::Hard, NOW + 3600 + (n % 997) as i64)
        });
        apply(&store, &realm(store.index()), entries(all.collect())).unwrap();
    }
    drop(store);
    let store = open(&directory);
    let realm = realm(store.index());
    assert_eq!(store.index().len(), 100_000);
    for batch in 0..10_u64 {
        for n in (0..10_000).step_by(7) {
            let id = if n % 10 == 0 {
                id(&format!("text {batch} {n}"))
            } else {
                uuid(batch * 10_000 + n)
            };
            assert_eq!(
                realm.token_until(&id),
                Some((Level::Hard, NOW + 3600 + (n % 997) as i64))
            );
        }
    }
    assert!(realm.token(&uuid(100_001)).is_none());
}

#[test]
fn a_deadline_beyond_2106_is_kept() {
    let later = i64::from(u32::MAX) + 1000;
    let now = jwtkeeper_core::types::Millis::from_seconds(later);
    let directory = directory();
    let revoked = |store: &Embedded| {
        let realm = realm(store.index());
        realm.token_revoked(&uuid(1)) && realm.session_revoked(&uuid(2)) && !realm.subject(&uuid(3)).hard.is_none()
    };
    let open = || Embedded::open(directory.path(), now, 2000).unwrap();
    let store = open();
    let until = later + 5000;
    let all = vec![
        raise(Kind::Token, &uuid(1), Level::Hard, until),
        raise(Kind::Session, &uuid(2), Level::Hard, until),
        Revocation {
            until,
            ..cutoff(Kind::Subject, &uuid(3), Level::Hard, moment(1))
        },
    ];
    apply(&store, &realm(store.index()), entries(all)).unwrap();
    for _ in 0..2 {
        let tick = Change::Tick {
            now,
            elapsed_ms: u64::MAX,
        };
        apply(&store, &realm(store.index()), tick).unwrap();
        assert!(revoked(&store), "forgotten before its time");
    }
    drop(store);
    assert!(revoked(&open()), "forgotten by a restart");
}
