//! Following one primary: connect, ask to be told of changes, read everything, read again what changed, put back what
//! it lost; and know how old all this is.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{ErrorKind, RedisError};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::age::uptime_ms;
use super::copy::{self, Sharing};
use super::dataset;
use super::durable;
use super::fleet::{Fleet, random};
use super::invalidations::LONGEST_KEY;
use super::link::{Link, expect_primary, in_words, is_elsewhere};
use super::naming::pattern;
use super::node::Node;
use super::repair::Repair;
use super::writer::watch_writes;
use jwtkeeper_log_limit::limited;

/// The realms that share.
pub(super) type Realms = Arc<Sharing>;

/// The interval at which Redis is asked whether it is there.
pub(super) const PING: Duration = Duration::from_secs(1);
/// The interval at which it is asked whether it keeps what it takes.
const DURABILITY: Duration = Duration::from_secs(60);
/// For so long nobody must have been repairing before a new copy is trusted: who notices a loss first announces it.
const CLEAR: Duration = Duration::from_millis(250);
/// Between looks at that.
const LOOK: Duration = Duration::from_millis(50);
/// Between announcements of a repair, at the most.
const ANNOUNCE: Duration = Duration::from_secs(2);
/// Keys that one step of reading everything looks at.
const SCAN: usize = 1000;
/// Keys that are read by one question.
const READ: usize = 250;
/// From one reading of everything to the next, at the least: who empties a database each second must not keep us
/// reading.
const AGAIN: Duration = Duration::from_secs(1);
/// Between connections that fail, in milliseconds, at the least and the most; each time somewhere in between.
const BACKOFF: (u64, u64) = (50, 500);

/// Follows a primary for as long as it is one of the fleet's.
pub(super) async fn sync(fleet: Arc<Fleet>, node: Arc<Node>) {
    let mut realms = fleet.realms.subscribe();
    loop {
        let began = Instant::now();
        let ended = connect(&fleet, &node, &mut realms).await;
        fleet.forget_if_asked();
        let Err(error) = ended else { continue };
        let held = began.elapsed() > Duration::from_millis(BACKOFF.1);
        if !held || error.is_timeout() || is_elsewhere(&error) {
            node.writes.store(None); // as bad as the one that reads
        }
        node.tell(Some(in_words(&error).at(&node.name)));
        fleet.look_again.notify_one();
        // A connection that held is made anew at once: who cut it may have cut it alone.
        let (least, most) = if held { (0, BACKOFF.0) } else { BACKOFF };
        sleep(Duration::from_millis(least + random(most - least))).await;
    }
}

/// One connection; ends well where other prefixes are shared now.
async fn connect(fleet: &Arc<Fleet>, node: &Arc<Node>, realms: &mut watch::Receiver<Realms>) -> Result<(), RedisError> {
    let server = fleet.servers.target(&node.server)?;
    let shared = realms.borrow_and_update().clone();
    // First told of changes, then read: whatever changes in between is read again.
    let prefixes = shared.shared.iter().map(|shared| shared.prefix.as_str());
    let link = Link::open(&server, prefixes, &fleet.scripts).await?;
    node.broken.store(false, Ordering::Release);
    node.read_all.store(false, Ordering::Release);
    let mut session = Session {
        fleet,
        node,
        pattern: pattern(shared.shared.iter().map(|shared| shared.prefix.as_str())),
        realms: shared,
        link,
        scan: None,
        read_at: Some(Instant::now()),
        read_since: Instant::now(),
        complete: false,
        waits: true,
        clear_since: None,
        look_at: None,
        replaced: false,
        announced: None,
        repaired: Repair::default(),
        evicting: false,
        scanned_last: false,
        next_scan: Instant::now(),
        next_put: Instant::now(),
    };
    session.waits = session.is_new();
    session.check_durability().await?;
    session.look_at_dataset().await?;
    node.clock.forget();
    node.writes.store(Some(Arc::new(session.link.writes.clone())));
    node.tell(None);
    let wanted = u64::from(fleet.terms.wait_replicas);
    let _watch = AbortOnDropHandle::new(tokio::spawn(watch_writes(fleet.clone(), node.clone(), wanted)));
    session.run(realms).await
}

/// One connection's life.
struct Session<'f> {
    fleet: &'f Fleet,
    node: &'f Node,
    realms: Realms,
    /// The pattern for SCAN.
    pattern: String,
    link: Link,
    /// The state of the scan, while there is one.
    scan: Option<Scan>,
    /// When everything is to be read next.
    read_at: Option<Instant>,
    /// When the last reading began.
    read_since: Instant,
    /// Everything was read once on this connection.
    complete: bool,
    /// True while the copy is not trusted: other daemons may still restore what Redis lacks.
    waits: bool,
    /// The moment since which nobody is repairing, while that is waited for.
    clear_since: Option<Instant>,
    /// The next look at that.
    look_at: Option<Instant>,
    /// The data set was replaced, and is not read yet.
    replaced: bool,
    /// The last time that others were told of our repair.
    announced: Option<Instant>,
    repaired: Repair,
    evicting: bool,
    scanned_last: bool,
    next_scan: Instant,
    next_put: Instant,
}

