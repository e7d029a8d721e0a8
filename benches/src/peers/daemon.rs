//! The daemon: its configuration, its keys, its start, and the calls that prepare a run.

use std::fs;
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use jwtkeeper_wire::{Answer, Op, Reply, Request, decode, put_frame};
use serde_json::Value;

use super::{Peer, read_frame, socket_in};
use crate::client::Asked;
use crate::dialect::{Dialect, Expect, Frames};
use crate::fault::{Doing, Result};
use crate::work::SECRET;

/// Issuer of every token.
pub(crate) const ISSUER: &str = "api.example.com";
/// Audience of every token.
pub(crate) const AUDIENCE: &str = "example.com";
/// The realm with ES256.
pub(crate) const ES256: &str = "es256";
/// The realms with RS256 and EdDSA.
pub(crate) const RS256: &str = "rs256";
pub(crate) const EDDSA: &str = "eddsa";
/// What lifts the limits that a bench would meet: it asks as one uid.
const UNLIMITED: &str = "[limits]\nrequests_per_uid = 0\nentries_per_realm = 0\nentries_per_uid = 0\n";
/// Requests on their way in [`Daemon::ask_all`].
const WINDOW: usize = 256;
/// How long the store may take until it is complete.
const COMPLETE: Duration = Duration::from_secs(300);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How long a daemon has been idle when its memory is looked at.
const IDLE: Duration = Duration::from_millis(300);

/// Where a daemon keeps its denylist.
#[derive(Clone, Copy)]
pub(crate) enum Store<'p> {
    /// In its state_dir.
    Embedded,
    /// In this Redis as well.
    Redis(&'p Peer),
}

/// A directory with all that the daemon needs but a store.
pub(crate) struct Home {
    program: PathBuf,
    config: PathBuf,
    socket: PathBuf,
    state: PathBuf,
}

impl Home {
    /// Writes configuration and keys into a directory `name` of `disk`; the socket will be in `sockets`, where paths
    /// are short.
    pub(crate) fn make(program: &Path, disk: &Path, sockets: &Path, name: &str, store: Store<'_>) -> Result<Self> {
        let disk = disk.join(name);
        let home = Self {
            program: program.to_owned(),
            config: disk.join("jwtkeeper.toml"),
            socket: socket_in(sockets, &format!("{name}.sock")),
            state: disk.join("state"),
        };
        fs::create_dir_all(&home.state).doing("the daemon's state_dir")?;
        write_private(&disk.join("secret"), SECRET)?;
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).doing("an ES256 key")?;
        let key = key.to_pkcs8v1().doing("an ES256 key")?;
        write_key(&disk.join("es256.pem"), key.as_ref())?;
        let key = RsaKeyPair::generate(KeySize::Rsa2048).doing("an RS256 key")?;
        let key = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).doing("an RS256 key")?;
        write_key(&disk.join("rs256.pem"), key.as_ref())?;
        let key = Ed25519KeyPair::generate().doing("an EdDSA key")?;
        let key = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).doing("an EdDSA key")?;
        write_key(&disk.join("eddsa.pem"), key.as_ref())?;
        fs::write(&home.config, home.text(store)).doing("the daemon's configuration")?;
        Ok(home)
    }

    fn text(&self, store: Store<'_>) -> String {
        let store = match store {
            Store::Embedded => String::new(),
            Store::Redis(server) => {
                let url = format!("redis+unix://{}", server.socket.display());
                format!("[store]\nkind = \"redis\"\n\n[store.redis]\nurl = \"{url}\"\n\n")
            }
        };
        let (socket, state) = (self.socket.display(), self.state.display());
        let names =
            format!("issuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\nexpiry = \"24h\"\nmax_lifetime = \"30d\"");
        format!(
            "socket = \"{socket}\"\nstate_dir = \"{state}\"\n\n[log]\nlevel = \"warn\"\n\n{UNLIMITED}\n{store}\
             [realms.default]\nalgorithm = \"HS256\"\nsecret_file = \"secret\"\n{names}\n\n\
             [realms.{ES256}]\nalgorithm = \"ES256\"\nkey_file = \"es256.pem\"\n{names}\n\n\
             [realms.{RS256}]\nalgorithm = \"RS256\"\nkey_file = \"rs256.pem\"\n{names}\n\n\
             [realms.{EDDSA}]\nalgorithm = \"EdDSA\"\nkey_file = \"eddsa.pem\"\n{names}\n"
        )
    }

    /// Leaves every limit at its default.
    pub(crate) fn set_default_limits(&self) -> Result<()> {
        let text = fs::read_to_string(&self.config).doing("the daemon's configuration")?;
        fs::write(&self.config, text.replace(UNLIMITED, "")).doing("the daemon's configuration")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The directory of the store.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Puts an empty store in place of whatever is there.
    pub(crate) fn empty_store(&self) -> Result<()> {
        self.no_store()?;
        let output = self.command().arg("--init").output().doing("jwtkeeperd --init")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("jwtkeeperd --init: {}: {said}", output.status).into());
        }
        Ok(())
    }

    /// Removes the store.
    pub(crate) fn no_store(&self) -> Result<()> {
        fs::remove_dir_all(&self.state).doing("clearing the state_dir")?;
        fs::create_dir_all(&self.state).doing("the daemon's state_dir")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config).stdin(Stdio::null());
        command
    }

    /// Starts the daemon on the store that is there, and returns once it has answered a ping.
    pub(crate) fn start(&self) -> Result<Daemon> {
        let what = || format!("starting {}", self.program.display());
        let process = self.command().spawn().doing(what())?;
        let daemon = Daemon {
            peer: Peer::started(process, self.socket.clone(), true).doing(what())?,
        };
        daemon.ask(Op::Ping, |answer| Ok(*answer == Answer::Pong))?;
        Ok(daemon)
    }
}

