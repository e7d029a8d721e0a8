//! A network between clients and a server: it passes bytes on, or loses, holds or delays them, closes connections, or
//! refuses new ones. A connection that lost bytes carries nothing more, whatever comes after: it is half open until
//! one of its ends closes it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::pace::pace;

/// Between two looks for a connection.
const LOOK: Duration = Duration::from_millis(1);

/// The fate of the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Pass,
    /// Read, and never delivered.
    Swallow,
    /// Delivered when that is over.
    Hold,
    /// Delivered so much later.
    Delay(Duration),
}

/// The address of a proxy, or of its server.
#[derive(Debug, Clone)]
pub enum Place {
    Socket(PathBuf),
    Port(u16),
}

/// A proxy, gone when dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    at: Place,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// To the server, and from it.
    flows: [Flow; 2],
    refuse: bool,
    over: bool,
    streams: Vec<Stream>,
    /// Of each connection: it carries nothing more.
    lost: Vec<Arc<Mutex<bool>>>,
}

impl Proxy {
    /// Listens at a place, and leads to another.
    pub fn start(at: Place, to: Place) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                flows: [Flow::Pass; 2],
                refuse: false,
                over: false,
                streams: Vec::new(),
                lost: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let listener = Listener::bind(&at);
        let (inside, place) = (shared.clone(), at.clone());
        let accepting = std::thread::spawn(move || inside.accept(listener, &place, &to));
        let accepting = Some(accepting);
        Self { shared, at, accepting }
    }

    pub fn url(&self) -> String {
        match &self.at {
            Place::Socket(path) => format!("redis+unix://{}", path.display()),
            Place::Port(port) => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// Both directions.
    pub fn flow(&self, flow: Flow) {
        self.flows(flow, flow);
    }

    /// Sets the fate of bytes to the server, and of those from it.
    pub fn flows(&self, to: Flow, from: Flow) {
        self.shared.lock().flows = [to, from];
        self.shared.changed.notify_all();
    }

    /// From now on all connections are half open; new ones pass. So does a NAT that forgets its connections.
    pub fn lose(&self) {
        let lost = std::mem::take(&mut self.shared.lock().lost);
        lost.iter().for_each(|lost| *lost.lock().unwrap() = true);
    }

    /// Closes all connections.
    pub fn cut(&self) {
        let streams = std::mem::take(&mut self.shared.lock().streams);
        streams.iter().for_each(Stream::close);
    }

    /// Returns true if nobody listens.
    pub fn refuse(&self, refuse: bool) {
        self.shared.lock().refuse = refuse;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        self.cut();
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join(); // it ends by itself
        }
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn accept(self: &Arc<Self>, listener: Listener, at: &Place, to: &Place) {
        let mut listener = Some(listener);
        loop {
            let (over, refuse) = {
                let state = self.lock();
                (state.over, state.refuse)
            };
            if over {
                return;
            }
            if refuse {
                listener = None;
            } else if listener.is_none() {
                listener = Some(Listener::bind(at));
            }
            match listener.as_ref().map(Listener::accept) {
                Some(Ok(client)) => self.connect(client, to),
                _ => pace(LOOK),
            }
        }
    }

    /// Without a server the client is closed, as a network does that knows nobody there.
    fn connect(self: &Arc<Self>, client: Stream, to: &Place) {
        let Ok(server) = Stream::connect(to) else {
            client.close();
            return;
        };
        let pairs = [(client.clone(), server.clone()), (server.clone(), client.clone())];
        let lost = Arc::new(Mutex::new(false));
        let mut state = self.lock();
        state.streams.extend([client, server]);
        state.lost.push(lost.clone());
        drop(state);
        for (direction, (from, into)) in pairs.into_iter().enumerate() {
            let (shared, lost) = (self.clone(), lost.clone());
            let (sender, chunks) = channel();
            std::thread::spawn(move || shared.deliver(direction, &chunks, into, &lost));
            std::thread::spawn(move || {
                let mut from = from;
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    if sender.send((Instant::now(), buffer[..count].to_vec())).is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// Delivers until one end closes; the other learns of that unless bytes are being lost.
    fn deliver(&self, direction: usize, chunks: &Receiver<(Instant, Vec<u8>)>, mut into: Stream, lost: &Mutex<bool>) {
        for (read, bytes) in chunks {
            let mut state = self.lock();
            while state.flows[direction] == Flow::Hold && !state.over {
                state = self.changed.wait(state).unwrap();
            }
            let flow = state.flows[direction];
            drop(state);
            let mut lost = lost.lock().unwrap();
            *lost |= flow == Flow::Swallow;
            if *lost {
                continue;
            }
            drop(lost);
            if let Flow::Delay(time) = flow {
                pace(time.saturating_sub(read.elapsed()));
            }
            if into.write_all(&bytes).is_err() {
                break;
            }
        }
        if !*lost.lock().unwrap() || self.lock().over {
            into.close();
        }
    }
}

enum Listener {
    Socket(UnixListener),
    Port(TcpListener),
}

impl Listener {
    fn bind(at: &Place) -> Self {
        match at {
            Place::Socket(path) => {
                let _none = std::fs::remove_file(path);
                let listener = UnixListener::bind(path).unwrap();
                listener.set_nonblocking(true).unwrap();
                Self::Socket(listener)
            }
            Place::Port(port) => {
                let listener = TcpListener::bind(("127.0.0.1", *port)).unwrap();
                listener.set_nonblocking(true).unwrap();
                Self::Port(listener)
            }
        }
    }

    fn accept(&self) -> io::Result<Stream> {
        let stream = match self {
            Self::Socket(listener) => Stream::Socket(Arc::new(listener.accept()?.0)),
            Self::Port(listener) => Stream::Port(Arc::new(listener.accept()?.0)),
        };
        stream.block();
        Ok(stream)
    }
}

#[derive(Clone)]
enum Stream {
    Socket(Arc<UnixStream>),
    Port(Arc<TcpStream>),
}

impl Stream {
    fn connect(to: &Place) -> io::Result<Self> {
        Ok(match to {
            Place::Socket(path) => Self::Socket(Arc::new(UnixStream::connect(path)?)),
            Place::Port(port) => Self::Port(Arc::new(TcpStream::connect(("127.0.0.1", *port))?)),
        })
    }

    fn block(&self) {
        let _ = match self {
            Self::Socket(stream) => stream.set_nonblocking(false),
            Self::Port(stream) => stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true)),
        }; // it may be closed already, which reading will tell
    }

    fn close(&self) {
        let _ = match self {
            Self::Socket(stream) => stream.shutdown(Shutdown::Both),
            Self::Port(stream) => stream.shutdown(Shutdown::Both),
        }; // it may be closed already
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(stream) => (&**stream).read(buffer),
            Self::Port(stream) => (&**stream).read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(stream) => (&**stream).write(bytes),
            Self::Port(stream) => (&**stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
