//! One fault after another strikes a fleet under load; then everything must be right again: in Redis, on every host, and
//! in time. What is asked of the answers meanwhile stands in load.rs.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jwtkeeper_client::State;

use crate::hosts::{Holder, entry, is_settled, session, write_as_a_gem};
use crate::load::{Load, Over};
use jwtkeeper_testkit::daemons::{Daemon, PATIENCE, Random, Rounds, pace, until};
use jwtkeeper_testkit::servers::{Proxy, Server};

/// Entries that a gem wrote before.
pub const PRELOADED: u64 = 20_000;
/// Acknowledged before a fault strikes, at the least.
const BEFORE: usize = 60;
/// Rounds of one fleet: then a new one begins, with no more than it began with.
const ROUNDS_OF_ONE: u64 = 10;
/// Or when so many were revoked, two entries each: healing is measured with some 20,000 entries.
const MOST: usize = 10_000;
/// Entries that are asked for at once.
const PART: usize = 1000;
/// The time in which everything is right again once a fault is over, as docs/operations.md says. `make prove`, which has the
/// machine for itself, judges it. In `make test` other tests run at the same time, and what is late is not wrong.
const HEAL: Duration = Duration::from_secs(5);

/// Returns true where times are judged.
pub fn judged() -> bool {
    std::env::var_os("JWTKEEPER_PROVE").is_some()
}

/// What a fault strikes.
pub struct World<S> {
    pub shared: S,
    pub hosts: Vec<Daemon>,
    /// Between the first host and Redis, if anything is.
    pub proxy: Option<Proxy>,
    preloaded: Vec<String>,
}

impl<S: Holder> World<S> {
    /// With the entries that a gem wrote at `url`, which the hosts have read.
    pub fn new(shared: S, url: &str, hosts: Vec<Daemon>) -> Self {
        Self::with(shared, write_as_a_gem(url, 0, PRELOADED), hosts)
    }

    /// With entries that were written.
    pub fn with(shared: S, preloaded: Vec<String>, hosts: Vec<Daemon>) -> Self {
        let world = Self {
            shared,
            hosts,
            proxy: None,
            preloaded,
        };
        for host in &world.hosts {
            until("the host has read what is there", || {
                host.health()["store"]["entries"].as_u64() >= Some(PRELOADED)
            });
        }
        world
    }
}

impl World<Server> {
    /// Three hosts on one server.
    pub fn simple() -> Self {
        let server = Server::start();
        let hosts = crate::hosts::three(&server.url());
        let url = server.url();
        Self::new(server, &url, hosts)
    }
}

/// What became of one round.
pub struct Outcome {
    pub wrong: Vec<String>,
    pub healed: Duration,
    /// How long after the acknowledgement another host said "valid", at the most.
    pub longest: Duration,
}

/// A fault: its name, and whether Redis may lose by it what it acknowledged.
pub struct Fault {
    pub name: &'static str,
    pub loses: bool,
}

impl Fault {
    /// Has it strike so often, three times in `make test`. `strike` returns when the fault is over.
    pub fn endured<S: Holder>(
        &self,
        make: impl Fn() -> World<S>,
        mut strike: impl FnMut(&mut World<S>, &Load, &mut Random),
    ) {
        let mut stage: Option<(World<S>, Load)> = None;
        let (mut healed, mut longest) = (Vec::new(), Duration::ZERO);
        let (mut acknowledged, mut refused, mut asked, mut unavailable) = (0, 0, 0, 0);
        for round in Rounds::new(&format!("fleet-{}", self.name.replace(' ', "-")), 3, 50) {
            let many = |(_, load): &(World<S>, Load)| load.gone().len() > MOST;
            if round % ROUNDS_OF_ONE == 0 || stage.as_ref().is_some_and(many) {
                stage = None;
            }
            let (world, load) = stage.get_or_insert_with(|| {
                let world = make();
                let load = Load::new(&world.hosts);
                (world, load)
            });
            let before = load.acknowledged();
            let outcome = self.round(world, load, PATIENCE, &mut Random(2026 + round), &mut strike);
            assert!(
                outcome.wrong.is_empty(),
                "{}, round {round}, {} wrong:\n{}",
                self.name,
                outcome.wrong.len(),
                outcome.wrong[..outcome.wrong.len().min(20)].join("\n")
            );
            healed.push(outcome.healed);
            longest = longest.max(outcome.longest);
            acknowledged += load.acknowledged() - before;
            let all = load.gone().len();
            refused = all - load.acknowledged();
            asked = load.asked.load(std::sync::atomic::Ordering::Relaxed);
            unavailable = load.unavailable.load(std::sync::atomic::Ordering::Relaxed);
        }
        healed.sort_unstable();
        println!(
            "{}: {} rounds, {acknowledged} acknowledged ({refused} answered unavailable), none lost; healed in {:?} to {:?}; \
             valid elsewhere for {longest:?} at most; {asked} asked, {unavailable} of them unavailable",
            self.name,
            healed.len(),
            healed.first().unwrap_or(&Duration::ZERO),
            healed.last().unwrap_or(&Duration::ZERO),
        );
    }