/// The state of a scan.
#[derive(Default)]
struct Scan {
    cursor: u64,
    /// Named by the last SCAN, and still to be read.
    keys: Vec<Vec<u8>>,
    /// There is none after that.
    ends: bool,
}

impl Session<'_> {
    async fn run(&mut self, realms: &mut watch::Receiver<Realms>) -> Result<(), RedisError> {
        let (mut ping, mut minute) = (every(PING), every(DURABILITY));
        minute.reset();
        loop {
            let next = self.next();
            tokio::select! {
                () = self.link.invalidations.any() => self.read_again().await?,
                changed = realms.changed() => return changed.map_err(|_| gone()),
                _ = ping.tick() => self.probe().await?,
                _ = minute.tick() => self.check_durability().await?,
                () = self.node.wake.notified() => self.heed()?,
                () = at(self.look_at) => self.probe().await?,
                () = at(next) => self.step().await?,
            }
        }
    }

    /// When there is something to do unasked.
    fn next(&self) -> Option<Instant> {
        let scan = match self.scan {
            Some(_) => Some(self.next_scan),
            None => self.read_at,
        };
        let put = (!self.repaired.is_done(self.node)).then_some(self.next_put);
        scan.into_iter().chain(put).min()
    }

    fn heed(&mut self) -> Result<(), RedisError> {
        if self.node.broken.load(Ordering::Acquire) {
            return Err(gone());
        }
        if self.node.read_all.swap(false, Ordering::AcqRel) {
            self.read_all_later();
        }
        Ok(())
    }

    fn read_all_later(&mut self) {
        self.read_by((self.read_since + AGAIN).max(Instant::now()));
    }

    /// Everything is read at that time, unless it is to be read sooner.
    fn read_by(&mut self, at: Instant) {
        self.read_at = Some(self.read_at.map_or(at, |sooner| sooner.min(at)));
    }

    /// Reads again what changed.
    async fn read_again(&mut self) -> Result<(), RedisError> {
        let heard = self.link.invalidations.take();
        if heard.gone {
            return Err(gone());
        }
        if heard.emptied {
            // Of some database, perhaps ours: what is known stays, and is put back.
            self.read_all_later();
            self.look_at_dataset().await?; // now, so that the next probe does not ask for another reading
        }
        let keys: Vec<_> = heard.keys.into_iter().collect();
        self.read(&keys).await
    }

    /// Reads keys, two questions at a time: Redis answers one while the answers to the other are looked at.
    async fn read(&self, keys: &[Vec<u8>]) -> Result<(), RedisError> {
        for keys in keys.chunks(2 * READ) {
            let (one, other) = keys.split_at(keys.len().min(READ));
            let (one, other) = tokio::join!(self.read_some(one), self.read_some(other));
            one.and(other)?;
        }
        Ok(())
    }

    async fn read_some(&self, keys: &[Vec<u8>]) -> Result<(), RedisError> {
        copy::read(
            self.fleet,
            self.node,
            self.link.reads.clone(),
            &self.realms.shared,
            keys,
        )
        .await
    }

    /// Asks whether Redis is there, and so how old the copy is. A pong can overtake the news of a change that was made
    /// before its ping, for news is sent at the end of a turn of Redis's loop; it cannot overtake by two.
    async fn probe(&mut self) -> Result<(), RedisError> {
        let asked = uptime_ms();
        self.look_at = None;
        let clear = self.look_at_dataset().await?;
        for _ in 0..2 {
            redis::cmd("PING").exec_async(&mut self.link.reads).await?;
        }
        expect_primary(&mut self.link.reads).await?;
        self.read_again().await?;
        if self.complete && self.is_trusted(clear) {
            self.node.has_read(self.realms.state);
            self.node.fresh.prove(asked);
        }
        if !self.repaired.is_done(self.node) || self.node.evicts() {
            self.check_evictions().await?;
        }
        Ok(())
    }

    async fn check_evictions(&mut self) -> Result<(), RedisError> {
        let evicted = durable::evicted(&mut self.link.reads).await?;
        self.evicting = self.node.evicted(evicted);
        let lacks = !self.repaired.is_done(self.node);
        self.node.set_evicts(lacks && (self.evicting || self.node.evicts()));
        Ok(())
    }

    /// Returns true if no earlier copy can answer: none was read, it is too old, or a realm is new.
    fn is_new(&self) -> bool {
        let limit = self.fleet.terms.max_staleness.as_millis() as u64;
        let since = self.node.fresh.since();
        since.is_none_or(|since| uptime_ms().saturating_sub(since) > limit) || self.node.read_to() < self.realms.state
    }

    /// Looks at the sentinel, and announces a repair where one is under way. Returns the reason that a new copy must
    /// not be trusted now, if there is one.
    async fn look_at_dataset(&mut self) -> Result<Option<String>, RedisError> {
        // Before the first reading nobody can tell what Redis lacks of it.
        let unknown = !self.complete && self.realms.shared.iter().any(|shared| !shared.realm.is_empty());
        let repairing = self.replaced || unknown || !self.repaired.is_done(self.node);
        let look = dataset::look(self.fleet, self.node, &mut self.link.reads, repairing).await?;
        let Some(look) = look else {
            return Ok(self.waits.then(|| "its slots are being moved".to_owned()));
        };
        self.announced = (repairing || look.replaced).then(Instant::now);
        if look.replaced {
            limited!(
                warn,
                "data set of Redis replaced",
                key = &self.node.name,
                server = self.node.name,
                "Redis has another data set than before; reading it and restoring missing entries"
            );
            self.replaced = true;
            // A reading that has not begun yet will do.
            if self.complete || self.scan.is_some() {
                self.read_all_later();
            }
        }
        let repaired = || {
            format!(
                "{} other daemons are putting back entries that Redis lacks",
                look.repairing
            )
        };
        let left = look.grace.as_millis();
        let new = || format!("its data set is new: waiting {left} ms for other daemons to restore missing entries");
        let repairs = (look.repairing > 0).then(repaired);
        Ok(repairs.or_else(|| (left > 0).then(new)))
    }

    /// Returns true if a complete copy may answer. A new one may once nobody has been repairing for [`CLEAR`].
    fn is_trusted(&mut self, repairs: Option<String>) -> bool {
        if !self.waits {
            return true;
        }
        let now = Instant::now();
        let since = match repairs {
            None => *self.clear_since.get_or_insert(now),
            Some(_) => {
                self.clear_since = None;
                now
            }
        };
        self.waits = repairs.is_some() || now - since < CLEAR;
        self.look_at = self.waits.then(|| now + LOOK);
        self.node.set_waits_for(repairs);
        !self.waits
    }

    async fn check_durability(&mut self) -> Result<(), RedisError> {
        let found = durable::ask(&mut self.link.reads, self.fleet.terms.wait_replicas).await?;
        self.node.judge(found);
        Ok(())
    }

    /// One step of reading everything, or of putting back: neither waits for the other, and they take turns.
    async fn step(&mut self) -> Result<(), RedisError> {
        let began = Instant::now();
        let put = !self.repaired.is_done(self.node) && self.next_put <= began;
        let scan = self
            .scan
            .take_if(|_| self.next_scan <= began && !(put && self.scanned_last));
        self.scanned_last = scan.is_some();
        if let Some(scan) = scan {
            let first = !self.complete;
            self.scan(scan).await?;
            // Until everything was read once, nobody is answered.
            let pause = if first { Duration::ZERO } else { began.elapsed() / 2 };
            self.next_scan = Instant::now() + pause;
        } else if put {
            if self.announced.is_none_or(|at| at.elapsed() > ANNOUNCE) {
                self.look_at_dataset().await?;
            }
            let step = self.repaired.step(self.fleet, self.node, &self.realms, self.evicting);
            let pause = step.await?;
            self.next_put = Instant::now() + pause;
        } else if self.scan.is_none() && self.read_at.is_some_and(|at| at <= began) {
            (self.read_at, self.read_since) = (None, began);
            self.node.begin_scan(self.fleet.next_scan());
            self.scan = Some(Scan::default());
            self.next_scan = began;
        }
        Ok(())
    }

    /// Reads what the last SCAN named, while the next one goes on.
    async fn scan(&mut self, scan: Scan) -> Result<(), RedisError> {
        let mut command = redis::cmd("SCAN");
        command
            .arg(scan.cursor)
            .arg("MATCH")
            .arg(&self.pattern)
            .arg("COUNT")
            .arg(SCAN);
        let mut connection = self.link.reads.clone();
        let next = async {
            if scan.ends {
                return Ok::<_, RedisError>(None);
            }
            let (cursor, mut keys): (u64, Vec<Vec<u8>>) = command.query_async(&mut connection).await?;
            keys.retain(|key| key.len() <= LONGEST_KEY);
            Ok(Some(Scan {
                cursor,
                keys,
                ends: cursor == 0,
            }))
        };
        let (next, read) = tokio::join!(next, self.read(&scan.keys));
        read?;
        self.scan = next?;
        if self.scan.is_none() {
            self.repaired = Repair::after_scan(self.fleet, self.node, &self.realms).await;
            self.complete = true;
            self.replaced &= self.read_at.is_some();
            let period = self.fleet.terms.full_scan_interval;
            let jitter = random(period.as_millis() as u64 * 2 / 5);
            self.read_by(Instant::now() + period * 4 / 5 + Duration::from_millis(jitter));
            // The age is known now, not only by the next ping.
            self.probe().await?;
        }
        Ok(())
    }
}

pub(super) fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

pub(super) fn gone() -> RedisError {
    (ErrorKind::Io, "the connection was closed").into()
}
