//! The store's file: made once, opened by one, never mistaken.

use jwtkeeper_core::denylist::{Change, Denylist, Kind};
use jwtkeeper_store::{Embedded, OpenError};

use crate::support::{apply, directory, entries, hard, moment, open, realm, uuid};

fn opened(directory: &std::path::Path) -> OpenError {
    match Embedded::open(directory, moment(0), 2000) {
        Ok(_) => panic!("a store was opened that is none"),
        Err(error) => error,
    }
}

#[test]
fn a_missing_store_is_no_first_start() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("not there")] {
        let error = opened(&path);
        assert!(matches!(error, OpenError::Missing(_)));
        assert!(error.to_string().contains("jwtkeeperd --init"), "{error}");
        assert!(!path.join("denylist.redb").exists(), "nothing was made");
    }
}

#[test]
fn a_store_is_never_made_over_another() {
    let directory = directory();
    let store = open(&directory);
    apply(
        &store,
        &realm(store.index()),
        entries(vec![hard(Kind::Token, &uuid(1))]),
    )
    .unwrap();
    assert!(
        matches!(Embedded::create(directory.path()), Err(OpenError::Exists(_))),
        "while it is open"
    );
    drop(store);
    let error = Embedded::create(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Exists(_)));
    assert!(error.to_string().contains("left as it is"), "{error}");
    assert!(realm(open(&directory).index()).token_revoked(&uuid(1)));
    let names: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["denylist.redb"], "no leavings");
}

/// Of several at once one makes the store, and the others leave nothing behind.
#[test]
fn concurrent_inits_make_one_store_and_leave_no_file() {
    const INITS: usize = 4;
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let together = std::sync::Barrier::new(INITS);
        let made = std::thread::scope(|scope| {
            let init = || {
                together.wait();
                Embedded::create(directory.path())
            };
            let inits: Vec<_> = (0..INITS).map(|_| scope.spawn(init)).collect();
            let outcomes: Vec<_> = inits.into_iter().map(|init| init.join().unwrap()).collect();
            for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
                assert!(matches!(error, OpenError::Exists(_)), "{error}");
            }
            outcomes.iter().filter(|outcome| outcome.is_ok()).count()
        });
        assert_eq!(made, 1);
        let names = std::fs::read_dir(directory.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["denylist.redb"]);
        drop(open(&directory));
    }
}

#[test]
fn what_an_interrupted_init_left_is_no_store_and_in_nobodys_way() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("denylist.new"), b"half").unwrap();
    assert!(matches!(opened(directory.path()), OpenError::Missing(_)));
    Embedded::create(directory.path()).unwrap();
    open(&directory);
}

