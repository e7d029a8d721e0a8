//! One uid floods: crowds of idle connections, slow ones, ones that read nothing, and ones at full speed, with what is cheap and
//! with what is dear. Another uid has its answers all the same, without an error; how late they come is printed.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jwtkeeper_client::{Config, Issue, Minted, Rotation, blocking};
use jwtkeeper_sys::testing::{Child, fork_run};
use jwtkeeper_wire::{MAGIC, Op, PROTOCOL, RevokeTarget};
use nix::unistd::{Gid, Uid, getpid, setgid, setgroups, setuid};

use jwtkeeper_testkit::daemons::daemon::{P256, RSA, chmod};
use jwtkeeper_testkit::daemons::load::validate;
use jwtkeeper_testkit::daemons::wire::{frame, hello};
use jwtkeeper_testkit::daemons::{Daemon, PATIENCE, Setup, Wire, pace, until};

const FLOODER: u32 = 64_030;
const IDLE: usize = 1_200;
const SLOW: usize = 200;
const SPEEDING: usize = 32;
/// Requests that each of those has on their way.
const WINDOW: usize = 32;

/// How a process floods.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Idle,
    Slow,
    Speeding,
    /// At full speed, with tokens that are dear to verify.
    Elliptic,
    /// At full speed, with tokens that are dear to sign.
    Rsa,
    /// At full speed, with what the store has to keep.
    Changing,
    /// At full speed, with the first and the last tokens of sessions that were rotated many times.
    Rotated,
}

/// Floods, each by itself.
const FLOODS: [(&str, &[Kind]); 6] = [
    (
        "idle, slow and at full speed",
        &[Kind::Idle, Kind::Slow, Kind::Speeding],
    ),
    ("dear to verify", &[Kind::Elliptic]),
    ("dear to sign", &[Kind::Rsa]),
    ("to be kept", &[Kind::Changing]),
    ("of long lineages", &[Kind::Rotated]),
    (
        "all of it",
        &[
            Kind::Idle,
            Kind::Slow,
            Kind::Speeding,
            Kind::Elliptic,
            Kind::Rsa,
            Kind::Changing,
            Kind::Rotated,
        ],
    ),
];

/// Sessions that are rotated many times.
const LINEAGES: usize = 4;

/// What all of them know.
struct Aim {
    socket: PathBuf,
    token: String,
    elliptic: String,
    /// The first and the last tokens of long lineages.
    rotated: Vec<String>,
}

/// What a flooding process does until the file is there.
fn flood(kind: Kind, aim: &Aim, over: &Path) -> u8 {
    let nice = Command::new("renice")
        .args(["-n", "19", "-p"])
        .arg(getpid().to_string())
        .output();
    assert!(nice.unwrap().status.success());
    setgroups(&[]).unwrap();
    setgid(Gid::from_raw(FLOODER)).unwrap();
    setuid(Uid::from_raw(FLOODER)).unwrap();
    let socket = &aim.socket;
    match kind {
        Kind::Idle => {
            let _idle: Vec<_> = (0..IDLE).map(|_| Wire::greeted(socket)).collect();
            begun(over, kind);
            until("it is over", || over.exists());
        }
        Kind::Slow => {
            // A byte now and then; and a flood of questions whose answers nobody reads.
            let ask = frame(1, validate(aim.token.as_bytes()));
            let mut slow: Vec<UnixStream> = (0..SLOW).map(|_| UnixStream::connect(socket).unwrap()).collect();
            let mut deaf: Vec<Wire> = (0..SLOW / 10).map(|_| Wire::greeted(socket)).collect();
            deaf.iter_mut()
                .for_each(|wire| wire.stream.set_nonblocking(true).unwrap());
            begun(over, kind);
            for byte in hello(MAGIC, PROTOCOL).iter().cycle().take_while(|_| !over.exists()) {
                for stream in &mut slow {
                    // It is closed by and by, and another takes its place.
                    if stream.write_all(&[*byte]).is_err() {
                        *stream = UnixStream::connect(socket).unwrap();
                    }
                }
                for wire in &mut deaf {
                    while wire.stream.write(&ask).is_ok() {}
                }
                pace(Duration::from_millis(50));
            }
        }
        Kind::Speeding => speed(kind, socket, over, |id| frame(id, validate(aim.token.as_bytes()))),
        Kind::Elliptic => speed(kind, socket, over, |id| {
            let (realm, token) = ("elliptic", aim.elliptic.as_bytes());
            let cookie = None;
            frame(id, Op::Validate { realm, token, cookie })
        }),
        Kind::Rsa => speed(kind, socket, over, |id| {
            let (realm, claims, ttl) = ("rsa", &b""[..], None);
            frame(id, Op::Issue { realm, claims, ttl })
        }),
        Kind::Changing => speed(kind, socket, over, |id| {
            let (realm, jti) = ("", format!("{}-{id}", getpid()));
            let target = RevokeTarget::Jti(&jti);
            frame(id, Op::Revoke { realm, target })
        }),
        Kind::Rotated => speed(kind, socket, over, |id| {
            frame(id, validate(aim.rotated[id as usize % aim.rotated.len()].as_bytes()))
        }),
    }
    0
}

