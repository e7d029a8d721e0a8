//! The files as they are taken note of, which is not always as they are this moment: a file that was put in place whole
//! is taken at once, one that is being written where it lies only once it has rested. Until then its last state stands.

mod look;
#[cfg(test)]
mod tests;
mod trail;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};
use zeroize::Zeroizing;

use look::Stamp;
use verdict::{Known, Noted, Resting, Terms, Verdict};

pub(super) use look::{FileKind, ReadError};
pub(super) use trail::Trail;

/// The digest of a content, keyed for this process alone.
pub(super) type Digest = [u8; 32];

/// Which names (as [`Trail::steps`] gives them) were seen to be moved to where they are, and not written since.
pub(super) type Renamed = HashSet<PathBuf>;

/// Files that change while they are read are read again after this.
const AGAIN: Duration = Duration::from_millis(10);

/// The files.
pub struct Files {
    key: hmac::Key,
    /// True at a start, where every file takes effect at once.
    trusting: bool,
    known: HashMap<PathBuf, Known>,
    terms: Terms,
    /// The observations of this pass: each file is looked at once.
    looks: HashMap<PathBuf, Look>,
    /// Why the directory of drop-ins cannot be read: in this pass, and when that was last taken note of.
    unlisted: [Option<String>; 2],
}

type Content = Result<(Stamp, Zeroizing<Vec<u8>>), ReadError>;

/// An observation of this pass.
struct Look {
    trail: Trail,
    content: Content,
    digest: Digest,
    verdict: Verdict,
    /// True if anybody asked for it.
    wanted: bool,
}

