//! Reload: one thread that looks at the files whenever something asks for it (an event of the file system, SIGHUP,
//! `jwtkeeperctl reload`, the poll) and puts in effect what is new and right.

mod change;
mod next;
mod queue;
mod snapshot;
mod together;
mod watch;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::config::fault::{Fault, Faults};
use crate::config::settings::{ReloadSettings, Settings};
use crate::config::tree;
use crate::files::{Files, Trail, pause};
use jwtkeeper_core::types::Millis;
use next::{KnownFaults, Next};
use together::hold_together;
use watch::Watch;

pub(super) use change::changes;
pub use change::{Change, Ends};
pub use queue::{Made, Preview, Reloaded, Reloads, Wanted};
pub use snapshot::{ActiveRealm, Snapshot, SnapshotStore, StartError, Status};

/// A change is seldom one event, and SIGHUP seldom alone: what comes together is one reading.
const TOGETHER: Duration = Duration::from_millis(2);
/// The same, when the last reading is no longer ago than this: something is writing all the while.
const BUSY: Duration = Duration::from_millis(10);
/// Files that change while they are read are left as they were; the others are read on so many times at once.
const TRIES: usize = 5;
/// The multiple of `settle` for which a reload waits for files to become stable; after as long, files that have
/// not are told of.
const PATIENCE: u32 = 3;
/// And no longer than this: clients wait five seconds.
const MOST_PATIENCE: Duration = Duration::from_secs(4);
/// The interval of retries after a failure that lies with no file.
const RETRY: Duration = Duration::from_secs(1);
/// The age of a change, in milliseconds, after which a reload no longer reports it.
const RECENT: u64 = 60 * 1000;
/// The number of changes that are remembered.
const REMEMBERED: usize = 4096;

/// An event for the listener of reloads.
pub enum Event<'a> {
    /// All is being read, because somebody asked for it.
    Begins,
    /// Another snapshot is in effect, and what that changes.
    Changed(&'a Snapshot, &'a [Change]),
    /// Something new is wrong; what was in effect in its place stays.
    Refused(&'a Fault),
    /// The reload that was asked for is done; these are the remaining faults.
    Ends(&'a Faults),
}

/// However the thread that follows the files ends, health tells of it.
struct Ended(Arc<SnapshotStore>, Reloads);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.with_status(|status| status.unfollowed = true);
        self.1.end();
        tracing::error!("watching files failed; changes take effect only after a restart of the daemon");
    }
}

/// A caller that waits for the outcome of a reload.
struct Waiting {
    since: Instant,
    /// The generation in effect when the reload was asked for.
    generation: u64,
    wanted: Wanted,
    answer: oneshot::Sender<Reloaded>,
}

