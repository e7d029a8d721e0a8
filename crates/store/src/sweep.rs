//! The sweeper: a thread that forgets expired entries in memory. It works in slices and rests as long as it works, so
//! that millions of entries that expire together hold up neither a validate nor an acknowledgement.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use jwtkeeper_sys::return_freed_memory;

use jwtkeeper_core::denylist::Index;
use jwtkeeper_core::types::Seconds;

/// After so many slices memory is returned to the system: some 100,000 entries, several megabytes.
const MANY: u32 = 100;

/// The sweeper. It ends when this is dropped.
pub(crate) struct Sweeper {
    index: Arc<Index>,
    wake: Option<Sender<Seconds>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// Starts the thread.
    pub(crate) fn start(index: Arc<Index>) -> io::Result<Self> {
        let (wake, queue) = channel();
        let swept = index.clone();
        let thread = std::thread::Builder::new()
            .name("expiry".to_owned())
            .spawn(move || run(&swept, &queue))?;
        Ok(Self {
            index,
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// Has everything forgotten that may be by `by`.
    pub(crate) fn forget_by(&self, by: Seconds) {
        self.index.forget_by(by);
        if let Some(wake) = &self.wake {
            let _ = wake.send(by); // a panic there was logged; expired entries that stay do no harm
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic was logged where it happened
        }
    }
}

fn run(index: &Index, queue: &Receiver<Seconds>) {
    while let Ok(mut by) = queue.recv() {
        let mut slices = 0;
        let mut began = Instant::now();
        while index.purge_slice(by) {
            slices += 1;
            match queue.recv_timeout(began.elapsed()) {
                Ok(later) => by = later,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            began = Instant::now();
        }
        if slices > 0 {
            index.shrink();
        }
        if slices >= MANY {
            return_freed_memory();
        }
        index.swept_by(by);
    }
}
