//! A server that forgets its scripts all the while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jwtkeeper_core::denylist::{Denylist, Kind};

use crate::redis::host;
use crate::support::{apply, entries, hard, realm, uuid};
use jwtkeeper_testkit::servers::Server;

#[test]
fn changes_succeed_while_redis_forgets_scripts_again_and_again() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = server.client().get_connection().unwrap();
            while !over.load(Ordering::Relaxed) {
                ::redis::cmd("SCRIPT").arg("FLUSH").exec(&mut connection).unwrap();
            }
        });
        let done: Vec<_> = (0..300)
            .map(|number| apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(number))])))
            .collect();
        over.store(true, Ordering::Relaxed);
        let refused: Vec<_> = done.into_iter().filter_map(Result::err).collect();
        assert!(refused.is_empty(), "{} refused, such as {}", refused.len(), refused[0]);
    });
    assert_eq!(server.entries(), 300);
}