    /// One round; healing is awaited for `patience`.
    pub fn round<S: Holder>(
        &self,
        world: &mut World<S>,
        load: &Load,
        patience: Duration,
        random: &mut Random,
        strike: &mut impl FnMut(&mut World<S>, &Load, &mut Random),
    ) -> Outcome {
        let from = load.gone().len();
        let (over, healed) = load.during(|| {
            until("the load is under way", || {
                load.acknowledged() >= BEFORE && load.gone().len() > from + BEFORE
            });
            pace(Duration::from_millis(random.below(200)));
            strike(world, load, random);
            let over = Instant::now();
            (over, self.healed(world, load, over, patience))
        });
        let mut wrong = Vec::new();
        match &healed {
            Ok(time) if judged() && *time > HEAL => wrong.push(format!("healed after {time:?}, not within {HEAL:?}")),
            Ok(_) => {}
            Err(why) => wrong.push(format!("not healed within {patience:?}: {why}")),
        }
        let healed = healed.unwrap_or(patience);
        let over = Over {
            at: over,
            healed: over + healed,
            loses: self.loses,
        };
        wrong.extend(load.all_revoked(from, Instant::now() + patience));
        wrong.extend(unknown_to(world, random));
        let (late, longest) = load.late(&over);
        wrong.extend(late);
        Outcome { wrong, healed, longest }
    }

    /// Waits until Redis has everything again that was revoked by now, and every host has nothing left to put there.
    /// Entries are put back in no order, and asked for in none: a part of them tells of the rest.
    fn healed<S: Holder>(
        &self,
        world: &World<S>,
        load: &Load,
        over: Instant,
        patience: Duration,
    ) -> Result<Duration, String> {
        let mut left: Vec<String> = world.preloaded.iter().map(|jti| entry(jti)).collect();
        for gone in load.gone().iter() {
            left.extend([entry(&gone.jti), session(&gone.jti)]);
        }
        shuffle(&mut left);
        let mut unsettled: HashSet<usize> = (0..world.hosts.len()).collect();
        loop {
            let part = left.split_off(left.len().saturating_sub(PART));
            let lacking = world.shared.not_hard(&part);
            unsettled.retain(|host| !is_settled(&world.hosts[*host]));
            let time = over.elapsed();
            if lacking.is_empty() && left.is_empty() && unsettled.is_empty() {
                return Ok(time);
            }
            if time > patience {
                return Err(format!(
                    "{} of {} that were asked for are not in Redis, such as {:?}; hosts not settled: {unsettled:?}",
                    lacking.len(),
                    part.len(),
                    &lacking[..lacking.len().min(3)]
                ));
            }
            if !lacking.is_empty() || left.is_empty() {
                pace(Duration::from_millis(20));
            }
            left.extend(lacking);
        }
    }
}

fn shuffle(all: &mut [String]) {
    let mut random = Random(all.len() as u64 + 1);
    for last in (1..all.len()).rev() {
        all.swap(last, random.below(last as u64 + 1) as usize);
    }
}

/// What a gem wrote before and some host does not know; a sample is asked for.
fn unknown_to<S>(world: &World<S>, random: &mut Random) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, host) in world.hosts.iter().enumerate() {
        let client = host.client();
        for _ in 0..100 {
            let jti = &world.preloaded[random.below(world.preloaded.len() as u64) as usize];
            let status = client.status(jti).unwrap();
            if status.state != State::Hard {
                wrong.push(format!(
                    "{jti}, which a gem revoked, is {:?} at host {number}",
                    status.state
                ));
            }
        }
    }
    wrong
}