/// Asks over many connections, as fast as the answers come.
fn speed(kind: Kind, socket: &Path, over: &Path, ask: impl Fn(u64) -> Vec<u8>) {
    let mut wires: Vec<_> = (0..SPEEDING).map(|_| Wire::greeted(socket)).collect();
    let mut ids = 0..;
    let mut send = |wire: &mut Wire| wire.send(&ids.by_ref().take(WINDOW).flat_map(&ask).collect::<Vec<_>>());
    wires.iter_mut().for_each(&mut send);
    begun(over, kind);
    while !over.exists() {
        for wire in &mut wires {
            (0..WINDOW).for_each(|_| drop(wire.message().unwrap()));
            send(wire);
        }
    }
}

fn begun(over: &Path, kind: Kind) {
    std::fs::write(sign_of(over, kind), "").unwrap();
}

fn sign_of(over: &Path, kind: Kind) -> PathBuf {
    over.with_extension(format!("{kind:?}"))
}

/// Validates, one after the other, for so long; how long each took.
fn validates(daemon: &Daemon, token: &str, length: Duration) -> Vec<Duration> {
    let client = blocking::Client::new(Config::new(daemon.setup.socket()).with_deadline(PATIENCE));
    let mut took = Vec::new();
    let end = Instant::now() + length;
    while Instant::now() < end {
        let began = Instant::now();
        assert!(client.validate(token).unwrap().is_valid());
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took
}

fn at(took: &[Duration], share: f64) -> Duration {
    took[((took.len() - 1) as f64 * share) as usize]
}

#[test]
fn another_uid_has_its_answers() {
    if !nix::unistd::geteuid().is_root() {
        println!("only root can be two users");
        return;
    }
    let (length, rounds, rotations) = match std::env::var_os("JWTKEEPER_PROVE") {
        Some(_) => (Duration::from_secs(5), 3, 50_000),
        None => (Duration::from_secs(1), 1, 200),
    };
    let setup = Setup::new()
        .top("socket_mode = \"0666\"")
        .lines("rotation_grace = \"1h\"");
    let setup = setup.realm_with_key("elliptic", "ES256", P256, "");
    let daemon = setup.realm_with_key("rsa", "RS256", RSA, "").start();
    chmod(&daemon.setup.path(""), 0o777);
    let minted = daemon.client().issue(Issue::new()).unwrap();
    let elliptic = daemon.realm("elliptic").issue(Issue::new()).unwrap();
    let token = minted.token();
    let lineages = lineages(&daemon, rotations);
    let both = lineages
        .iter()
        .map(|(first, last)| [first.token().to_owned(), last.clone()]);
    let aim = Aim {
        socket: daemon.setup.socket(),
        token: token.to_owned(),
        elliptic: elliptic.token().to_owned(),
        rotated: both.into_iter().flatten().collect(),
    };
    for (name, kinds) in FLOODS {
        let mut ratios: Vec<f64> = (0..rounds)
            .map(|round| {
                let calm = validates(&daemon, token, length);
                let over = daemon.setup.path(&format!("{name}, {round}"));
                let flooded = beside(kinds, &aim, &over, || validates(&daemon, token, length));
                println!("{name}: calm: {}; flooded: {}", told(&calm), told(&flooded));
                at(&flooded, 0.99).as_secs_f64() / at(&calm, 0.99).as_secs_f64()
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let middle = ratios[rounds / 2];
        println!("{name}: p99 is {middle:.2} times what it was, the middle of {rounds}");
    }
    for (first, last) in &lineages {
        let began = Instant::now();
        daemon.client().revoke_jti(&first.jti).unwrap();
        println!("the first of {rotations} tokens was revoked in {:?}", began.elapsed());
        assert!(!daemon.client().validate(last.as_str()).unwrap().is_valid());
    }
}

/// Rotates sessions so many times; returns the first and the last token of each.
fn lineages(daemon: &Daemon, rotations: usize) -> Vec<(Minted, String)> {
    let rotated = || {
        let client = daemon.client();
        let first = client.issue(Issue::new()).unwrap();
        let mut last = first.token().to_owned();
        for _ in 0..rotations {
            last = match client.rotate(last.as_str()).unwrap() {
                Rotation::Rotated(minted) => minted.token().to_owned(),
                Rotation::Invalid(reason) => panic!("{reason}"),
            };
        }
        (first, last)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..LINEAGES).map(|_| scope.spawn(rotated)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Does this while others flood.
fn beside<T>(kinds: &[Kind], aim: &Aim, over: &Path, act: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let floods: Vec<_> = kinds
            .iter()
            .map(|kind| fork_run(|| flood(*kind, aim, over)).unwrap())
            .collect();
        let ended = |child: Child| child.wait(PATIENCE * 4);
        let waiting = scope.spawn(move || floods.into_iter().map(ended).collect::<Vec<_>>());
        until("all of them flood", || {
            assert!(!waiting.is_finished(), "a flood ended");
            kinds.iter().all(|kind| sign_of(over, *kind).exists())
        });
        let done = act();
        std::fs::write(over, "").unwrap();
        for status in waiting.join().unwrap() {
            assert!(status.as_ref().is_ok_and(|status| status.success()), "{status:?}");
        }
        done
    })
}

fn told(took: &[Duration]) -> String {
    let (count, last) = (took.len(), took[took.len() - 1]);
    let (half, most) = (at(took, 0.5), at(took, 0.99));
    format!("{count} validates, p50 {half:?}, p99 {most:?}, max {last:?}")
}
