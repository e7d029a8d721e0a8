//! The processes that are asked, each over a Unix socket of its own.

pub(crate) mod daemon;
pub(crate) mod echo;
pub(crate) mod redis;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use jwtkeeper_wire::{Greeting, Hello, LENGTH_BYTES, MAGIC, MAX_FRAME, PROTOCOL, decode, frame_length, put_frame};

use crate::client::Asked;
use crate::fault::{Doing, Result};

/// How long a peer may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a peer may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How often a starting peer is looked at.
const LOOK: Duration = Duration::from_micros(200);

/// A peer that is running; it ends with this value.
pub(crate) struct Peer {
    socket: PathBuf,
    /// Whether connection opened with a hello.
    greets: bool,
    process: Process,
}

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

impl Peer {
    /// Takes over a process that was started and waits until it listens.
    fn started(process: Child, socket: PathBuf, greets: bool) -> Result<Self> {
        let mut peer = Self {
            socket,
            greets,
            process: Process(process),
        };
        let deadline = Instant::now() + START;
        while let Err(error) = peer.connect() {
            if let Some(status) = peer.process.0.try_wait().doing("a peer")? {
                return Err(format!("the peer on {} ended at its start: {status}", peer.socket.display()).into());
            }
            if Instant::now() > deadline {
                return Err(error);
            }
            std::thread::park_timeout(LOOK);
        }
        Ok(peer)
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

impl Asked for Peer {
    fn connect(&self) -> Result<UnixStream> {
        let what = || format!("connecting to {}", self.socket.display());
        let mut stream = UnixStream::connect(&self.socket).doing(what())?;
        stream.set_read_timeout(Some(ANSWER)).doing(what())?;
        stream.set_write_timeout(Some(ANSWER)).doing(what())?;
        if self.greets {
            greet(&mut stream)?;
        }
        Ok(stream)
    }

    fn cpu(&self) -> Result<Duration> {
        // proc(5): utime and stime are the 12th and 13th field after the name in parentheses, in 1/100 s.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).doing("a peer's times")?;
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = times.sum::<std::result::Result<u64, _>>().doing("a peer's times")?;
        Ok(Duration::from_millis(ticks * 10))
    }
}

fn greet(stream: &mut UnixStream) -> Result<()> {
    let hello = Hello {
        magic: MAGIC,
        protocol: PROTOCOL,
        client: concat!("jwtkeeper-bench/", env!("CARGO_PKG_VERSION")),
        extensions: Vec::new(),
    };
    let mut frame = Vec::new();
    put_frame(&hello, &mut frame).doing("the hello")?;
    stream.write_all(&frame).doing("the hello")?;
    match decode::<Greeting<'_>>(&read_frame(stream)?).doing("the greeting")? {
        Greeting::Welcome(_) => Ok(()),
        Greeting::Refused { code, message } => Err(format!("the daemon refused: {code}: {message}").into()),
    }
}

/// The message of one frame.
pub(crate) fn read_frame(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut prefix = [0; LENGTH_BYTES];
    stream.read_exact(&mut prefix).doing("reading a frame")?;
    let length = frame_length(&prefix, MAX_FRAME)
        .doing("reading a frame")?
        .unwrap_or_default();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).doing("reading a frame")?;
    Ok(body)
}

/// The path of a socket in `dir`: short enough for an address.
fn socket_in(dir: &Path, name: &str) -> PathBuf {
    dir.join(name)
}