impl Files {
    /// None looked at yet. Until it has settled down, whatever is there is taken.
    #[allow(clippy::new_without_default)] // what is random is not a default
    pub fn new() -> Self {
        let mut key = [0; 32];
        let _ = rand::fill(&mut key); // without, digests are alike in each life, and no worse for it
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            trusting: true,
            known: HashMap::new(),
            terms: Terms {
                now: Instant::now(),
                settle: Duration::ZERO,
                renamed: Renamed::new(),
            },
            looks: HashMap::new(),
            unlisted: [None, None],
        }
    }

    /// The same files as they are now, without a history: whatever is there is taken. Digests are comparable.
    pub(super) fn afresh(&self) -> Self {
        Self {
            key: self.key.clone(),
            ..Self::new()
        }
    }

    /// Takes note of what was read; from now on changes must rest.
    pub(super) fn settle_down(&mut self) {
        self.note();
        self.trusting = false;
    }

    /// Begins a pass: what was seen in the last one is looked at anew.
    pub(super) fn begin(&mut self, now: Instant, settle: Duration, renamed: Renamed) {
        self.terms = Terms { now, settle, renamed };
        self.looks.clear();
    }

    /// Looks at a file, if nobody has in this pass.
    pub(super) fn look_at(&mut self, path: &Path) {
        self.look(path);
    }

    /// Returns true if its state is another than the one that was taken note of, stable or not.
    pub(super) fn is_pending(&mut self, path: &Path) -> bool {
        let digest = self.look(path).digest;
        let noted = self.known.get(path).and_then(|known| known.noted.as_ref());
        noted.is_none_or(|noted| noted.digest != digest)
    }

    /// Holds back a new state that would take effect now, until `settle` after it first did.
    pub(super) fn hold(&mut self, path: &Path) {
        if !self.is_pending(path) || !self.look(path).counts() {
            return;
        }
        let Terms { now, settle, .. } = self.terms;
        let held = self.known.entry(path.to_owned()).or_default().held.get_or_insert(now);
        let until = *held + settle;
        if now < until {
            self.look(path).verdict = Verdict::Waits(until);
        }
    }

    /// The bytes of a file.
    pub(super) fn read(&mut self, path: &Path, kind: FileKind) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        match &self.want(path).content {
            Ok((stamp, bytes)) => stamp.check(kind).map(|()| bytes.clone()),
            Err(error) => Err(error.clone()),
        }
    }

    /// Returns true if it must be unchanged for `settle` before it takes effect.
    pub(super) fn waits(&mut self, path: &Path) -> bool {
        !self.want(path).counts()
    }

    /// Returns the digest of a file's content.
    pub(super) fn digest(&mut self, path: &Path) -> Digest {
        self.want(path).digest
    }

    /// Returns true if it is changing together with others: it changed while they were read, or links lead elsewhere,
    /// and it must rest there.
    pub(super) fn unsteady(&mut self, path: &Path) -> bool {
        let look = self.want(path);
        let (verdict, links) = (look.verdict, look.trail.links.clone());
        let noted = self.known.get(path).and_then(|known| known.noted.as_ref());
        let led_elsewhere = noted.is_some_and(|noted| noted.links != links);
        verdict == Verdict::Unsteady || (led_elsewhere && matches!(verdict, Verdict::Waits(_)))
    }

    /// The files in a directory with this extension, by name. One that is gone counts until that has rested.
    pub(super) fn list(&mut self, directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
        // An editor's lock or backup is not ours.
        let hidden = |path: &Path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        };
        let right = |path: &PathBuf| path.extension() == Some(OsStr::new(extension)) && !hidden(path);
        let listed = std::fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let [unlisted, _] = &mut self.unlisted;
        *unlisted = None;
        let there: HashSet<_> = match listed {
            Ok(entries) => entries.into_iter().map(|entry| entry.path()).filter(right).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashSet::new(),
            Err(error) => {
                *unlisted = Some(error.to_string());
                return Err(error);
            }
        };
        let known = self.known.keys().filter(|path| path.parent() == Some(directory));
        let mut found: Vec<_> = known.filter(|path| right(path)).chain(&there).cloned().collect();
        found.sort();
        found.dedup();
        found.retain(|path| {
            let look = self.look(path);
            let gone = look.counts() && look.content.as_ref().is_err_and(ReadError::is_missing);
            there.contains(path) || !gone // a link that leads nowhere is there
        });
        Ok(found)
    }

    /// Looks at all that were taken note of before; says whether any is another now, and counts so.
    pub(super) fn any_news(&mut self) -> bool {
        let known: Vec<_> = self.known.keys().cloned().collect();
        for path in known {
            self.look(&path);
        }
        let [unlisted, noted] = &self.unlisted;
        unlisted != noted
            || self.looks.iter().any(|(path, look)| {
                let noted = self.known.get(path).and_then(|known| known.noted.as_ref());
                look.counts() && noted.is_none_or(|noted| noted.digest != look.digest)
            })
    }

    /// Returns true if all states that take effect in this pass are unchanged: then they existed at one moment. A file
    /// that is not counts no more. Of what waits, only whether it is there, and where: it may be written on, but one
    /// that was away for a moment, as when a volume is swapped, is not to be left behind by the others. `renamed`
    /// waits until it knows of all that happened so far.
    pub(super) fn still_so(&mut self, renamed: impl FnOnce() -> Renamed) -> bool {
        let missing = |content: &Content| content.as_ref().is_err_and(ReadError::is_missing);
        let is_so = |path: &Path, look: &Look| {
            let (trail, content) = (Trail::of(path), look::look(path));
            let same = || digest(&self.key, &content) == look.digest && stamp_of(&content) == look.stamp();
            trail == look.trail && missing(&content) == missing(&look.content) && (!look.counts() || same())
        };
        let steady = self.looks.iter().filter(|(_, look)| look.verdict != Verdict::Unsteady);
        let mut unsteady: Vec<_> = steady
            .filter(|(path, look)| !is_so(path, look))
            .map(|(path, _)| path.clone())
            .collect();
        let moved = |look: &Look| look.verdict == Verdict::Moved;
        if self.looks.values().any(moved) {
            let renamed = renamed();
            let gone = |look: &Look| !look.trail.steps().any(|step| renamed.contains(step));
            for (path, look) in self.looks.iter().filter(|(_, look)| moved(look) && gone(look)) {
                let resting = Resting {
                    digest: look.digest,
                    stamp: look.stamp(),
                    since: self.terms.now,
                    doubted: true,
                };
                self.known.entry(path.clone()).or_default().resting = Some(resting);
                unsteady.push(path.clone());
            }
        }
        for path in &unsteady {
            self.look(path).verdict = Verdict::Unsteady;
        }
        unsteady.is_empty()
    }

    /// Takes note of what counts in this pass, and forgets what nobody asked for.
    pub(super) fn note(&mut self) {
        let [unlisted, noted] = &mut self.unlisted;
        noted.clone_from(unlisted);
        self.looks.retain(|_, look| look.wanted);
        let looks = &self.looks;
        self.known.retain(|path, _| looks.contains_key(path));
        for (path, look) in looks {
            let known = self.known.entry(path.clone()).or_default();
            if look.counts() {
                known.resting = None;
                known.unsettled = None;
                known.held = None;
                known.noted = Some(Noted {
                    digest: look.digest,
                    identity: look.stamp().map(|stamp| stamp.identity),
                    links: look.trail.links.clone(),
                });
            }
        }
    }

    /// When to look again: when the first of those that wait will have rested.
    pub(super) fn rested_at(&self) -> Option<Instant> {
        let waits = |look: &Look| match look.verdict {
            Verdict::Waits(until) => Some(until),
            Verdict::Unsteady => Some(self.terms.now + AGAIN),
            Verdict::Taken | Verdict::Moved => None,
        };
        self.looks.values().filter_map(waits).min()
    }

    /// Returns the files whose new state waits, and since when.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&Path, Instant)> {
        let waits = self.looks.iter().filter(|(_, look)| !look.counts());
        let since = |path| self.known.get(path).and_then(|known| known.unsettled);
        waits.map(move |(path, _)| (path.as_path(), since(path).unwrap_or(self.terms.now)))
    }

    /// The ways to all files of this pass.
    pub(super) fn trails(&self) -> impl Iterator<Item = &Trail> {
        self.looks.values().map(|look| &look.trail)
    }

    /// Wipes what was read.
    pub(super) fn end(&mut self) {
        for look in self.looks.values_mut() {
            if let Ok((_, bytes)) = &mut look.content {
                *bytes = Zeroizing::default();
            }
        }
    }

    fn want(&mut self, path: &Path) -> &Look {
        let look = self.look(path);
        look.wanted = true;
        look
    }

    fn look(&mut self, path: &Path) -> &mut Look {
        let Self {
            key,
            trusting,
            known,
            terms,
            looks,
            ..
        } = self;
        looks.entry(path.to_owned()).or_insert_with(|| {
            let (trail, content) = (Trail::of(path), look::look(path));
            let mut look = Look {
                trail,
                digest: digest(key, &content),
                content,
                verdict: Verdict::Taken,
                wanted: false,
            };
            if !*trusting {
                look.verdict = terms.judge(known.entry(path.to_owned()).or_default(), &look);
            }
            look
        })
    }
}

