//! Many ask three hosts for one token's successor at once: there is one, and all get it.

use std::collections::HashSet;
use std::sync::Barrier;

use jwtkeeper_client::{Issue, Rotation};

use crate::hosts::three;
use jwtkeeper_testkit::daemons::Rounds;
use jwtkeeper_testkit::servers::Server;

const PARALLEL: usize = 64;

#[test]
fn sixty_four_at_once_on_three_hosts_get_one_successor() {
    let server = Server::start();
    let hosts = three(&server.url());
    let clients: Vec<_> = hosts.iter().map(|host| host.client()).collect();
    let barrier = Barrier::new(PARALLEL);
    let mut asked = 0;
    for round in Rounds::new("fleet-rotate", 50, 500) {
        let minted = clients[round as usize % clients.len()]
            .issue(Issue::new().claims(r#"{"sub":"racer"}"#))
            .unwrap();
        let successors: Vec<String> = std::thread::scope(|scope| {
            let one = |number: usize| {
                let (client, barrier, token) = (&clients[number % clients.len()], &barrier, minted.token());
                move || {
                    barrier.wait();
                    match client.rotate(token).unwrap() {
                        Rotation::Rotated(minted) => minted.token().to_owned(),
                        other => panic!("refused: {other:?}"),
                    }
                }
            };
            let threads: Vec<_> = (0..PARALLEL).map(|number| scope.spawn(one(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        asked += successors.len();
        // The same bytes: HS256 is deterministic.
        assert_eq!(successors.iter().collect::<HashSet<_>>().len(), 1);
        for client in &clients {
            assert!(client.validate(successors[0].as_str()).unwrap().is_valid());
            assert!(
                client.validate(minted.token()).unwrap().is_valid(),
                "refused inside the grace"
            );
        }
    }
    println!("{asked} rotates on three hosts, each token with exactly one successor, none refused");
}
