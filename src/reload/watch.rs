//! Hints that a file has changed, by inotify: on every directory on the way to each file, and on the file itself,
//! which a bind mount can bring here from elsewhere. A hint means "look again"; what is to be seen, looking tells.
//! Without hints the poll sees the same, later.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventKind, INotifyWatcher, RecursiveMode, Watcher};

use super::queue::Reloads;
use crate::files::{Renamed, Trail};

/// The time that files wait for a new watcher before they are polled.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The age of events after which they are ignored.
const HEARD: Duration = Duration::from_millis(500);

/// The watches.
pub(super) struct Watch {
    watcher: Option<INotifyWatcher>,
    /// One that is being made.
    making: Option<Receiver<Made>>,
    watched: HashMap<PathBuf, Inode>,
    hints: Arc<Hints>,
    trouble: Option<String>,
    /// The last mark that was made.
    mark: u64,
}

type Inode = (u64, u64);
type Made = notify::Result<INotifyWatcher>;

/// The state that the watcher's thread and the reload's share.
struct Hints {
    reloads: Reloads,
    seen: Mutex<Seen>,
    /// A directory of our own: a file that we make there marks the events that come before it.
    marks: PathBuf,
    marked: Condvar,
    /// True if the next event ends the watcher's thread, as a defect would; only in builds for tests.
    #[cfg(debug_assertions)]
    ends: std::sync::atomic::AtomicBool,
}

#[derive(Default)]
struct Seen {
    /// The names whose change means something.
    names: HashSet<PathBuf>,
    /// A directory in which every name means something.
    drop_ins: PathBuf,
    /// The names that were moved to where they are, and not written since.
    renamed: Renamed,
    /// True if a watch may have gone with what it was on.
    lost: bool,
    /// True if the watcher's thread has ended.
    ended: bool,
    /// The last of our own marks that was heard of.
    marked: u64,
}

impl Watch {
    /// None yet. `marks` is a directory of our own, made anew.
    pub(super) fn new(reloads: Reloads, marks: PathBuf) -> Self {
        let marks = std::path::absolute(&marks).unwrap_or(marks); // as events name it
        let _none = std::fs::remove_dir_all(&marks);
        if let Err(error) = std::fs::create_dir(&marks) {
            let marks = marks.display();
            tracing::warn!(%error, "cannot make {marks}; renamed files take effect only after `settle`");
        }
        let (seen, marked) = (Mutex::default(), Condvar::new());
        Self {
            watcher: None,
            making: None,
            watched: HashMap::new(),
            hints: Arc::new(Hints {
                reloads,
                seen,
                marks,
                marked,
                #[cfg(debug_assertions)]
                ends: std::env::var_os("JWTKEEPER_TEST_EVENT_ENDS_THE_WATCHER")
                    .is_some()
                    .into(),
            }),
            trouble: None,
            mark: 0,
        }
    }

