//! Power cuts at a thousand moments: what was acknowledged is there when the power is back.

use std::collections::HashMap;

use jwtkeeper_core::denylist::{Change, Cutoff, Denylist, Kind, Level, Outcome, Revocation};
use jwtkeeper_core::types::Id;
use jwtkeeper_store::Embedded;

use crate::disk::{Disk, Fault};
use crate::support::{
    NOW, Random, cutoff, entries, hard, id, moment, raise, realm, revoke_jti, rotate, tick, uuid, wait,
};

/// How many cuts; the proof before a release makes many more.
fn cuts() -> u64 {
    std::env::var("JWTKEEPER_PROVE_CUTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1000)
}

/// What must be found again.
#[derive(Debug, Default, Clone)]
struct Acknowledged {
    tokens: Vec<(Id, Level)>,
    sessions: Vec<Id>,
    subjects: HashMap<Id, Cutoff>,
    rotations: Vec<(Id, Id)>,
    realm: Cutoff,
}

/// Changes as a busy daemon makes them, several at a time; `work` is a number that no other run shares.
fn changes(work: u64) -> Vec<Vec<Change>> {
    let n = |k: u64| uuid(work * 1000 + k);
    let at = |second| moment(second);
    vec![
        vec![Change::Lifetime {
            max_lifetime: 3600,
            now: at(0),
        }],
        vec![entries(vec![hard(Kind::Token, &n(0)), hard(Kind::Session, &n(0))])],
        vec![
            rotate(&n(1), &n(2), 1),
            rotate(&n(3), &n(4), 1),
            entries(vec![hard(Kind::Token, &n(5))]),
        ],
        vec![
            revoke_jti(&n(1)),
            entries(vec![raise(Kind::Token, &n(6), Level::Soft, NOW + 3600)]),
        ],
        vec![entries(vec![cutoff(Kind::Subject, &id("u7"), Level::Hard, at(2))])],
        (10..40).map(|k| entries(vec![hard(Kind::Token, &n(k))])).collect(),
        vec![Change::Tick {
            now: at(200),
            elapsed_ms: 200_000,
        }],
        vec![
            entries(vec![cutoff(Kind::Realm, &uuid(0), Level::Hard, at(-100))]),
            rotate(&n(8), &n(9), 3),
        ],
        vec![
            entries(vec![
                Revocation {
                    until: NOW + 100,
                    ..hard(Kind::Token, &n(41))
                },
                hard(Kind::Session, &n(42)),
            ]),
            tick(400),
        ],
    ]
}

impl Acknowledged {
    fn note(&mut self, change: &Change, outcome: &Outcome) {
        match change {
            Change::Revoke { entries, .. } => {
                entries
                    .iter()
                    .filter(|entry| entry.until > NOW + 1000)
                    .for_each(|entry| match entry.kind {
                        Kind::Token => self.tokens.push((entry.id.clone(), entry.level)),
                        Kind::Session => self.sessions.push(entry.id.clone()),
                        Kind::Subject => drop(self.subjects.insert(entry.id.clone(), entry.cutoff.clone())),
                        Kind::Realm => self.realm = entry.cutoff.clone(),
                    })
            }
            Change::Rotate(rotate) if matches!(outcome, Outcome::First(_)) => {
                self.rotations
                    .push((rotate.old.clone(), rotate.record.successor.clone()));
            }
            _ => {}
        }
    }

    /// What is missing.
    fn missing(&self, store: &Embedded) -> Option<String> {
        let realm = realm(store.index());
        let token = self.tokens.iter().find(|(id, level)| realm.token(id) < Some(*level));
        let session = self.sessions.iter().find(|id| !realm.session_revoked(id));
        let subject = self
            .subjects
            .iter()
            .find(|(id, cutoff)| !realm.subject(id).hard.includes(cutoff));
        let lost = |(old, new): &&(Id, Id)| {
            let found = realm.rotation(old);
            found.is_none_or(|found| found.successor != *new || found.record.is_none())
        };
        let rotation = self.rotations.iter().find(lost);
        let realm_cutoff = (!realm.realm_cutoff().includes(&self.realm)).then_some(&self.realm);
        let all = (token, session, subject, rotation, realm_cutoff);
        (all != (None, None, None, None, None)).then(|| format!("{all:?}"))
    }
}

/// Works on a disk until the work is done or the power is off.
fn work(disk: &Disk, number: u64, acknowledged: &mut Acknowledged) {
    let Ok(store) = disk.open(0) else { return };
    let realm = realm(store.index());
    for group in changes(number) {
        let pending: Vec<_> = group.iter().map(|change| store.apply(&realm, change.clone())).collect();
        let outcomes: Vec<_> = wait(async {
            let mut outcomes = Vec::new();
            for answer in pending {
                outcomes.push(answer.await);
            }
            outcomes
        });
        for (change, outcome) in group.iter().zip(outcomes) {
            if let Ok(outcome) = outcome {
                acknowledged.note(change, &outcome);
            }
        }
    }
}

/// How many operations it takes a disk to do all of it.
fn operations(content: &[u8]) -> u64 {
    let disk = Disk::new(content.to_vec(), Fault::None);
    let mut acknowledged = Acknowledged::default();
    work(&disk, 1, &mut acknowledged);
    assert_eq!(acknowledged.missing(&disk.open(0).unwrap()), None);
    assert!(acknowledged.tokens.len() > 30 && acknowledged.rotations.len() == 3);
    disk.operations()
}

/// One cut, and often a second one while the store recovers from the first: what is missing after them.
fn cut(content: &[u8], at: u64, seed: u64, build: fn(Vec<u8>, Fault) -> Disk) -> Result<(), String> {
    let mut luck = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut acknowledged = Acknowledged::default();
    let mut disk = build(content.to_vec(), Fault::PowerOff(at));
    work(&disk, 1, &mut acknowledged);
    let mut image = disk.image(Some(&mut luck));
    if luck.below(3) == 0 {
        disk = build(image, Fault::PowerOff(luck.below(at + 1)));
        work(&disk, 2, &mut acknowledged);
        image = disk.image(Some(&mut luck));
    }
    let store = Disk::new(image, Fault::None)
        .open(0)
        .map_err(|error| error.to_string())?;
    acknowledged.missing(&store).map_or(Ok(()), Err)
}

#[test]
fn no_acknowledged_change_is_lost_by_a_power_cut() {
    let content = Disk::with_store();
    let total = operations(&content);
    let each = |number: u64| (number % (total + 1), number + 1);
    for (at, seed) in (0..cuts()).map(each) {
        if let Err(missing) = cut(&content, at, seed, Disk::new) {
            panic!("the power was cut at operation {at} of {total}, seed {seed}: {missing}");
        }
    }
    println!(
        "{} power cuts over {total} operations of the disk, no acknowledged change lost",
        cuts()
    );
}

#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    let content = Disk::with_store();
    let total = operations(&content);
    let found = (0..100)
        .filter(|seed| cut(&content, total - 1 - seed % 10, seed + 1, Disk::lying).is_err())
        .count();
    assert!(
        found > 50,
        "the check above would not see a store that acknowledges before it has synced: {found}"
    );
    println!("a disk that does not sync: found out by {found} cuts of 100");
}
