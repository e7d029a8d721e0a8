//! A connection by hand: bytes as a test wants them.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use jwtkeeper_wire::{
    Answer, Greeting, Hello, LENGTH_BYTES, MAGIC, MAX_FRAME, Op, PROTOCOL, Reply, Request, decode, frame_length,
    put_frame,
};

/// A connection.
pub struct Wire {
    pub stream: UnixStream,
}

impl Wire {
    /// Connects, and says nothing.
    pub fn silent(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        stream.set_write_timeout(Some(super::PATIENCE)).unwrap();
        Self { stream }
    }

    /// Connects and is welcomed.
    pub fn greeted(socket: &Path) -> Self {
        Self::greeted_or_refused(socket).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// Connects, and says how it was refused where it is not welcomed.
    pub fn greeted_or_refused(socket: &Path) -> Result<Self, String> {
        let mut wire = Self::silent(socket);
        wire.send(&hello(MAGIC, PROTOCOL));
        let message = wire.message().unwrap();
        match decode(&message).unwrap() {
            Greeting::Welcome(_) => Ok(wire),
            refused => Err(format!("{refused:?}")),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a request.
    pub fn ask(&mut self, id: u64, op: Op<'_>) {
        self.send(&frame(id, op));
    }

    /// The next message.
    pub fn message(&mut self) -> io::Result<Vec<u8>> {
        let mut prefix = [0; LENGTH_BYTES];
        self.stream.read_exact(&mut prefix)?;
        let length = frame_length(&prefix, MAX_FRAME).unwrap().unwrap();
        let mut message = vec![0; length];
        self.stream.read_exact(&mut message)?;
        Ok(message)
    }

    /// The next reply, given to `look`.
    pub fn reply<T>(&mut self, look: impl FnOnce(u64, Answer<'_>) -> T) -> T {
        let message = self.message().unwrap();
        let reply: Reply<'_> = decode(&message).unwrap();
        look(reply.id, reply.answer)
    }

    /// Asserts that the daemon has closed it, and sent nothing more.
    pub fn assert_closed(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty(), "{} bytes more", rest.len()),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}

/// A request's frame.
pub fn frame(id: u64, op: Op<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&Request { id, op }, &mut bytes).unwrap();
    bytes
}

/// A hello's frame.
pub fn hello(magic: [u8; 8], protocol: u16) -> Vec<u8> {
    let hello = Hello {
        magic,
        protocol,
        client: "tests/1",
        extensions: Vec::new(),
    };
    let mut bytes = Vec::new();
    put_frame(&hello, &mut bytes).unwrap();
    bytes
}
