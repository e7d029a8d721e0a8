//! A file that is not as it was left: refused, or every acknowledged revocation is still served. Never silently empty.

use jwtkeeper_core::denylist::{Denylist, Kind};
use jwtkeeper_store::{Embedded, OpenError};

use crate::support::{Random, apply, directory, entries, hard, moment, open, realm, rotate, uuid};

const TOKENS: u64 = 60;

/// The bytes of a store that holds revocations and rotations, closed cleanly.
fn content() -> Vec<u8> {
    let directory = directory();
    let store = open(&directory);
    for n in 0..TOKENS {
        apply(
            &store,
            &realm(store.index()),
            entries(vec![hard(Kind::Token, &uuid(n))]),
        )
        .unwrap();
        apply(
            &store,
            &realm(store.index()),
            rotate(&uuid(1000 + n), &uuid(2000 + n), 0),
        )
        .unwrap();
    }
    drop(store);
    std::fs::read(directory.path().join("denylist.redb")).unwrap()
}

#[derive(Debug, PartialEq)]
enum Came {
    Refused,
    Whole,
}

/// Opens these bytes as a store.
fn come(bytes: &[u8], what: &str) -> Came {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("denylist.redb"), bytes).unwrap();
    match Embedded::open(directory.path(), moment(0), 2000) {
        Ok(store) => {
            let realm = realm(store.index());
            for n in 0..TOKENS {
                assert!(realm.token_revoked(&uuid(n)), "{what}: opened without token {n}");
                assert!(
                    realm.rotation(&uuid(1000 + n)).is_some(),
                    "{what}: opened without rotation {n}"
                );
            }
            Came::Whole
        }
        Err(OpenError::Corrupt { .. }) => Came::Refused,
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn a_changed_byte_is_refused_or_does_not_matter() {
    let good = content();
    assert_eq!(come(&good, "as it was"), Came::Whole);
    let used: Vec<_> = (0..good.len()).filter(|place| good[*place] != 0).collect();
    let mut random = Random(0x5eed);
    let mut places: Vec<_> = (0..320).collect(); // the header, whole
    places.extend((0..500).map(|_| used[random.below(used.len() as u64) as usize]));
    places.extend((0..80).map(|_| random.below(good.len() as u64) as usize));
    let mut refused = 0;
    for place in places {
        let mut bytes = good.clone();
        bytes[place] ^= match random.below(3) {
            0 => 0xff,
            1 => 1 << random.below(8),
            _ => 1 + random.below(255) as u8,
        };
        refused += usize::from(come(&bytes, &format!("byte {place} changed")) == Came::Refused);
    }
    assert!(refused > 300, "most of the bytes in use are looked at: {refused}");
}

#[test]
fn a_shorter_file_is_refused() {
    let good = content();
    let mut random = Random(0x5eed);
    let fixed = [
        0,
        1,
        9,
        64,
        319,
        320,
        4095,
        4096,
        8192,
        good.len() / 2,
        good.len() - 4096,
        good.len() - 1,
    ];
    let any = (0..110).map(|_| random.below(good.len() as u64) as usize);
    let mut refused = 0;
    for length in fixed.into_iter().chain(any) {
        refused += usize::from(come(&good[..length], &format!("{length} of {} bytes", good.len())) == Came::Refused);
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_page_of_another_time_is_refused_or_does_not_matter() {
    // Whole pages zeroed, swapped, or as they were in another store.
    let (good, other) = (content(), crate::disk::Disk::with_store());
    let pages = good.len() / 4096;
    let mut random = Random(0x5eed);
    for _ in 0..60 {
        let (one, two) = (
            random.below(pages as u64) as usize * 4096,
            random.below(pages as u64) as usize * 4096,
        );
        let mut zeroed = good.clone();
        zeroed[one..one + 4096].fill(0);
        come(&zeroed, &format!("page at {one} zeroed"));
        let mut swapped = good.clone();
        swapped.copy_within(two..two + 4096, one);
        come(&swapped, &format!("page at {two} copied to {one}"));
        let mut mixed = good.clone();
        if let Some(page) = other.get(one..one + 4096) {
            mixed[one..one + 4096].copy_from_slice(page);
            come(&mixed, &format!("page at {one} of another store"));
        }
    }
}
