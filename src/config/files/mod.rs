//! The files as they are taken note of, which is not always as they are this moment: a file that was put in place whole
//! is taken at once, one that is being written where it lies only once it has rested. Until then its last state stands.

mod look;
#[cfg(test)]
mod tests;
mod trail;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};
use zeroize::Zeroizing;

use look::{Identity, Stamp, TICK};

pub(super) use look::{FileKind, ReadError};
pub(super) use trail::Trail;

/// What tells contents apart, keyed for this life alone.
pub(super) type Digest = [u8; 32];

/// Which files were seen to be put in place by rename: names, as [`Trail::steps`] gives them.
pub(super) type Renamed = HashSet<PathBuf>;

/// The files.
pub struct Files {
    key: hmac::Key,
    /// Whether whatever is there is taken: at a start there is nothing else to go by.
    trusting: bool,
    known: HashMap<PathBuf, Known>,
    terms: Terms,
    /// What was seen in this pass: each is looked at once.
    looks: HashMap<PathBuf, Look>,
}

/// What a pass goes by.
struct Terms {
    now: Instant,
    settle: Duration,
    renamed: Renamed,
}

type Content = Result<(Stamp, Zeroizing<Vec<u8>>), ReadError>;

#[derive(Default)]
struct Known {
    noted: Option<Noted>,
    resting: Option<Resting>,
}

/// The state that was taken note of.
struct Noted {
    digest: Digest,
    identity: Option<Identity>,
    links: Vec<(PathBuf, PathBuf)>,
}

/// Another state, since when it rests.
struct Resting {
    digest: Digest,
    stamp: Option<Stamp>,
    since: Instant,
}

/// What was seen in this pass.
struct Look {
    trail: Trail,
    content: Content,
    digest: Digest,
    verdict: Verdict,
    /// Whether anybody asked for it.
    wanted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It counts.
    Taken,
    /// It counts if it still looks so a tick later: all that speaks for it is that its name was seen to be moved.
    Moved,
    /// It counts if it rests until then.
    Waits(Instant),
}

impl Files {
    /// None looked at yet. Until [`Files::settle_down`], whatever is there is taken.
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

