//! A scripted daemon: it stands in for a broken or hostile one. Each connection runs the script in a thread.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jwtkeeper_client::{Cause, Config};
use jwtkeeper_wire::{
    Answer, Extension, Greeting, Hello, LENGTH_BYTES, Limits, MAGIC, MAX_FRAME, Op, PROTOCOL, Reply, Request, Welcome,
    decode, frame_length, put_frame,
};

/// A scripted daemon, listening in a directory of its own until dropped.
pub struct Fake {
    directory: tempfile::TempDir,
    accepted: Arc<AtomicUsize>,
}

impl Fake {
    /// Runs `script` for each connection, with its number.
    pub fn start(script: impl Fn(usize, Peer) + Send + Sync + 'static) -> Self {
        let fake = Self::absent();
        fake.listen(script);
        fake
    }

    /// A place for a daemon, with none there yet.
    pub fn absent() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            directory,
            accepted: Arc::default(),
        }
    }

    /// Begins to listen.
    pub fn listen(&self, script: impl Fn(usize, Peer) + Send + Sync + 'static) {
        self.serve(UnixListener::bind(self.socket()).unwrap(), script);
    }

    /// Begins to accept from `listener`.
    pub fn serve(&self, listener: UnixListener, script: impl Fn(usize, Peer) + Send + Sync + 'static) {
        let accepted = Arc::clone(&self.accepted);
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                let script = Arc::clone(&script);
                let peer = Peer::new(stream.unwrap());
                std::thread::spawn(move || script(number, peer));
            }
        });
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("jwtkeeper.sock")
    }

    /// A client's configuration for it, with a short deadline.
    pub fn config(&self) -> Config {
        Config::new(self.socket()).with_deadline(Duration::from_secs(5))
    }

    /// Returns the number of connections that there were.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// A client, as the scripted daemon sees it.
pub struct Peer {
    pub stream: UnixStream,
    inbox: Vec<u8>,
}

/// A request as it came.
pub struct Asked {
    body: Vec<u8>,
}

impl Asked {
    pub fn request(&self) -> Request<'_> {
        decode(&self.body).expect("a client sends requests")
    }

    pub fn id(&self) -> u64 {
        self.request().id
    }

    /// The token of a validate: the tests put a subject there.
    pub fn token(&self) -> String {
        match self.request().op {
            Op::Validate { token, .. } => String::from_utf8(token.to_vec()).unwrap(),
            op => panic!("not a validate: {op:?}"),
        }
    }
}

impl Peer {
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            inbox: Vec::new(),
        }
    }

    /// Reads the hello and sends a welcome.
    pub fn greet(&mut self) -> &mut Self {
        self.greet_with_limit(MAX_FRAME as u32)
    }

    pub fn greet_with_limit(&mut self, max_frame: u32) -> &mut Self {
        self.hello();
        self.welcome(max_frame, Vec::new());
        self
    }

    /// Greets with extensions; gives the values of the hello's.
    pub fn greet_with(&mut self, extensions: Vec<Extension<'_>>) -> Vec<Vec<u8>> {
        let asked = self.hello();
        self.welcome(MAX_FRAME as u32, extensions);
        asked
    }

    fn welcome(&mut self, max_frame: u32, extensions: Vec<Extension<'_>>) {
        let welcome = Greeting::Welcome(Welcome {
            protocol: PROTOCOL,
            server: "fake/0",
            instance: [0; 16],
            generation: 1,
            limits: Limits {
                max_frame,
                max_in_flight: 1024,
            },
            extensions,
        });
        self.send(&welcome);
    }

    /// Reads the hello; gives the values of its extensions.
    pub fn hello(&mut self) -> Vec<Vec<u8>> {
        let Some(body) = self.frame() else { return Vec::new() }; // one that only filled the backlog
        let hello: Hello<'_> = decode(&body).expect("the first frame is a hello");
        assert_eq!((hello.magic, hello.protocol), (MAGIC, PROTOCOL));
        hello
            .extensions
            .iter()
            .map(|extension| extension.value.to_vec())
            .collect()
    }

    /// The next request; `None` when the client has gone.
    pub fn asked(&mut self) -> Option<Asked> {
        self.frame().map(|body| Asked { body })
    }

    fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(body) = self.buffered() {
                return Some(body);
            }
            if !self.read().ok()? {
                return None;
            }
        }
    }

    /// The next request that came within `time`; an error when the client has gone.
    pub fn next_within(&mut self, time: Duration) -> io::Result<Option<Asked>> {
        if let Some(body) = self.buffered() {
            return Ok(Some(Asked { body }));
        }
        self.stream.set_read_timeout(Some(time))?;
        match self.read() {
            Ok(true) => Ok(self.buffered().map(|body| Asked { body })),
            Ok(false) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn buffered(&mut self) -> Option<Vec<u8>> {
        let length = frame_length(&self.inbox, MAX_FRAME).unwrap()?;
        if self.inbox.len() < LENGTH_BYTES + length {
            return None;
        }
        let frame: Vec<u8> = self.inbox.drain(..LENGTH_BYTES + length).collect();
        Some(frame[LENGTH_BYTES..].to_vec())
    }

    fn read(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        let read = self.stream.read(&mut chunk)?;
        self.inbox.extend_from_slice(&chunk[..read]);
        Ok(read > 0)
    }

    pub fn answer(&mut self, id: u64, answer: Answer<'_>) {
        self.send(&Reply { id, answer });
    }

    /// Valid, with the token's text as its subject.
    pub fn echo(&mut self, id: u64, token: &str) {
        let claims = format!(r#"{{"sub":"{token}"}}"#);
        self.answer(
            id,
            Answer::Valid {
                claims: claims.as_bytes(),
                rotation: Cause::None,
            },
        );
    }

    /// Greets, and answers every validate by its token's text, and all else by "pong", until the client goes.
    pub fn echo_all(mut self) {
        self.greet();
        while let Some(asked) = self.asked() {
            self.reply_to(&asked);
        }
    }

    pub fn reply_to(&mut self, asked: &Asked) {
        match asked.request().op {
            Op::Validate { .. } => self.echo(asked.id(), &asked.token()),
            _ => self.answer(asked.id(), Answer::Pong),
        }
    }

    pub fn send(&mut self, message: &impl serde::Serialize) {
        let mut frame = Vec::new();
        put_frame(message, &mut frame).unwrap();
        self.raw(&frame);
    }

    /// Bytes as they are; a client that has gone is no failure.
    pub fn raw(&mut self, bytes: &[u8]) {
        let _gone = self.stream.write_all(bytes);
    }

    /// Waits until the client closes.
    pub fn until_closed(mut self) {
        while self.asked().is_some() {}
    }
}
