//! What happens between Redis and the daemons: connections that are lost, half open, killed, or not read from.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::hosts::{at, host, write_as_a_gem};
use crate::stage::{Fault, World};
use jwtkeeper_testkit::daemons::{pace, until};
use jwtkeeper_testkit::servers::proxy::Place;
use jwtkeeper_testkit::servers::{Flow, Proxy, Server};

/// The numbers of entries that are written to make Redis send much.
const FILLER: u64 = 1_000_000;

/// Three hosts, the first of them behind a proxy.
fn behind_a_proxy() -> World<Server> {
    let server = Server::start();
    let proxy = Proxy::start(
        Place::Socket(server.directory().join("proxy.sock")),
        Place::Socket(server.socket()),
    );
    let urls = [proxy.url(), server.url(), server.url()];
    let hosts = urls.iter().map(|url| host(at(url))).collect();
    let url = server.url();
    let mut world = World::new(server, &url, hosts);
    world.proxy = Some(proxy);
    world
}

#[test]
fn nobody_is_let_in_over_a_half_open_connection() {
    let fault = Fault {
        name: "a half-open connection",
        loses: false,
    };
    let mut count = 0;
    fault.endured(behind_a_proxy, |world, _, random| {
        let proxy = world.proxy.as_ref().unwrap();
        count += 1;
        match count % 3 {
            0 => proxy.flows(Flow::Pass, Flow::Swallow),
            1 => proxy.flow(Flow::Swallow),
            _ => proxy.flows(Flow::Swallow, Flow::Pass),
        }
        pace(Duration::from_millis(1000 + random.below(4000)));
        // The connection that lost bytes stays half open; new ones pass.
        proxy.flow(Flow::Pass);
    });
}

#[test]
fn nobody_is_let_in_while_the_network_is_slow_or_gone() {
    let fault = Fault {
        name: "a bad network",
        loses: false,
    };
    let mut count = 0;
    fault.endured(behind_a_proxy, |world, _, random| {
        let proxy = world.proxy.as_ref().unwrap();
        count += 1;
        match count % 3 {
            0 => proxy.flow(Flow::Hold),
            1 => {
                proxy.refuse(true);
                proxy.cut();
            }
            _ => proxy.flows(Flow::Pass, Flow::Delay(Duration::from_millis(200))),
        }
        pace(Duration::from_millis(1000 + random.below(4000)));
        proxy.refuse(false);
        proxy.flow(Flow::Pass);
    });
}

/// The ids of the connections that Redis tells of changes.
fn told(server: &Server) -> Vec<String> {
    let list: String = server.ask(&["CLIENT", "LIST"]);
    let field = |line: &str, name: &str| {
        let mut words = line.split(' ');
        words.find_map(|word| word.strip_prefix(name).map(str::to_owned))
    };
    let is_told = |line: &&str| field(line, "flags=").is_some_and(|flags| flags.contains('t'));
    list.lines()
        .filter(is_told)
        .filter_map(|line| field(line, "id="))
        .collect()
}

#[test]
fn nobody_is_let_in_when_redis_closes_the_connections_that_it_tells_of_changes() {
    let fault = Fault {
        name: "CLIENT KILL",
        loses: false,
    };
    fault.endured(World::simple, |world, _, random| {
        for _ in 0..5 {
            for id in told(&world.shared) {
                world.shared.ask::<u64>(&["CLIENT", "KILL", "ID", &id]);
            }
            pace(Duration::from_millis(random.below(200)));
        }
    });
}

#[test]
fn nobody_is_let_in_by_a_host_that_was_stopped_and_missed_changes() {
    let fault = Fault {
        name: "a stopped host cut off",
        loses: false,
    };
    fault.endured(World::simple, |world, _, random| {
        let server = &world.shared;
        let limit = |limit: &str| server.ask::<()>(&["CONFIG", "SET", "client-output-buffer-limit", limit]);
        let before = told(server);
        world.hosts[0].signal(Signal::SIGSTOP);
        limit("normal 64kb 32kb 1");
        until("Redis gives up on who does not read", || {
            write_as_a_gem(&server.url(), FILLER, 5000);
            let now = told(server);
            before.iter().any(|id| !now.contains(id))
        });
        pace(Duration::from_millis(random.below(2000)));
        limit("normal 0 0 0");
        world.hosts[0].signal(Signal::SIGCONT);
    });
}