    /// Watches the ways to all files, and the directory of drop-ins. A change that came before a watch is not told of:
    /// where there is a new one, a hint follows.
    pub(super) fn follow<'t>(&mut self, trails: impl Iterator<Item = &'t Trail>, drop_ins: &Trail) {
        let mut names: HashSet<_> = trails.flat_map(Trail::steps).map(Path::to_owned).collect();
        names.extend(drop_ins.steps().map(Path::to_owned));
        let directories: Vec<_> = names
            .iter()
            .filter_map(|name| name.parent())
            .map(Path::to_owned)
            .collect();
        names.extend(directories);
        names.insert(self.hints.marks.clone());
        if self.watcher.is_some() && self.hints.seen().ended {
            tracing::warn!("the thread that watches files ended; restarting it");
            self.give_up();
        }
        let lost = {
            let mut seen = self.hints.seen();
            seen.drop_ins = drop_ins.end().to_owned();
            seen.names.clone_from(&names);
            std::mem::take(&mut seen.lost)
        };
        let (any, outcome) = self.watch(&names, lost);
        self.trouble = outcome.err();
        if any || lost {
            self.hints.reloads.hint();
        }
    }

    /// Why files are not, or not all, watched.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Begins anew, at the next [`Watch::follow`].
    pub(super) fn give_up(&mut self) {
        // Not dropped: where its thread is gone, that would panic.
        if let Some(watcher) = self.watcher.take() {
            std::mem::forget(watcher);
        }
        self.making = None;
        self.watched.clear();
    }

    /// Which names were moved to where they are, as far as was seen.
    pub(super) fn renamed(&self) -> Renamed {
        self.of_watched_directories(&self.hints.seen().renamed)
    }

    /// The same, once every event that came before has been heard; none where that takes too long to tell.
    pub(super) fn renamed_by_now(&mut self) -> Renamed {
        self.mark += 1;
        let mark = self.hints.marks.join(self.mark.to_string());
        let made = std::fs::File::create_new(&mark).and_then(|_| std::fs::remove_file(&mark));
        if made.is_err() {
            let _there = std::fs::create_dir(&self.hints.marks); // for the next time
            return Renamed::new();
        }
        let unheard = |seen: &mut Seen| seen.marked < self.mark;
        let waited = self.hints.marked.wait_timeout_while(self.hints.seen(), HEARD, unheard);
        let (seen, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            Renamed::new()
        } else {
            self.of_watched_directories(&seen.renamed)
        }
    }

    /// Without what was seen in a directory that is another by now, or is not watched: what came since was not told of.
    fn of_watched_directories(&self, renamed: &Renamed) -> Renamed {
        let is_watched = |directory: &Path| {
            let there = std::fs::symlink_metadata(directory).map(|there| (there.dev(), there.ino()));
            there.is_ok_and(|there| self.watched.get(directory) == Some(&there))
        };
        let stands = |name: &&PathBuf| name.parent().is_some_and(is_watched);
        renamed.iter().filter(stands).cloned().collect()
    }

    /// A watcher, or why there is none; neither while the system does not say.
    fn made(&mut self) -> Option<Made> {
        let (making, patience) = match self.making.take() {
            Some(making) => (making, Duration::ZERO),
            None => match make(self.hints.clone()) {
                Ok(making) => (making, AT_ONCE),
                Err(error) => return Some(Err(notify::Error::io(error))),
            },
        };
        match making.recv_timeout(patience) {
            Ok(made) => Some(made),
            Err(RecvTimeoutError::Timeout) => {
                self.making = Some(making);
                None
            }
            Err(RecvTimeoutError::Disconnected) => Some(Err(notify::Error::generic("the watcher's thread failed"))),
        }
    }

    /// Says whether there is a new watch, and what came of it all.
    fn watch(&mut self, names: &HashSet<PathBuf>, lost: bool) -> (bool, Result<(), String>) {
        let watcher = match self.watcher.take().map(Ok).or_else(|| self.made()) {
            Some(Ok(watcher)) => self.watcher.insert(watcher),
            Some(Err(error)) => return (false, Err(in_words(&error, "fs.inotify.max_user_instances"))),
            None => {
                let slow = || "the system has not said yet whether an inotify instance is to be had".to_owned();
                return (false, Err(self.trouble.clone().unwrap_or_else(slow)));
            }
        };
        // What is not there is awaited in its directory; links are not watched, but what they lead to.
        let mut there = HashMap::new();
        for name in names {
            if let Ok(metadata) = std::fs::symlink_metadata(name)
                && !metadata.is_symlink()
            {
                there.insert(name, (metadata.dev(), metadata.ino()));
            }
        }
        let standing = self.watched.len();
        self.watched.retain(|name, inode| {
            let stands = there.get(name) == Some(inode);
            if !stands {
                let _ = watcher.unwatch(name); // it may be gone, and its watch with it
            }
            stands
        });
        // Where two names are one inode they share a watch, and it goes with the first of them.
        let renew = lost || self.watched.len() < standing;
        let (mut any, mut outcome) = (false, Ok(()));
        for (name, inode) in there {
            let stands = self.watched.contains_key(name);
            if stands && !renew {
                continue;
            }
            match watcher.watch(name, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    any |= !stands;
                    self.watched.insert(name.clone(), inode);
                    if !stands {
                        // What was seen in another directory of this name says nothing of what is in this one.
                        self.hints.seen().renamed.retain(|moved| moved.parent() != Some(name));
                    }
                }
                Err(error) => {
                    self.watched.remove(name);
                    if !matches!(error.kind, ErrorKind::PathNotFound) {
                        outcome = Err(in_words(&error, "fs.inotify.max_user_watches"));
                    }
                }
            }
        }
        (any, outcome)
    }
}

