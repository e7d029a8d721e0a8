//! Hints that a file has changed, by inotify: on every directory on the way to each file, and on the file itself, which a
//! bind mount can bring here from elsewhere. A hint means "look again"; what is to be seen, looking tells. Without hints
//! the poll sees the same, later.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventKind, INotifyWatcher, RecursiveMode, Watcher};

use super::queue::Reloads;
use crate::config::files::{Renamed, Trail};

/// How long files wait for a new watcher before they are followed without.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The watches.
pub(super) struct Watch {
    watcher: Option<INotifyWatcher>,
    /// One that is being made.
    making: Option<Receiver<Made>>,
    watched: HashMap<PathBuf, Inode>,
    hints: Arc<Hints>,
    trouble: Option<String>,
}

type Inode = (u64, u64);
type Made = notify::Result<INotifyWatcher>;

/// What the watcher's thread and ours share.
struct Hints {
    reloads: Reloads,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The names whose change means something.
    names: HashSet<PathBuf>,
    /// A directory in which every name means something.
    drop_ins: PathBuf,
    /// The names that were moved to where they are, and not written since.
    renamed: Renamed,
    /// Whether a watch may have gone with what it was on.
    lost: bool,
}

impl Watch {
    /// None yet.
    pub(super) fn new(reloads: Reloads) -> Self {
        let seen = Mutex::default();
        Self {
            watcher: None,
            making: None,
            watched: HashMap::new(),
            hints: Arc::new(Hints { reloads, seen }),
            trouble: None,
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
        self.hints.seen().renamed.clone()
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
        let gone: Vec<_> = self
            .watched
            .keys()
            .filter(|name| !names.contains(*name))
            .cloned()
            .collect();
        for name in gone {
            self.watched.remove(&name);
            let _ = watcher.unwatch(&name); // it may be gone, and its watch with it
        }
        let (mut any, mut outcome) = (false, Ok(()));
        for name in names {
            // What is not there is awaited in its directory.
            let Ok(metadata) = std::fs::symlink_metadata(name) else {
                continue;
            };
            let inode = (metadata.dev(), metadata.ino());
            let standing = self.watched.get(name);
            if metadata.is_symlink() || (standing == Some(&inode) && !lost) {
                continue;
            }
            if standing.is_some_and(|standing| *standing != inode) {
                let _ = watcher.unwatch(name); // as above
            }
            match watcher.watch(name, RecursiveMode::NonRecursive) {
                Ok(()) => any |= self.watched.insert(name.clone(), inode) != Some(inode),
                Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {}
                Err(error) => outcome = Err(in_words(&error, "fs.inotify.max_user_watches")),
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
        let made = INotifyWatcher::new(move |event| hints.take(event), Config::default());
        let is_made = made.is_ok();
        if tell.send(made).is_ok() && is_made {
            reloads.hint(); // nobody may have waited for it so long
        }
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(make)?;
    Ok(made)
}

/// What is wrong, and which limit to raise where that is what is.
fn in_words(error: &notify::Error, limit: &str) -> String {
    let exhausted = match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => error.raw_os_error() == Some(nix::errno::Errno::EMFILE as i32),
        _ => false,
    };
    match exhausted {
        true => format!("no inotify watch is to be had; raise {limit} (sysctl)"),
        false => format!("files cannot be watched: {error}"),
    }
}

impl Hints {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In the watcher's thread.
    fn take(&self, event: notify::Result<Event>) {
        let mut seen = self.seen();
        let any = match event {
            Ok(event) if !event.need_rescan() => seen.take(&event),
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
                // Also of the file that another took the name of.
                EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => self.lost = true,
                _ => drop(self.renamed.remove(path)),
            }
        }
        any
    }
}
