//! Whoever reads the file while it is replaced.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::{NEW_LENGTH, OLD, Place, generate, said};
use jwtkeeper_testkit::pace::until;

const GENERATIONS: usize = 200;

/// The progress of a reader.
#[derive(Default)]
struct Reader {
    reads: AtomicUsize,
    wrong: AtomicUsize,
    over: AtomicBool,
}

impl Reader {
    fn reads(&self) -> usize {
        self.reads.load(Ordering::Acquire)
    }

    fn wrong(&self) -> usize {
        self.wrong.load(Ordering::Acquire)
    }

    /// Reads again and again until it is over. What is neither the old one nor as long as a new one is wrong; returns
    /// the others.
    fn read(&self, path: &Path) -> HashSet<String> {
        let mut whole = HashSet::new();
        while !self.over.load(Ordering::Acquire) {
            match fs::read_to_string(path) {
                Ok(text) if text == OLD || text.len() == NEW_LENGTH => drop(whole.insert(text)),
                Ok(_) | Err(_) => drop(self.wrong.fetch_add(1, Ordering::Release)),
            }
            self.reads.fetch_add(1, Ordering::Release);
        }
        whole
    }

    /// Reads while `write` runs; returns what was whole.
    fn watch(&self, path: &Path, write: impl FnOnce()) -> HashSet<String> {
        /// The reader ends however the writer does.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        thread::scope(|scope| {
            let reader = scope.spawn(|| self.read(path));
            {
                let _over = Over(&self.over);
                until("the reader reads", || self.reads() > 0);
                write();
            }
            reader.join().unwrap()
        })
    }
}

#[test]
fn a_reader_sees_every_generation_whole() {
    let place = Place::with_old();
    let reader = Reader::default();
    let mut written = HashSet::from([OLD.to_owned()]);
    let seen = reader.watch(&place.secret(), || {
        for _ in 0..GENERATIONS {
            let mut command = generate(&["--no-backup"]);
            command.arg(place.secret());
            said(command);
            assert!(written.insert(place.content()), "the same secret twice");
            let before = reader.reads();
            // One may have begun before; the next has not.
            until("it is read", || reader.reads() > before + 1);
        }
    });
    println!("{GENERATIONS} generations, {} reads", reader.reads());
    assert_eq!(reader.wrong(), 0, "missing, empty or partial");
    assert_eq!(seen, written);
    assert_eq!(place.names(), ["secret"]);
}

/// The same reader finds a file that is written in place empty.
#[test]
fn the_reader_sees_a_file_that_is_written_in_place() {
    let place = Place::with_old();
    let reader = Reader::default();
    let new = "n".repeat(NEW_LENGTH);
    reader.watch(&place.secret(), || {
        until("it is found empty", || {
            fs::write(place.secret(), &new).unwrap();
            reader.wrong() > 0
        });
    });
}
