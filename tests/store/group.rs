//! Group commit: many who revoke at once share an fsync.

use std::sync::Arc;

use jwtkeeper_core::denylist::{Denylist, Kind};

use crate::support::{directory, entries, hard, open, realm, uuid};

#[test]
fn fifty_who_revoke_at_once_share_their_commits() {
    const TASKS: u64 = 50;
    const EACH: u64 = 40;
    let directory = directory();
    let store = Arc::new(open(&directory));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let store = store.clone();
                tokio::spawn(async move {
                    let realm = realm(store.index());
                    for n in 0..EACH {
                        let change = entries(vec![hard(Kind::Token, &uuid(task * EACH + n))]);
                        store.apply(&realm, change).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let health = store.health();
    assert_eq!(health.changes, TASKS * EACH);
    assert_eq!(health.entries, TASKS * EACH);
    let each = health.changes / health.commits;
    assert!(
        each >= 20,
        "{each} acknowledgements to a commit: {} in {}",
        health.changes,
        health.commits
    );
}

#[test]
fn one_who_revokes_alone_waits_for_no_company() {
    let directory = directory();
    let store = open(&directory);
    let realm = realm(store.index());
    for n in 0..20 {
        crate::support::apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(n))])).unwrap();
    }
    assert_eq!((store.health().changes, store.health().commits), (20, 20));
}