fn write_key(path: &Path, pkcs8: &[u8]) -> Result<()> {
    let text = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8));
    write_private(path, text.as_bytes())
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || path.display().to_string();
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).doing(what())?;
    file.write_all(bytes).doing(what())
}

/// The daemon, running.
pub(crate) struct Daemon {
    /// For the load.
    pub(crate) peer: Peer,
}

impl Daemon {
    /// One call; `read` looks at its answer.
    pub(crate) fn ask<T>(&self, op: Op<'_>, read: impl FnMut(&Answer<'_>) -> Result<T>) -> Result<T> {
        let request = request(op)?;
        self.ask_all(&[request], read)?.pop().ok_or_else(|| "no answer".into())
    }

    /// Many calls on one connection, pipelined; what `read` makes of each answer, in any order.
    pub(crate) fn ask_all<T>(
        &self,
        requests: &[Vec<u8>],
        mut read: impl FnMut(&Answer<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let stream = self.peer.connect()?;
        let mut replies = BufReader::with_capacity(1 << 16, stream.try_clone().doing("a connection")?);
        let mut out = BufWriter::with_capacity(1 << 16, stream);
        let mut answers = Vec::with_capacity(requests.len());
        let (mut id, mut frame) = (0, Vec::new());
        for window in requests.chunks(WINDOW) {
            for request in window {
                id += 1;
                frame.clear();
                Frames(Expect::Done).put(request, id, &mut frame);
                out.write_all(&frame).doing("a request")?;
            }
            out.flush().doing("a request")?;
            for _ in window {
                answers.push(one_reply(&mut replies, &mut read)?);
            }
        }
        Ok(answers)
    }

    /// The health document.
    pub(crate) fn health(&self) -> Result<Value> {
        self.ask(Op::Health, |answer| match answer {
            Answer::Health { document, .. } => serde_json::from_slice(document).doing("the health document"),
            _ => Err("no health document".into()),
        })
    }

    /// Waits until the store has no fault and holds so many entries at least.
    pub(crate) fn wait_for(&self, entries: usize) -> Result<()> {
        let deadline = Instant::now() + COMPLETE;
        loop {
            let health = self.health()?;
            let held = health.pointer("/store/entries").and_then(Value::as_u64).unwrap_or(0);
            let fault = health.pointer("/store/fault").unwrap_or(&Value::Null);
            if fault.is_null() && held >= entries as u64 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the daemon holds {held} of {entries} entries; its store's fault: {fault}").into());
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// A line of the process's status, in MiB: `VmRSS` is what it takes, `VmHWM` the most that it ever took.
    pub(crate) fn memory_mib(&self, name: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.peer.pid())).doing("the daemon's status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        Ok(kib.ok_or_else(|| format!("the daemon's status has no {name}"))? / 1024.0)
    }

    /// What it takes (`VmRSS`, in MiB) once it has been idle for a while: until then it may still be busy with what it
    /// was asked or told.
    pub(crate) fn idle_mib(&self) -> Result<f64> {
        const TICK: Duration = Duration::from_millis(10);
        let deadline = Instant::now() + COMPLETE;
        let mut worked = self.peer.cpu()?;
        loop {
            let until = Instant::now() + IDLE;
            while Instant::now() < until {
                std::thread::park_timeout(IDLE);
            }
            let before = std::mem::replace(&mut worked, self.peer.cpu()?);
            if worked.saturating_sub(before) <= TICK {
                return self.memory_mib("VmRSS");
            }
            if Instant::now() > deadline {
                return Err("the daemon is never idle".into());
            }
        }
    }
}

fn one_reply<T>(replies: &mut BufReader<UnixStream>, read: &mut impl FnMut(&Answer<'_>) -> Result<T>) -> Result<T> {
    let body = read_frame(replies)?;
    match decode::<Reply<'_>>(&body).doing("a reply")?.answer {
        Answer::Error { code, message } => Err(format!("the daemon answered {code}: {message}").into()),
        Answer::Invalid { reason } => Err(format!("the daemon answered invalid: {reason}").into()),
        answer => read(&answer),
    }
}

/// The frame of a request. The load puts an id of its own in the place of this one.
pub(crate) fn request(op: Op<'_>) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    put_frame(&Request { id: 1, op }, &mut frame).doing("a request")?;
    Ok(frame)
}
