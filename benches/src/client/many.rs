//! Many connections in one thread, over mio.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::inbox::Inbox;
use super::lane::{Lane, Requests};
use crate::dialect::Dialect;
use crate::fault::{Doing, Result};
use crate::measure::Recorder;

/// How long a peer may say nothing at all.
const PATIENCE: Duration = Duration::from_secs(10);

struct Connection<'r> {
    stream: mio::net::UnixStream,
    lane: Lane<'r>,
    inbox: Inbox,
    /// How much of the lane's bytes is sent.
    written: usize,
    /// Told when the socket has room again: only while bytes wait for it, or each read of the peer would wake us.
    blocked: bool,
    /// Known to be done, and counted so.
    done: bool,
}

/// Runs the loop on `streams`, each with its index among all connections of the run; whether the requests ran out.
pub(super) fn run(
    dialect: &impl Dialect,
    streams: Vec<(usize, UnixStream)>,
    connections: usize,
    requests: Requests<'_>,
    depth: usize,
    recorder: &mut Recorder,
) -> Result<bool> {
    let mut poll = Poll::new().doing("epoll")?;
    let mut events = Events::with_capacity(connections);
    let mut all = Vec::new();
    for (place, (index, stream)) in streams.into_iter().enumerate() {
        stream.set_nonblocking(true).doing("a socket")?;
        let mut stream = mio::net::UnixStream::from_std(stream);
        poll.registry()
            .register(&mut stream, Token(place), Interest::READABLE)
            .doing("epoll")?;
        let now = Instant::now();
        let mut connection = Connection {
            stream,
            lane: Lane::new(requests, index, connections, depth, now),
            inbox: Inbox::new(),
            written: 0,
            blocked: false,
            done: false,
        };
        connection.lane.begin(dialect, now);
        connection.flush(&poll, Token(place))?;
        connection.done = connection.lane.is_done();
        all.push(connection);
    }
    let mut open = all.iter().filter(|connection| !connection.done).count();
    while open > 0 {
        poll.poll(&mut events, Some(PATIENCE)).doing("epoll")?;
        if events.is_empty() {
            return Err(format!("the peer said nothing for {} s", PATIENCE.as_secs()).into());
        }
        for event in &events {
            let Some(connection) = all.get_mut(event.token().0) else {
                continue;
            };
            if event.is_readable() {
                connection.read(dialect, recorder)?;
            }
            connection.flush(&poll, event.token())?;
            if connection.lane.is_done() && !connection.done {
                connection.done = true;
                open -= 1;
            }
        }
    }
    Ok(all.iter().any(|connection| connection.lane.is_exhausted()))
}

impl Connection<'_> {
    /// Reads what is there, takes the replies and fills their slots.
    fn read(&mut self, dialect: &impl Dialect, recorder: &mut Recorder) -> Result<()> {
        loop {
            let arrived = match self.inbox.fill(&mut self.stream) {
                Ok(arrived) => arrived,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).doing("no reply"),
            };
            if arrived.bytes == 0 {
                return Err("the peer closed the connection".into());
            }
            let taken = self.lane.replies(dialect, self.inbox.bytes(), recorder)?;
            self.inbox.take(taken);
            if arrived.drained {
                return Ok(());
            }
        }
    }

    /// Sends what waits, all of it in one write where the socket has room.
    fn flush(&mut self, poll: &Poll, token: Token) -> Result<()> {
        let blocked = loop {
            let waiting = self.lane.out.get(self.written..).unwrap_or_default();
            if waiting.is_empty() {
                self.lane.out.clear();
                self.written = 0;
                break false;
            }
            match self.stream.write(waiting) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) => return Err(error).doing("a request cannot be sent"),
            }
        };
        if blocked != self.blocked {
            self.blocked = blocked;
            let interest = match blocked {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            poll.registry()
                .reregister(&mut self.stream, token, interest)
                .doing("epoll")?;
        }
        Ok(())
    }
}
