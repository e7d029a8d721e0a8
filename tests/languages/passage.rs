//! Lookup between an app and the real daemon, passes on every byte both ways, and lets something happen at the moment
//! between a validate that was answered and the rotate that follows.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use jwtkeeper_testkit::daemons::Daemon;

/// The tag of `Rotate` (docs/protocol.md), after the request's id.
const ROTATE: [u8; 4] = 3u32.to_le_bytes();

type Event = Box<dyn FnOnce() + Send>;

pub struct Passage {
    directory: TempDir,
    event: Arc<Mutex<Option<Event>>>,
    over: Arc<AtomicBool>,
}

impl Passage {
    pub fn to(daemon: &Daemon) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let passage = Self {
            directory,
            event: Arc::default(),
            over: Arc::default(),
        };
        let listener = UnixListener::bind(passage.socket()).unwrap();
        let (daemon, event, over) = (
            daemon.setup.socket(),
            Arc::clone(&passage.event),
            Arc::clone(&passage.over),
        );
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                serve(client, &daemon, &event);
            }
        });
        passage
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("passage.sock")
    }

    /// Does this once, when a request to rotate has come and before it is passed on.
    pub fn before_rotate(&self, event: impl FnOnce() + Send + 'static) {
        *self.event.lock().unwrap() = Some(Box::new(event));
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _woken = UnixStream::connect(self.socket());
    }
}

/// Passes on what each side says, until one hangs up.
fn serve(client: UnixStream, daemon: &Path, event: &Arc<Mutex<Option<Event>>>) {
    let Ok(daemon) = UnixStream::connect(daemon) else {
        return;
    };
    let (mut from_daemon, mut to_client) = (daemon.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ended = io::copy(&mut from_daemon, &mut to_client);
        let _gone = to_client.shutdown(Shutdown::Both);
    });
    let event = Arc::clone(event);
    std::thread::spawn(move || {
        let _ended = frames(&client, &daemon, &event);
        let _gone = daemon.shutdown(Shutdown::Both);
    });
}

fn frames(mut client: &UnixStream, mut daemon: &UnixStream, event: &Mutex<Option<Event>>) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        client.read_exact(&mut frame)?;
        if frame.get(8..12) == Some(&ROTATE) {
            let due = event.lock().unwrap_or_else(PoisonError::into_inner).take();
            due.into_iter().for_each(|event| event());
        }
        daemon.write_all(&[&length[..], &frame].concat())?;
    }
}