    /// The bytes of a file.
    pub(super) fn read(&mut self, path: &Path, kind: FileKind) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        match &self.want(path).content {
            Ok((stamp, bytes)) => stamp.check(kind).map(|()| bytes.clone()),
            Err(error) => Err(error.clone()),
        }
    }

    /// Whether it must rest before it counts.
    pub(super) fn waits(&mut self, path: &Path) -> bool {
        !self.want(path).counts()
    }

    /// What tells its content from another.
    pub(super) fn digest(&mut self, path: &Path) -> Digest {
        self.want(path).digest
    }

    /// The files in a directory with this extension, by name. One that is gone counts until that has rested.
    pub(super) fn list(&mut self, directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
        let right = |path: &PathBuf| path.extension() == Some(OsStr::new(extension));
        let mut found: Vec<_> = match std::fs::read_dir(directory) {
            Ok(entries) => entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let known = self.known.keys().filter(|path| path.parent() == Some(directory));
        found.extend(known.cloned());
        found.retain(right);
        found.sort();
        found.dedup();
        found.retain(|path| {
            let look = self.look(path);
            !look.counts() || !look.content.as_ref().is_err_and(ReadError::is_missing)
        });
        Ok(found)
    }

    /// Looks at all that were taken note of before; says whether any is another now, and counts so.
    pub(super) fn any_news(&mut self) -> bool {
        let known: Vec<_> = self.known.keys().cloned().collect();
        for path in known {
            self.look(&path);
        }
        self.looks.iter().any(|(path, look)| {
            let noted = self.known.get(path).and_then(|known| known.noted.as_ref());
            look.counts() && noted.is_none_or(|noted| noted.digest != look.digest)
        })
    }

    /// Whether all that counts in this pass still is as it was seen: then it was so at one time, all of it. Of what waits,
    /// only whether it is there, and where: it may be written on, but one that was away for a moment, as when a volume is
    /// swapped, is not to be left behind by the others.
    pub(super) fn still_so(&self, renamed: impl FnOnce() -> Renamed) -> bool {
        let moved = |look: &Look| look.verdict == Verdict::Moved;
        if self.looks.values().any(moved) {
            pause(TICK);
            let renamed = renamed();
            let gone = |look: &Look| !look.trail.steps().any(|step| renamed.contains(step));
            if self.looks.values().any(|look| moved(look) && gone(look)) {
                return false;
            }
        }
        let missing = |content: &Content| content.as_ref().is_err_and(ReadError::is_missing);
        self.looks.iter().all(|(path, look)| {
            let (trail, content) = (Trail::of(path), look::look(path));
            let same = || digest(&self.key, &content) == look.digest && stamp_of(&content) == look.stamp();
            trail == look.trail && missing(&content) == missing(&look.content) && (!look.counts() || same())
        })
    }

    /// Takes note of what counts in this pass, and forgets what nobody asked for.
    pub(super) fn note(&mut self) {
        self.looks.retain(|_, look| look.wanted);
        let looks = &self.looks;
        self.known.retain(|path, _| looks.contains_key(path));
        for (path, look) in looks {
            let known = self.known.entry(path.clone()).or_default();
            if look.counts() {
                known.resting = None;
                known.noted = Some(Noted {
                    digest: look.digest,
                    identity: look.stamp().map(|stamp| stamp.identity),
                    links: look.trail.links.clone(),
                });
            }
        }
    }

    /// When the first of those that wait will have rested.
    pub(super) fn rested_at(&self) -> Option<Instant> {
        let waits = |look: &Look| match look.verdict {
            Verdict::Waits(until) => Some(until),
            _ => None,
        };
        self.looks.values().filter_map(waits).min()
    }

    /// Those that wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Path> {
        let all = self.looks.iter();
        all.filter(|(_, look)| !look.counts()).map(|(path, _)| path.as_path())
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

impl Terms {
    /// Whether what was seen counts, and when.
    fn judge(&self, known: &mut Known, look: &Look) -> Verdict {
        if known.noted.as_ref().is_some_and(|noted| noted.digest == look.digest) {
            return Verdict::Taken;
        }
        let changing = matches!(look.content, Err(ReadError::Changing));
        match &known.resting {
            Some(resting) if !changing && resting.digest == look.digest && resting.stamp == look.stamp() => {
                let until = resting.since + self.settle;
                return if self.now >= until {
                    Verdict::Taken
                } else {
                    Verdict::Waits(until)
                };
            }
            _ => {}
        }
        if let Some(verdict) = self.put_in_place(known, look) {
            return verdict;
        }
        known.resting = Some(Resting {
            digest: look.digest,
            stamp: look.stamp(),
            since: self.now,
        });
        Verdict::Waits(self.now + self.settle)
    }

    /// Whether the file was whole when it got its name: it is another than those seen there before, and naming it was
    /// the last that was done.
    fn put_in_place(&self, known: &Known, look: &Look) -> Option<Verdict> {
        let stamp = look.stamp()?;
        let noted = known.noted.as_ref();
        let seen = [
            noted.and_then(|noted| noted.identity),
            known
                .resting
                .as_ref()
                .and_then(|resting| resting.stamp)
                .map(|stamp| stamp.identity),
        ];
        if seen.contains(&Some(stamp.identity)) {
            return None;
        }
        let led_elsewhere = noted.is_some_and(|noted| noted.identity.is_some() && noted.links != look.trail.links);
        let directory = look.trail.end().parent();
        if led_elsewhere || directory.is_some_and(|directory| stamp.named_after_written(directory)) {
            return Some(Verdict::Taken);
        }
        let moved = look.trail.steps().any(|step| self.renamed.contains(step));
        moved.then_some(Verdict::Moved)
    }
}

impl Look {
    fn counts(&self) -> bool {
        !matches!(self.verdict, Verdict::Waits(_))
    }

    fn stamp(&self) -> Option<Stamp> {
        stamp_of(&self.content)
    }
}

/// Lets time pass, where that itself is what counts.
#[allow(clippy::disallowed_methods)]
pub(super) fn pause(span: Duration) {
    std::thread::sleep(span);
}

fn stamp_of(content: &Content) -> Option<Stamp> {
    content.as_ref().ok().map(|(stamp, _)| *stamp)
}