/// Follows the files.
pub struct Follower {
    live: Arc<SnapshotStore>,
    files: Files,
    reloads: Reloads,
    watch: Watch,
    clock: fn() -> Millis,
    listener: Box<dyn Fn(Event<'_>) + Send>,
    /// The faults of files that are being written.
    standing: KnownFaults,
    /// All is to be read at the next look, whether it has changed or not.
    unfinished: bool,
    /// The store did not take note of what it must.
    store_failed: bool,
    /// When the last look was over.
    looked: Instant,
    /// When to look again, should nobody ask.
    again: Option<Instant>,
    waiting: Vec<Waiting>,
    /// The generation up to which reloads were answered with the changes.
    told: u64,
    /// Since when a reload that somebody asked for is under way.
    reloading: Option<Instant>,
}

impl Follower {
    /// One that follows what `live` was started with.
    pub fn new(
        live: Arc<SnapshotStore>,
        files: Files,
        reloads: Reloads,
        clock: fn() -> Millis,
        listener: impl Fn(Event<'_>) + Send + 'static,
    ) -> Self {
        Self {
            files,
            told: live.snapshot().generation,
            watch: Watch::new(reloads.clone(), live.snapshot().settings.state_dir.join("events")),
            live,
            reloads,
            clock,
            listener: Box::new(listener),
            standing: KnownFaults::default(),
            unfinished: false,
            store_failed: false,
            looked: Instant::now(),
            again: None,
            waiting: Vec::new(),
            reloading: None,
        }
    }

    /// Follows for as long as the process lives, on a thread of its own: reading files can take long.
    pub fn start(mut self) -> std::io::Result<()> {
        let runtime = Handle::current();
        let follow = move || {
            let _ended = Ended(self.live.clone(), self.reloads.clone());
            self.follow(&runtime);
        };
        std::thread::Builder::new()
            .name("reload".to_owned())
            .spawn(follow)
            .map(drop)
    }

    fn follow(&mut self, runtime: &Handle) {
        self.look(runtime, false); // for what changed since the start, and to know what to watch
        let mut polled = Instant::now();
        loop {
            let settings = self.settings().reload;
            let poll = polled + interval(&settings);
            let patient = self.waiting.iter().map(|waiting| waiting.since).chain(self.reloading);
            let patience = patient.map(|since| since + patience(&settings)).min();
            let wake = [self.again, patience].into_iter().flatten().fold(poll, Instant::min);
            let mut asked = self.reloads.take(wake);
            if asked.hint || asked.reload {
                pause(if self.looked.elapsed() < BUSY { BUSY } else { TOGETHER });
                let more = self.reloads.take(Instant::now());
                asked.reload |= more.reload;
                asked.waiting.extend(more.waiting);
                asked.previews.extend(more.previews);
            }
            for answer in asked.previews {
                self.preview(answer);
            }
            let now = Instant::now();
            if now >= poll {
                polled = now;
            }
            let generation = self.live.snapshot().generation;
            self.waiting
                .extend(asked.waiting.into_iter().map(|(wanted, answer)| Waiting {
                    since: now,
                    generation,
                    wanted,
                    answer,
                }));
            if asked.reload {
                self.live.with_status(|status| status.reloads += 1);
                if self.reloading.is_none() {
                    (self.listener)(Event::Begins);
                }
                self.reloading = Some(now);
            }
            #[cfg(debug_assertions)]
            if asked.reload && std::env::var_os("JWTKEEPER_TEST_RELOAD_ENDS_THE_FOLLOWER").is_some() {
                // A defect of ours outside of what is caught, in builds for tests alone.
                return;
            }
            self.look(runtime, asked.reload);
            self.answer(now);
        }
    }

    fn settings(&self) -> Arc<Settings> {
        self.live.snapshot().settings.clone()
    }

    /// Looks at the files, and puts in effect what is new. `asked`: even where nothing seems new, and says so.
    fn look(&mut self, runtime: &Handle, asked: bool) {
        self.live.with_status(|status| status.reading = Some(Instant::now()));
        let looked = catch_unwind(AssertUnwindSafe(|| self.read(runtime, asked)));
        self.live.with_status(|status| status.reading = None);
        if looked.is_err() {
            // The panic's own text is in the log already.
            self.watch.give_up();
            self.unfinished = true;
            self.again = Some(Instant::now() + RETRY);
            let (file, line) = (self.settings().file.clone(), 0);
            let message = "the reload failed; please report it with the log".to_owned();
            let (mut faults, failed) = (self.live.status().faults, Fault { file, line, message });
            if !faults.says(&failed) {
                faults.push(failed);
            }
            self.tell(faults);
        }
    }

    fn read(&mut self, runtime: &Handle, asked: bool) {
        let running = self.live.snapshot().clone();
        let reload = &running.settings.reload;
        self.begin(&running.settings);
        let all = asked || self.unfinished;
        let mut tries = 0;
        while tries < TRIES && (all || self.files.any_news()) {
            let next = Next::read(&mut self.files, &running, &self.standing);
            if self.files.still_so(|| self.watch.renamed_by_now()) {
                self.files.note();
                self.install(runtime, &running, next, asked);
                break;
            }
            tries += 1;
            // Where the configuration changed meanwhile, all is looked at anew, once: a secret must not get ahead of it.
            let files = Settings::files(&running.settings.file, &mut self.files);
            if tries == 1 && files.iter().any(|file| self.files.waits(file)) {
                self.begin(&running.settings);
            }
        }
        self.unfinished |= tries == TRIES;
        let drop_ins = Trail::of(&tree::drop_in_directory(&running.settings.file));
        self.watch.follow(self.files.trails(), &drop_ins);
        self.tell_of_watch(reload);
        self.tell_of_unsettled(reload);
        let retry = self.store_failed.then(|| Instant::now() + RETRY);
        self.again = [self.files.rested_at(), retry].into_iter().flatten().min();
        self.files.end();
        self.looked = Instant::now();
    }

    /// Begins a pass.
    fn begin(&mut self, running: &Settings) {
        self.files
            .begin(Instant::now(), running.reload.settle, self.watch.renamed());
        hold_together(&mut self.files, running);
    }

    fn install(&mut self, runtime: &Handle, running: &Snapshot, next: Next, asked: bool) {
        let Next {
            settings,
            keys,
            mut faults,
            standing,
        } = next;
        let now = (self.clock)();
        self.standing = standing;
        let (changes, fault) = runtime.block_on(self.live.install(settings, keys, now));
        self.store_failed = fault.is_some();
        // What waits may have held back what was taken note of: it is read again when that has rested, whatever it is then.
        self.unfinished = self.store_failed || self.files.waiting().next().is_some();
        fault.into_iter().for_each(|fault| faults.push(fault));
        faults.sort();
        if faults.is_empty() {
            self.live.with_status(|status| status.right = now);
        }
        self.tell(faults);
        let snapshot = self.live.snapshot().clone();
        match changes {
            Some(changes) => {
                tell_of_changes(snapshot.generation, &changes);
                let known: HashSet<_> = running.key_warnings().collect();
                for warning in snapshot.key_warnings().filter(|warning| !known.contains(warning)) {
                    tracing::warn!("{warning}");
                }
                (self.listener)(Event::Changed(&snapshot, &changes));
                self.live.with_status(|status| {
                    let changes = changes.into_iter().map(|change| (now, snapshot.generation, change));
                    status.changes.extend(changes);
                    let over = status.changes.len().saturating_sub(REMEMBERED);
                    status.changes.drain(..over);
                });
            }
            None if asked => tracing::info!(generation = running.generation, "reloaded; nothing changed"),
            None => {}
        }
    }

    /// Says what is wrong that was not before, and what is right again.
    fn tell(&self, faults: Faults) {
        let before = self
            .live
            .with_status(|status| std::mem::replace(&mut status.faults, faults.clone()));
        for fault in faults.iter().filter(|fault| !before.says(fault)) {
            tracing::error!(%fault, "rejected; keeping the previous state");
            (self.listener)(Event::Refused(fault));
        }
        let right = |fault: &&Fault| !faults.says(fault) && !faults.are_where(fault);
        for fault in before.iter().filter(right) {
            tracing::info!(%fault, "fault resolved");
        }
    }

    fn tell_of_watch(&self, settings: &ReloadSettings) {
        let polling = self.watch.trouble().map(str::to_owned);
        let before = self
            .live
            .with_status(|status| std::mem::replace(&mut status.polling, polling.clone()));
        let poll = humantime::format_duration(settings.poll);
        match (before, polling) {
            // Another reason too: the system can be slow to give one.
            (before, Some(why)) if before.as_ref() != Some(&why) => {
                tracing::warn!("polling files every {poll}: {why}");
            }
            (Some(_), None) => tracing::info!("watching files again"),
            _ => {}
        }
    }

    /// Files that do not come to rest: whoever writes them believes that they count.
    fn tell_of_unsettled(&self, settings: &ReloadSettings) {
        let settle = humantime::format_duration(settings.settle);
        let long = |since: &Instant| since.elapsed() > settings.settle * PATIENCE;
        let unsettled = self.files.waiting().filter(|(_, since)| long(since)).map(|(path, _)| {
            let path = path.display();
            format!("{path}: keeps changing; its previous state stays in effect until it is unchanged for {settle}")
        });
        let unsettled: Vec<_> = unsettled.collect();
        let before = self
            .live
            .with_status(|status| std::mem::replace(&mut status.unsettled, unsettled.clone()));
        for text in unsettled.iter().filter(|text| !before.contains(text)) {
            tracing::warn!("{text}");
        }
    }

    /// Answers who asked, once nothing is being written any more, or their patience is over.
    fn answer(&mut self, now: Instant) {
        let settings = self.settings().reload;
        let (settle, patience) = (settings.settle, patience(&settings));
        let settled = self.files.rested_at().is_none();
        let Status { mut faults, .. } = self.live.status();
        for (path, _) in self.files.waiting() {
            let settle = humantime::format_duration(settle);
            let message = format!("is being written; it is taken once it has not changed for {settle}");
            let (file, line) = (path.to_owned(), 0);
            faults.push(Fault { file, line, message });
        }
        let generation = self.live.snapshot().generation;
        let done = |since: Instant| settled || now >= since + patience;
        let answered: Vec<_> = self.waiting.extract_if(.., |waiting| done(waiting.since)).collect();
        // Ended before its callers are answered.
        if self.reloading.is_some_and(done) {
            self.reloading = None;
            (self.listener)(Event::Ends(&faults));
        }
        if answered.is_empty() {
            return;
        }
        let told = self.told;
        for Waiting {
            generation: before,
            wanted,
            answer,
            ..
        } in answered
        {
            let reloaded = Reloaded {
                generation,
                faults: faults.clone(),
                changes: self.changes_since(told, before),
            };
            // A caller that has given up passes on no report.
            if answer.send(reloaded).is_ok() && wanted == Wanted::Report {
                self.told = generation;
            }
        }
    }

    /// The changes that no reload was answered with. `before` is the generation when this one was asked for.
    fn changes_since(&self, told: u64, before: u64) -> Vec<Made> {
        let now = (self.clock)();
        self.live.with_status(|status| {
            let all = status.changes.iter().map(|(at, generation, change)| Made {
                at: *at,
                generation: *generation,
                change: change.clone(),
                by_this_reload: *generation > before,
            });
            let is_news = |made: &Made| made.generation > told && (made.by_this_reload || made.at.plus(RECENT) > now);
            all.filter(is_news).collect()
        })
    }

    /// Answers what a reload would change now. The files are read as they are, stable or not, and nothing is noted.
    fn preview(&self, answer: oneshot::Sender<Preview>) {
        let preview = catch_unwind(AssertUnwindSafe(|| {
            let running = self.live.snapshot().clone();
            let next = Next::read(&mut self.files.afresh(), &running, &KnownFaults::default());
            let pending_restart = next.settings.pending_restart.clone();
            Preview {
                generation: running.generation,
                changes: self.live.preview(next.settings, next.keys, (self.clock)()),
                faults: next.faults,
                pending_restart,
            }
        }));
        // The panic's own text is in the log already; the caller learns that there is no answer.
        if let Ok(preview) = preview {
            let _ = answer.send(preview); // it may have given up
        }
    }
}

/// Returns the time for which a reload waits for files to become stable.
fn patience(settings: &ReloadSettings) -> Duration {
    (settings.settle * PATIENCE).min(MOST_PATIENCE)
}

fn tell_of_changes(generation: u64, changes: &[Change]) {
    for change in changes {
        match change.ends_tokens() || change.revives_tokens {
            true => tracing::warn!(generation, "{}", change.text),
            false => tracing::info!(generation, "{}", change.text),
        }
    }
    let ended: HashSet<_> = changes
        .iter()
        .filter(|change| change.ends_tokens())
        .map(|change| &change.realm)
        .collect();
    tracing::info!(generation, realms_with_ended_tokens = ended.len(), "reloaded");
}

/// Returns the interval of polls: a file that was new at one of them takes effect in time, with
/// something to spare.
fn interval(settings: &ReloadSettings) -> Duration {
    let ReloadSettings { poll, settle } = *settings;
    (poll.saturating_sub(settle) * 9 / 10).max(poll / 2)
}
