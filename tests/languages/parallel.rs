//! Many requests at once with one flagged token, again and again: none is rejected, and each token has one successor.

use std::collections::BTreeSet;
use std::sync::Barrier;

use jwtkeeper_client::Issue;

use crate::app::Language;
use crate::exchange::ask;
use jwtkeeper_testkit::daemons::{PATIENCE, Setup};

const AT_ONCE: usize = 8;
const ROUNDS: usize = 25;

/// Asks the conformance app of a language.
pub fn one_successor_each(language: &Language) {
    let daemon = Setup::new().lines("cookie_lock = \"required\"").start();
    let client = daemon.client();
    let deadline = PATIENCE.as_millis().to_string();
    let environment = [
        ("JWTKEEPER_TEST_REALM", "default"),
        ("JWTKEEPER_TEST_DEADLINE_MS", deadline.as_str()),
    ];
    let app = language.start("listening ", &daemon.setup.socket(), &environment);
    for round in 0..ROUNDS {
        let minted = client.issue(Issue::new().claims(r#"{"sub":"42"}"#)).unwrap();
        client.flag_jti(&minted.jti).unwrap();
        let authorization = format!("Bearer {}", minted.token());
        let cookie = format!("jwt_keeper={}", minted.cookie.as_ref().unwrap().value());
        let headers = [("Authorization", Some(&*authorization)), ("Cookie", Some(&*cookie))];
        let (url, gate) = (app.url("/"), Barrier::new(AT_ONCE));
        let responses: Vec<_> = std::thread::scope(|scope| {
            let request = || {
                gate.wait();
                ask("GET", &url, &headers, None)
            };
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(request)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
        assert_eq!(statuses, [200; AT_ONCE], "{} in round {round}", language.name);
        let successors: BTreeSet<_> = responses.iter().map(|response| response.token().unwrap()).collect();
        let cookies: BTreeSet<_> = responses.iter().map(|response| response.lock_cookies()).collect();
        assert_eq!(
            (successors.len(), cookies.len()),
            (1, 1),
            "{} in round {round}",
            language.name
        );
    }
}