/// Makes a watcher, on a thread of its own: a kernel that has none to give first waits for what others gave back, which
/// was seen to take 20 seconds.
fn make(hints: Arc<Hints>) -> std::io::Result<Receiver<Made>> {
    let (tell, made) = sync_channel(1);
    let make = move || {
        let reloads = hints.reloads.clone();
        hints.seen().ended = false;
        let ended = Ended(hints);
        let made = INotifyWatcher::new(move |event| ended.0.take(event), Config::default());
        let is_made = made.is_ok();
        if tell.send(made).is_ok() && is_made {
            reloads.hint(); // nobody may have waited for it so long
        }
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(make)?;
    Ok(made)
}

/// Goes with the watcher's thread, however that ends: nothing more is heard of.
struct Ended(Arc<Hints>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.seen().ended = true;
        self.0.reloads.hint();
    }
}

/// Returns the error as a sentence, with the limit to raise where that is the cause.
fn in_words(error: &notify::Error, limit: &str) -> String {
    let exhausted = match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => error.raw_os_error() == Some(nix::errno::Errno::EMFILE as i32),
        _ => false,
    };
    match exhausted {
        true => format!("no inotify watch is to be had; raise {limit} (sysctl)"),
        false => match &error.kind {
            ErrorKind::Io(error) => format!("a file cannot be watched: {error}"),
            kind => format!("a file cannot be watched: {kind:?}"),
        },
    }
}

impl Hints {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark_of(&self, path: &Path) -> Option<u64> {
        let name = path.strip_prefix(&self.marks).ok()?;
        name.to_str()?.parse().ok()
    }

    /// In the watcher's thread.
    fn take(&self, event: notify::Result<Event>) {
        #[cfg(debug_assertions)]
        if self.ends.swap(false, std::sync::atomic::Ordering::AcqRel) {
            std::panic::resume_unwind(Box::new("a test"));
        }
        let mut seen = self.seen();
        let any = match event {
            Ok(event) if !event.need_rescan() => {
                if let Some(mark) = event.paths.iter().find_map(|path| self.mark_of(path)) {
                    seen.marked = seen.marked.max(mark);
                    self.marked.notify_all();
                }
                seen.take(&event)
            }
            // Events were lost, or cannot be read: nothing that was seen can be relied on.
            _ => {
                seen.renamed.clear();
                seen.lost = true;
                true
            }
        };
        drop(seen);
        if any {
            self.reloads.hint();
        }
    }
}

impl Seen {
    /// Says whether the event means something.
    fn take(&mut self, event: &Event) -> bool {
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        if event.kind.is_access() && event.kind != written {
            return false; // we read them ourselves
        }
        let mut any = false;
        for path in &event.paths {
            if !self.names.contains(path) && path.parent() != Some(&self.drop_ins) {
                continue;
            }
            any = true;
            match event.kind {
                EventKind::Modify(ModifyKind::Name(RenameMode::To)) => drop(self.renamed.insert(path.clone())),
                // Both ends of a rename that was told already.
                EventKind::Modify(ModifyKind::Name(RenameMode::Both) | ModifyKind::Metadata(_)) => {}
                // Who wrote it before it was moved may close it after.
                EventKind::Access(_) => {}
                // Also of the file that another took the name of.
                EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => {
                    self.lost = true;
                    self.renamed.retain(|name| name == path || !name.starts_with(path));
                }
                _ => self.renamed.retain(|name| !name.starts_with(path)),
            }
        }
        any
    }
}
