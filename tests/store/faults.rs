//! A disk that fails or runs full: never an acknowledgement that is not kept, and memory knows better all the while.

use jwtkeeper_core::denylist::{Denylist, Kind, Outcome, StoreError};
use jwtkeeper_core::types::Id;
use jwtkeeper_store::Embedded;

use crate::disk::{Disk, Fault};
use crate::support::{apply, entries, hard, realm, rotate, until, uuid};

const CHANGES: u64 = 6;

/// Each change, and what was answered.
type Answers = Vec<(Id, Result<(), StoreError>)>;

/// Revokes a few tokens one after the other; those that were acknowledged.
fn revoke(disk: &Disk) -> (Embedded, Answers) {
    let store = disk.open(0).unwrap();
    let realm = realm(store.index());
    let answers = (0..CHANGES)
        .map(|n| {
            (
                uuid(n),
                apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(n))])).map(drop),
            )
        })
        .collect();
    (store, answers)
}

/// Operations until the store is open, and until all is done.
fn operations(content: &[u8]) -> (u64, u64) {
    let disk = Disk::new(content.to_vec(), Fault::None);
    drop(disk.open(0).unwrap());
    let disk = Disk::new(content.to_vec(), Fault::None);
    let store = disk.open(0).unwrap();
    let opened = disk.operations();
    let realm = realm(store.index());
    for n in 0..CHANGES {
        apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(n))])).unwrap();
    }
    (opened, disk.operations())
}

/// What is on the disk if the power goes now has every acknowledged change.
fn kept(disk: &Disk, answers: &Answers, what: &str) {
    let store = Disk::new(disk.image(None), Fault::None).open(0).unwrap();
    for (id, _) in answers.iter().filter(|(_, answer)| answer.is_ok()) {
        assert!(
            realm(store.index()).token_revoked(id),
            "{what}: {id} was acknowledged and is lost"
        );
    }
}

#[test]
fn an_io_error_is_never_acknowledged_and_never_trusted_again() {
    let content = Disk::with_store();
    let (opened, all) = operations(&content);
    assert!(all - opened > 2 * CHANGES, "writes and syncs: {opened} to {all}");
    for at in opened..all {
        let disk = Disk::new(content.clone(), Fault::ErrorAt(at));
        let (store, answers) = revoke(&disk);
        let what = format!("error at operation {at}");
        assert_eq!(disk.failed(), 1, "{what}");
        let first = answers.iter().position(|(_, answer)| answer.is_err());
        let first = first.unwrap_or_else(|| panic!("{what}: everything was acknowledged"));
        for (n, (id, answer)) in answers.iter().enumerate() {
            assert!(
                realm(store.index()).token_revoked(id),
                "{what}: in effect, acknowledged or not"
            );
            match answer {
                Ok(()) => assert!(n < first, "{what}: acknowledged after a failed write"),
                Err(error) => assert!(matches!(error, StoreError::Failed(_)), "{what}: {error}"),
            }
        }
        assert!(
            store.health().fault.is_some_and(|fault| fault.contains("restart")),
            "{what}: health says so"
        );
        kept(&disk, &answers, &what);
    }
}

#[test]
fn a_failed_rotation_is_undone_and_made_again_elsewhere() {
    let content = Disk::with_store();
    let (opened, _) = operations(&content);
    let disk = Disk::new(content, Fault::ErrorAt(opened));
    let store = disk.open(0).unwrap();
    let realm = realm(store.index());
    assert!(apply(&store, &realm, rotate(&uuid(1), &uuid(2), 0)).is_err());
    assert!(
        realm.rotation(&uuid(1)).is_none(),
        "nobody may be told of a successor that is not stored"
    );
}

#[test]
fn a_writer_that_is_gone_is_told_by_health() {
    let content = Disk::with_store();
    let disk = Disk::new(content, Fault::None);
    let store = disk.open(0).unwrap();
    assert!(store.health().fault.is_none());
    disk.set_fault(Fault::PanicInSync);
    let realm = realm(store.index());
    for n in 0..3 {
        assert!(apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(n))])).is_err());
        assert!(realm.token_revoked(&uuid(n)), "in effect, acknowledged or not");
    }
    until("health says so", || store.health().fault.is_some());
}