#[test]
fn files_of_a_killed_init_are_removed_by_the_next_init_and_start() {
    let unfinished = "denylist.0123456789abcdef.4711.new";
    // Names that no run of --init gives are somebody else's.
    let others = [
        "denylist.new",
        "denylist.0123456789abcdef.x.new",
        "other.0123456789abcdef.4711.new",
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let leave = || std::fs::write(path(unfinished), b"half").unwrap();
    others.iter().for_each(|name| std::fs::write(path(name), b"x").unwrap());
    leave();
    assert!(matches!(opened(directory.path()), OpenError::Missing(_)));
    Embedded::create(directory.path()).unwrap();
    assert!(!path(unfinished).exists(), "after --init");
    leave();
    let store = open(&directory);
    assert!(!path(unfinished).exists(), "after a start");
    leave();
    assert!(matches!(opened(directory.path()), OpenError::InUse(_)));
    assert!(
        path(unfinished).exists(),
        "a daemon that does not start removes nothing"
    );
    drop(store);
    assert!(others.iter().all(|name| path(name).exists()));
}

#[test]
fn what_an_interrupted_compaction_left_is_removed_by_the_next_start() {
    let directory = directory();
    let left = directory.path().join("denylist.redb.compact");
    std::fs::write(&left, b"half").unwrap();
    let store = open(&directory);
    assert!(!left.exists());
    std::fs::write(&left, b"of the daemon that runs").unwrap();
    assert!(matches!(opened(directory.path()), OpenError::InUse(_)));
    assert!(left.exists(), "a second daemon removes nothing");
    drop(store);
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let directory = directory();
    let store = open(&directory);
    for _ in 0..20 {
        let error = opened(directory.path());
        assert!(matches!(error, OpenError::InUse(_)), "{error}");
    }
    apply(
        &store,
        &realm(store.index()),
        entries(vec![hard(Kind::Token, &uuid(1))]),
    )
    .unwrap();
    drop(store);
    assert!(realm(open(&directory).index()).token_revoked(&uuid(1)));
}

#[test]
fn what_is_no_store_is_called_corrupt_and_left_alone() {
    let contents: [&[u8]; 5] = [
        b"",
        b"x",
        b"not a store, but long enough to be looked at closely",
        &[0; 4096],
        &[0xff; 1 << 20],
    ];
    for content in contents {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("denylist.redb");
        std::fs::write(&path, content).unwrap();
        let error = opened(directory.path());
        assert!(
            matches!(error, OpenError::Corrupt { .. }),
            "{} bytes: {error}",
            content.len()
        );
        assert!(error.to_string().contains("backup"), "{error}");
        assert!(
            std::fs::read(&path).unwrap() == content,
            "{} bytes: changed",
            content.len()
        );
    }
    // Databases of someone else's, or of a version to come.
    const MARKS: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("marks");
    for marks in [None, Some(("other", 1)), Some(("format", 99))] {
        let directory = tempfile::tempdir().unwrap();
        let database = redb::Database::create(directory.path().join("denylist.redb")).unwrap();
        if let Some((name, value)) = marks {
            let transaction = database.begin_write().unwrap();
            transaction.open_table(MARKS).unwrap().insert(name, value).unwrap();
            transaction.commit().unwrap();
        }
        drop(database);
        assert!(
            matches!(opened(directory.path()), OpenError::Corrupt { .. }),
            "{marks:?}"
        );
    }
}

#[test]
fn a_closed_store_acknowledges_nothing_and_forgets_nothing() {
    let directory = directory();
    let store = open(&directory);
    apply(
        &store,
        &realm(store.index()),
        entries(vec![hard(Kind::Token, &uuid(1))]),
    )
    .unwrap();
    store.close();
    let late = apply(
        &store,
        &realm(store.index()),
        entries(vec![hard(Kind::Token, &uuid(2))]),
    );
    assert!(matches!(late, Err(jwtkeeper_core::denylist::StoreError::Closed)));
    assert!(realm(store.index()).token_revoked(&uuid(2)), "in effect all the same");
    assert!(
        apply(
            &store,
            &realm(store.index()),
            Change::Lifetime {
                max_lifetime: 5,
                now: moment(0)
            }
        )
        .is_err()
    );
    store.close();
    let store = {
        drop(store);
        open(&directory)
    };
    assert!(realm(store.index()).token_revoked(&uuid(1)));
}

/// Revokes one token, then has another program change the file; returns what the next revocation is answered.
fn changed(change: impl FnOnce(&std::path::Path)) -> Result<(), jwtkeeper_core::denylist::StoreError> {
    let directory = directory();
    let store = open(&directory);
    let revoke = |n| {
        let one = entries(vec![hard(Kind::Token, &uuid(n))]);
        apply(&store, &realm(store.index()), one).map(drop)
    };
    revoke(1).unwrap();
    let path = directory.path().join("denylist.redb");
    std::fs::copy(&path, directory.path().join("backup")).unwrap();
    revoke(2).unwrap();
    change(&path);
    let answer = revoke(3);
    assert_eq!(answer.is_err(), store.health().fault.is_some());
    answer
}

#[test]
fn nothing_is_acknowledged_once_another_program_has_changed_the_file() {
    assert!(changed(|_| ()).is_ok());
    // `cp backup denylist.redb` writes into the file that is open.
    let copied = changed(|path| {
        let backup = std::fs::read(path.with_file_name("backup")).unwrap();
        std::fs::write(path, backup).unwrap();
    });
    assert!(copied.unwrap_err().to_string().contains("changed by another program"));
    let length = |path: &std::path::Path, of: fn(u64) -> u64| {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(of(file.metadata().unwrap().len())).unwrap();
    };
    assert!(changed(|path| length(path, |_| 0)).is_err());
    assert!(changed(|path| length(path, |length| length - 4096)).is_err());
    assert!(changed(|path| length(path, |length| length + 1)).is_err());
    let moved = changed(|path| std::fs::rename(path, path.with_file_name("moved")).unwrap());
    assert!(moved.unwrap_err().to_string().contains("removed or replaced"));
}
