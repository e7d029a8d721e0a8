//! The harness can find a loss: a daemon whose copy is flushed on disconnect (a switch of debug builds) is caught by it.

use std::time::Duration;

use crate::hosts::at;
use crate::load::Load;
use crate::stage::{Fault, World};
use jwtkeeper_testkit::daemons::Random;
use jwtkeeper_testkit::servers::Server;

const ROUNDS: u64 = 5;
/// What is lost here is never put back.
const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn the_harness_sees_a_copy_that_is_flushed_on_disconnect() {
    if !cfg!(debug_assertions) {
        println!("a release build has no such switch");
        return;
    }
    let server = Server::start();
    let hosts = (0..3).map(|_| {
        let setup = at(&server.url()).environment("JWTKEEPER_TEST_FORGETFUL_COPY", "1");
        crate::hosts::host(setup)
    });
    let hosts = hosts.collect();
    let url = server.url();
    let mut world = World::new(server, &url, hosts);
    let load = Load::new(&world.hosts);
    let fault = Fault {
        name: "forgetful",
        loses: true,
    };
    for round in 0..ROUNDS {
        let mut strike = |world: &mut World<Server>, _: &Load, _: &mut Random| world.shared.restart();
        let outcome = fault.round(&mut world, &load, PATIENCE, &mut Random(7 + round), &mut strike);
        // What was answered unavailable could be late for other reasons.
        let accepted = outcome
            .wrong
            .iter()
            .find(|wrong| wrong.contains("after it was acknowledged"));
        if let Some(accepted) = accepted {
            println!(
                "caught in round {round}, {} wrong, such as: {accepted}",
                outcome.wrong.len()
            );
            return;
        }
    }
    panic!("{ROUNDS} restarts, and the loss was never seen: the harness cannot tell");
}
