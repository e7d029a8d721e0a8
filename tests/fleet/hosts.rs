//! Daemons that share a Redis, and what is looked for in it.

use std::time::Duration;

use jwtkeeper_client::{Issue, Minted, Reason, Revoked, State, Verdict, blocking};

use jwtkeeper_testkit::daemons::{Daemon, Setup, until};
use jwtkeeper_testkit::servers::{Cluster, Sentinels, Server};

/// How old a copy may be, in these tests.
pub const MAX_STALENESS: Duration = Duration::from_secs(3);

/// A daemon's settings, with these lines in `[store.redis]`. Each test begins with a new data set that nobody repairs.
pub fn settings(lines: &str) -> Setup {
    Setup::new().top(&format!(
        "[store]\nkind = \"redis\"\n[store.redis]\nrepair_grace = \"0s\"\n{lines}"
    ))
}

/// The same for a Redis at a url, and a copy that may be [`MAX_STALENESS`] old.
pub fn at(url: &str) -> Setup {
    settings(&format!(
        "url = \"{url}\"\nmax_staleness = \"{}s\"",
        MAX_STALENESS.as_secs()
    ))
}

/// Starts it, and waits until it has read everything.
pub fn host(setup: Setup) -> Daemon {
    let daemon = setup.start();
    ready(&daemon);
    daemon
}

/// Three of them at one url.
pub fn three(url: &str) -> Vec<Daemon> {
    (0..3).map(|_| host(at(url))).collect()
}

pub fn ready(daemon: &Daemon) {
    until("the daemon is ready", || is_ready(daemon));
}

pub fn is_ready(daemon: &Daemon) -> bool {
    daemon.client().health().is_ok_and(|health| health.ready)
}

/// Whether it is ready and has nothing that Redis is not known to have.
pub fn is_settled(daemon: &Daemon) -> bool {
    let client = daemon.client_with(|config| config.with_deadline(Duration::from_secs(1)));
    client.health().is_ok_and(|health| {
        let document: serde_json::Value = health.document.parse().unwrap();
        health.ready && document["store"]["pending"].as_u64().unwrap_or(0) == 0
    })
}

/// Everything that health says is odd or wrong.
pub fn complaints(daemon: &Daemon) -> String {
    let health = daemon.health();
    format!("{} {}", health["faults"], health["warnings"])
}

pub fn issue(client: &blocking::Client) -> Minted {
    client.issue(Issue::new()).unwrap()
}

/// Revokes a token in hand.
pub fn revoke(client: &blocking::Client, token: &str) {
    assert_eq!(client.revoke_token(token, None).unwrap(), Revoked::Done);
}

/// Whether a token is answered as revoked; no other reason may be given.
pub fn is_revoked(client: &blocking::Client, token: &str) -> bool {
    match client.validate(token) {
        Ok(Verdict::Invalid(Reason::Revoked)) => true,
        Ok(Verdict::Invalid(other)) => panic!("{other}"),
        Ok(_) => false,
        Err(error) if error.is_unavailable() => false,
        Err(error) => panic!("{error}"),
    }
}

/// Waits until a jti is revoked there.
pub fn revoked_at(daemon: &Daemon, jti: &str) {
    let client = daemon.client();
    until("it is revoked there", || {
        client.status(jti).unwrap().state == State::Hard
    });
}

/// A token's entry, by the gem's name.
pub fn entry(jti: &str) -> String {
    format!("JWTKeeper:{jti}")
}

/// The entry of the session that a token began.
pub fn session(jti: &str) -> String {
    format!("JWTKeeper:~s:{jti}")
}

/// The record of a token's rotation.
pub fn record(jti: &str) -> String {
    format!("jwtkeeper-rotation:{{{}}}", entry(jti))
}

/// A user `app` who may do anything, with this password and no other.
pub fn user(server: &Server, password: &str) {
    let password = format!(">{password}");
    let words = [
        "ACL",
        "SETUSER",
        "app",
        "on",
        "resetpass",
        &password,
        "~*",
        "&*",
        "+@all",
    ];
    server.ask::<()>(&words);
}

/// What holds the entries.
pub trait Holder {
    /// Those of the keys that do not hold `hard`, and expire, all where it does not answer.
    fn not_hard(&self, keys: &[String]) -> Vec<String>;
}

impl Holder for Server {
    fn not_hard(&self, keys: &[String]) -> Vec<String> {
        not_hard_at(&self.url(), keys)
    }
}

impl Holder for Sentinels {
    fn not_hard(&self, keys: &[String]) -> Vec<String> {
        self.servers[self.primary()].not_hard(keys)
    }
}

impl Holder for Cluster {
    fn not_hard(&self, keys: &[String]) -> Vec<String> {
        let mut of: [Vec<String>; 3] = Default::default();
        for key in keys {
            of[self.owner(key)].push(key.clone());
        }
        let lacking = of
            .iter()
            .enumerate()
            .map(|(owner, keys)| self.servers[owner].not_hard(keys));
        lacking.flatten().collect()
    }
}

fn not_hard_at(url: &str, keys: &[String]) -> Vec<String> {
    let mut lacking = Vec::new();
    for keys in keys.chunks(2000) {
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.cmd("GET").arg(key);
        }
        let values: redis::RedisResult<Vec<Option<String>>> = redis::Client::open(url)
            .unwrap()
            .get_connection()
            .and_then(|mut connection| pipeline.query(&mut connection));
        let values = values.unwrap_or_else(|_| vec![None; keys.len()]);
        let pairs = keys.iter().zip(values);
        lacking.extend(
            pairs
                .filter(|(_, value)| value.as_deref() != Some("hard"))
                .map(|(key, _)| key.clone()),
        );
    }
    lacking
}

/// Writes as many entries as a gem would, with SETEX; returns their jtis.
pub fn write_as_a_gem(url: &str, from: u64, count: u64) -> Vec<String> {
    let jtis: Vec<_> = (from..from + count).map(gem_jti).collect();
    write_all(url, &jtis);
    jtis
}

/// The same into a cluster.
pub fn write_into(cluster: &Cluster, from: u64, count: u64) -> Vec<String> {
    let jtis: Vec<_> = (from..from + count).map(gem_jti).collect();
    for (number, server) in cluster.servers.iter().enumerate() {
        let its = jtis.iter().filter(|jti| cluster.owner(&entry(jti)) == number);
        write_all(&server.url(), &its.cloned().collect::<Vec<_>>());
    }
    jtis
}

fn write_all(url: &str, jtis: &[String]) {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    for jtis in jtis.chunks(1000) {
        let mut pipeline = redis::pipe();
        for jti in jtis {
            pipeline
                .cmd("SETEX")
                .arg(entry(jti))
                .arg(24 * 3600)
                .arg("hard")
                .ignore();
        }
        pipeline.exec(&mut connection).unwrap();
    }
}

/// A random UUID, as the gem makes them; the same for the same number.
pub fn gem_jti(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        mixed >> 32,
        mixed >> 16 & 0xFFFF,
        mixed & 0xFFF,
        number >> 48 & 0xFFF,
        number & 0xFFFF_FFFF_FFFF
    )
}
