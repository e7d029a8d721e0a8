//! How long it takes until what one host revokes is revoked on the others.

use std::time::{Duration, Instant};

use crate::hosts::{is_revoked, issue, revoke, three};
use jwtkeeper_testkit::daemons::{PATIENCE, Rounds};
use jwtkeeper_testkit::servers::Server;

#[test]
fn what_one_host_revokes_is_soon_revoked_on_the_others() {
    let server = Server::start();
    let hosts = three(&server.url());
    let clients: Vec<_> = hosts.iter().map(|host| host.client()).collect();
    let mut times = Vec::new();
    for round in Rounds::new("fleet-reach", 300, 10_000) {
        let at = round as usize % hosts.len();
        let minted = issue(&clients[at]);
        revoke(&clients[at], minted.token());
        let acknowledged = Instant::now();
        let mut others: Vec<_> = (0..hosts.len()).filter(|host| *host != at).collect();
        while !others.is_empty() {
            others.retain(|host| {
                let begun = Instant::now();
                let known = is_revoked(&clients[*host], minted.token());
                if known {
                    times.push(begun.saturating_duration_since(acknowledged));
                }
                !known
            });
            assert!(acknowledged.elapsed() < PATIENCE, "it never came to {others:?}");
        }
    }
    times.sort_unstable();
    let part = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(Duration::ZERO);
    println!(
        "{} times a revocation came to another host: half of them within {:?} of the acknowledgement, 99 % within {:?}, \
         all within {:?}",
        times.len(),
        part(50),
        part(99),
        times.last().unwrap()
    );
}
