//! Hints that a file has changed, by inotify: on every directory on the way to each file, and on the file itself, which a
//! bind mount can bring here from elsewhere. A hint means "look again"; what is to be seen, looking tells. Without hints
//! the poll sees the same, later.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Config, ErrorKind, Event, EventKind, INotifyWatcher, RecursiveMode, Watcher};

use super::queue::Reloads;
use crate::config::files::{Renamed, Trail};

/// The watches.
pub(super) struct Watch {
    watcher: Option<INotifyWatcher>,
    watched: HashMap<PathBuf, Inode>,
    hints: Arc<Hints>,
    trouble: Option<String>,
}

type Inode = (u64, u64);

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
        self.watched.clear();
    }

    /// Which names were moved to where they are, as far as was seen.
    pub(super) fn renamed(&self) -> Renamed {
        self.hints.seen().renamed.clone()
    }

    /// Says whether there is a new watch, and what came of it all.
    fn watch(&mut self, names: &HashSet<PathBuf>, lost: bool) -> (bool, Result<(), String>) {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => {
                let hints = self.hints.clone();
                match INotifyWatcher::new(move |event| hints.take(event), Config::default()) {
                    Ok(watcher) => none.insert(watcher),
                    Err(error) => return (false, Err(in_words(&error, "fs.inotify.max_user_instances"))),
                }
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