fn digest(key: &hmac::Key, content: &Content) -> Digest {
    // Blocks of a secret pass through the hash's frames.
    jwtkeeper_sys::with_scrubbed_stack(|| mac_of(key, content))
}

fn mac_of(key: &hmac::Key, content: &Content) -> Digest {
    let mut context = hmac::Context::with_key(key);
    match content {
        Ok((stamp, bytes)) => {
            context.update(&[1, stamp.rights_of_others()]);
            context.update(bytes);
        }
        Err(error) => context.update(error.to_string().as_bytes()),
    }
    context.sign().as_ref().first_chunk().copied().unwrap_or_default()
}

impl Look {
    fn counts(&self) -> bool {
        matches!(self.verdict, Verdict::Taken | Verdict::Moved)
    }

    fn stamp(&self) -> Option<Stamp> {
        stamp_of(&self.content)
    }
}

/// Reads a file as it is now, watched by nobody.
pub(super) fn read_once(path: &Path, kind: FileKind) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let (stamp, bytes) = look::look(path)?;
    stamp.check(kind)?;
    Ok(bytes)
}

/// Lets time pass, where that itself is what counts.
#[allow(clippy::disallowed_methods)]
pub(super) fn pause(span: Duration) {
    std::thread::sleep(span);
}

fn stamp_of(content: &Content) -> Option<Stamp> {
    content.as_ref().ok().map(|(stamp, _)| *stamp)
}
