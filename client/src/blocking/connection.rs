//! One connection of the blocking client: connect, send and receive, each bounded by a deadline.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use jwtkeeper_wire::{LENGTH_BYTES, MAX_FRAME, frame_length};
use nix::sys::socket::MsgFlags;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::call::Failure;
use crate::config::Config;
use crate::error::Fault;
use crate::greeting;
use crate::lock_cookie::Announced;

/// The number of bytes that are read at once.
const CHUNK: usize = 4096;

/// A greeted connection with no request in flight.
pub(super) struct Connection {
    socket: Socket,
    inbox: Vec<u8>,
    last_id: u64,
    max_frame: usize,
    announced: Announced,
}

impl Connection {
    /// Connects and greets, asking for the lock cookies of these realms.
    pub(super) fn open(config: &Config, realms: Vec<String>, deadline: Instant) -> Result<Self, Failure> {
        let address = SockAddr::unix(&config.socket).map_err(Failure::Broken)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(Failure::Broken)?;
        connect(&socket, &address, deadline)?;
        config.server.check(&socket, &config.socket)?;
        let mut connection = Self {
            socket,
            inbox: Vec::with_capacity(CHUNK),
            last_id: 0,
            max_frame: MAX_FRAME,
            announced: Announced::default(),
        };
        let hello = greeting::hello(&config.name, &realms);
        let welcome = greeting::welcome(connection.exchange(&hello, deadline)?, realms)?;
        (connection.max_frame, connection.announced) = welcome;
        Ok(connection)
    }

    /// One that was not greeted.
    #[cfg(test)]
    pub(super) fn over(socket: Socket) -> Self {
        Self {
            socket,
            inbox: Vec::new(),
            last_id: 0,
            max_frame: MAX_FRAME,
            announced: Announced::default(),
        }
    }

    /// The longest message that the daemon takes.
    pub(super) fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// The lock cookies that its greeting announced.
    pub(super) fn announced(&self) -> &Announced {
        &self.announced
    }

    /// An id that no request on this connection had.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Sends a frame and reads the message of the next one. After an error the connection must not be used again:
    /// its reply may still come.
    pub(super) fn exchange(&mut self, frame: &[u8], deadline: Instant) -> Result<&[u8], Failure> {
        self.inbox.clear();
        self.send(frame, deadline)?;
        let length = self.receive(deadline)?;
        self.inbox
            .get(LENGTH_BYTES..LENGTH_BYTES + length)
            .ok_or(Failure::Fault(Fault::Malformed))
    }

    /// Returns true if nothing came after the last reply: such bytes belong to no call.
    pub(super) fn is_clean(&self) -> bool {
        matches!(frame_length(&self.inbox, MAX_FRAME), Ok(Some(length)) if self.inbox.len() == LENGTH_BYTES + length)
    }

    /// Never by write or writev, which raise SIGPIPE when the daemon has gone.
    fn send(&self, mut bytes: &[u8], deadline: Instant) -> Result<(), Failure> {
        let mut flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        while !bytes.is_empty() {
            match self.socket.send_with_flags(bytes, flags.bits()) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The buffer is full: wait for room, but no longer than the deadline.
                    let left = remaining(deadline)?;
                    self.socket.set_write_timeout(Some(left)).map_err(Failure::Broken)?;
                    flags = MsgFlags::MSG_NOSIGNAL;
                }
                Err(error) => return Err(Failure::Broken(error)),
            }
        }
        Ok(())
    }

    /// Reads until the inbox holds a whole frame; returns its message's length. The time left is counted anew
    /// before each read, so a peer that sends a byte at a time gains nothing.
    fn receive(&mut self, deadline: Instant) -> Result<usize, Failure> {
        let mut chunk = [0; CHUNK];
        loop {
            match frame_length(&self.inbox, MAX_FRAME) {
                Err(_) => return Err(Failure::Fault(Fault::FrameTooLarge)),
                Ok(Some(length)) if self.inbox.len() >= LENGTH_BYTES + length => return Ok(length),
                Ok(_) => {}
            }
            let left = remaining(deadline)?;
            self.socket.set_read_timeout(Some(left)).map_err(Failure::Broken)?;
            match (&self.socket).read(&mut chunk) {
                Ok(0) => return Err(Failure::Broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => self.inbox.extend_from_slice(chunk.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Failure::Broken(error)),
            }
        }
    }
}

/// With a full backlog the kernel makes connect wait for the send timeout, and no longer.
fn connect(socket: &Socket, address: &SockAddr, deadline: Instant) -> Result<(), Failure> {
    loop {
        let left = remaining(deadline)?;
        socket.set_write_timeout(Some(left)).map_err(Failure::Broken)?;
        match socket.connect(address) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(Failure::Broken(error)),
        }
    }
}

/// The time left, never zero: the system takes a timeout of zero for none.
fn remaining(deadline: Instant) -> Result<Duration, Failure> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Failure::TimedOut);
    }
    Ok(left.max(Duration::from_micros(1)))
}
