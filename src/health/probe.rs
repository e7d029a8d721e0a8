//! A request of our own, through the accept loop, a connection and dispatch as anybody's: what it proves is that those
//! work. It takes no room from others, and waits for none.

use std::io;

use jwtkeeper_wire::{Answer, Greeting, Hello, LENGTH_BYTES, MAGIC, MAX_FRAME, Op, PROTOCOL, Reply, Request};
use jwtkeeper_wire::{decode, frame_length, put_frame};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// Asks; made with the end that the accept loop listens to.
pub struct Probe {
    accept: mpsc::Sender<UnixStream>,
    /// The connection that it asked by last.
    kept: Option<UnixStream>,
}

/// The receiver through which the accept loop takes the daemon's own connections.
pub struct Probes(mpsc::Receiver<UnixStream>);

/// Both ends.
pub fn probe() -> (Probe, Probes) {
    let (sender, receiver) = mpsc::channel(1);
    let probe = Probe {
        accept: sender,
        kept: None,
    };
    (probe, Probes(receiver))
}

impl Probes {
    /// The next connection; never, once nobody asks any more.
    pub(crate) async fn next(&mut self) -> UnixStream {
        match self.0.recv().await {
            Some(stream) => stream,
            None => std::future::pending().await,
        }
    }
}

impl Probe {
    /// Connects, says hello, and pings; an error says which of them had no answer. Where there is no descriptor left
    /// for that
    /// (connections that are there are served all the same), it pings by the connection that it had.
    pub async fn ask(&mut self) -> io::Result<()> {
        let mut stream = match UnixStream::pair() {
            Ok((stream, other)) => self.greeted(stream, other).await?,
            Err(error) => self.kept.take().ok_or(error)?,
        };
        let reply = exchange(&mut stream, &Request { id: 1, op: Op::Ping }).await?;
        match decode(&reply) {
            Ok(Reply {
                id: 1,
                answer: Answer::Pong,
            }) => self.kept = Some(stream),
            _ => return Err(io::Error::other("a ping had another answer")),
        }
        Ok(())
    }

    async fn greeted(&self, mut stream: UnixStream, other: UnixStream) -> io::Result<UnixStream> {
        let stopped = |_| io::Error::other("nothing is accepted any more");
        self.accept.send(other).await.map_err(stopped)?;
        let hello = Hello {
            magic: MAGIC,
            protocol: PROTOCOL,
            client: "watchdog",
            extensions: Vec::new(),
        };
        let greeting = exchange(&mut stream, &hello).await?;
        match decode(&greeting) {
            Ok(Greeting::Welcome(_)) => Ok(stream),
            _ => Err(io::Error::other("a connection was refused")),
        }
    }
}

async fn exchange(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    put_frame(message, &mut bytes).map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    let mut prefix = [0; LENGTH_BYTES];
    stream.read_exact(&mut prefix).await?;
    let length = frame_length(&prefix, MAX_FRAME).map_err(io::Error::other)?.unwrap_or(0);
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