#[test]
fn a_full_disk_is_not_acknowledged_and_recovers_by_itself() {
    let content = Disk::with_store();
    let (opened, all) = operations(&content);
    let step = ((all - opened) / 12).max(1) as usize;
    for at in (opened..all).step_by(step) {
        let disk = Disk::new(content.clone(), Fault::FullFrom(at, u64::MAX));
        let (store, answers) = revoke(&disk);
        let what = format!("full from operation {at}");
        let realm = realm(store.index());
        assert!(answers.iter().any(|(_, answer)| answer.is_err()), "{what}");
        for (id, answer) in &answers {
            assert!(realm.token_revoked(id), "{what}: in effect, acknowledged or not");
            assert!(
                matches!(answer, Ok(()) | Err(StoreError::Full(_))),
                "{what}: {answer:?}"
            );
        }
        assert!(store.health().fault.is_some(), "{what}");
        kept(&disk, &answers, &what);
        // A rotation that was not stored is told to nobody.
        assert!(matches!(
            apply(&store, &realm, rotate(&uuid(100), &uuid(101), 0)),
            Err(StoreError::Full(_))
        ));
        assert!(realm.rotation(&uuid(100)).is_none(), "{what}");

        // There is room again: the next change is stored, and with it all that could not be.
        disk.set_fault(Fault::None);
        let again = || apply(&store, &realm, rotate(&uuid(100), &uuid(101), 0));
        until("the store takes changes again", || {
            matches!(again(), Ok(Outcome::First(_) | Outcome::Already(_)))
        });
        assert!(store.health().fault.is_none(), "{what}");
        let all: Vec<_> = answers.iter().map(|(id, _)| (id.clone(), Ok(()))).collect();
        kept(&disk, &all, &what);
    }
}

#[test]
fn nothing_is_acknowledged_after_a_failed_fsync_even_for_want_of_room() {
    let content = Disk::with_store();
    let (opened, all) = operations(&content);
    for at in (opened..all).step_by(3) {
        let disk = Disk::new(content.clone(), Fault::FullSyncFrom(at));
        let (store, answers) = revoke(&disk);
        let what = format!("sync full from operation {at}");
        assert_eq!(disk.failed(), 1, "{what}");
        let first = answers.iter().position(|(_, answer)| answer.is_err()).unwrap();
        for (_, answer) in &answers[first..] {
            assert!(matches!(answer, Err(StoreError::Failed(_))), "{what}: {answer:?}");
        }
        // There is room again, and it is not trusted all the same.
        disk.set_fault(Fault::None);
        let realm = realm(store.index());
        crate::support::pace(std::time::Duration::from_millis(300)); // longer than a full disk waits for the next try
        assert!(
            apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(50))])).is_err(),
            "{what}"
        );
        assert!(
            store.health().fault.is_some_and(|fault| fault.contains("fsync failed")),
            "{what}"
        );
        kept(&disk, &answers, &what);
    }
}

#[test]
fn a_full_disk_that_stays_full_for_a_while_is_tried_again_and_again() {
    let content = Disk::with_store();
    let (opened, _) = operations(&content);
    let disk = Disk::new(content, Fault::FullFrom(opened, 4));
    let (store, answers) = revoke(&disk);
    let realm = realm(store.index());
    until("it has room", || {
        apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(50))])).is_ok()
    });
    let all: Vec<_> = answers.iter().map(|(id, _)| (id.clone(), Ok(()))).collect();
    kept(&disk, &all, "full for four operations");
}

/// The end of a store is one more try, at once; and tells how much it loses.
#[test]
fn what_was_refused_is_tried_once_more_at_the_end() {
    let content = Disk::with_store();
    let (opened, _) = operations(&content);
    for (at_the_end, lost) in [(Fault::None, 0), (Fault::FullFrom(opened, u64::MAX), CHANGES as usize)] {
        let disk = Disk::new(content.clone(), Fault::FullFrom(opened, u64::MAX));
        let (store, answers) = revoke(&disk);
        assert!(answers.iter().all(|(_, answer)| answer.is_err()));
        disk.set_fault(at_the_end);
        assert_eq!(store.close(), lost, "{at_the_end:?}");
        let store = Disk::new(disk.image(None), Fault::None).open(0).unwrap();
        let index = realm(store.index());
        let kept = answers.iter().filter(|(id, _)| index.token_revoked(id)).count();
        assert_eq!(kept + lost, answers.len(), "{at_the_end:?}");
    }
}

#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    // The control of `kept`: acknowledged changes that no sync made durable are missed.
    let content = Disk::with_store();
    let disk = Disk::lying(content, Fault::None);
    let (_store, answers) = revoke(&disk);
    assert!(answers.iter().all(|(_, answer)| answer.is_ok()));
    let store = Disk::new(disk.image(None), Fault::None).open(0).unwrap();
    assert!(answers.iter().all(|(id, _)| !realm(store.index()).token_revoked(id)));
}
