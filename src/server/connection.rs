//! One connection: bytes meet the socket here and nowhere else. All whole frames of one read are answered by one write;
//! replies that need the store come when they are ready. Nothing is read while too much waits to be answered, and
//! nobody waits for a peer that does not read.

use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jwtkeeper_wire as wire;
use jwtkeeper_wire::{ErrorCode, Greeting, Hello, LENGTH_BYTES, MAGIC, PROTOCOL, Welcome, decode, put_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Context as Shared;
use super::dispatch::{Dispatch, Handled, Later, Moment};
use super::inbox::Inbox;
use super::rate::Bucket;
use super::tally::Ticket;
use crate::config::Limits;
use crate::words::Peer;

/// Bytes of requests that wait for the store before more are looked at.
const HELD: usize = 256 * 1024;

/// Bytes of replies that are written before more requests are looked at.
const OUT: usize = 128 * 1024;

/// What the requests of one connection cost that are handled before others have their turn.
const TURN: usize = 16;

/// The daemon's name in greetings.
const SERVER: &str = concat!("jwtkeeperd/", env!("CARGO_PKG_VERSION"));

/// Serves one peer until it goes, breaks the protocol or a limit, or the daemon stops.
pub(super) async fn run(
    stream: UnixStream,
    peer: Peer,
    bucket: Arc<Bucket>,
    context: Arc<Shared>,
    stop: CancellationToken,
) {
    let uid = peer.uid;
    // A node of its own: waiting on the one that all share takes a lock that all share, each time.
    let stop = stop.child_token();
    let mut connection = Connection::new(stream, peer, bucket, context);
    let ended = match connection.greet(&stop, None).await {
        Ok(true) => connection.serve(&stop).await,
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!(uid, %error, "a connection ended");
    }
    // What was asked is done, though nobody may be there to hear of it.
    while connection.pending.next().await.is_some() {}
}

/// Tells one peer that it may not be served, and why.
pub(super) async fn refuse(
    stream: UnixStream,
    peer: Peer,
    context: Arc<Shared>,
    stop: CancellationToken,
    code: ErrorCode,
) {
    let greeted = Connection::new(stream, peer, Arc::new(Bucket::bottomless()), context)
        .greet(&stop, Some(code))
        .await;
    drop(greeted); // it is gone either way
}

/// A request that waits for the store, and how much of memory it holds.
struct Waiting {
    bytes: usize,
    work: Later,
    ticket: Ticket,
}

impl Future for Waiting {
    type Output = (usize, Vec<u8>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.work.as_mut().poll(cx).map(|done| {
            self.ticket
                .count(done.outcome, done.facts.target, std::time::Instant::now());
            (self.bytes, done.bytes)
        })
    }
}

struct Connection {
    stream: UnixStream,
    inbox: Inbox,
    out: Vec<u8>,
    pending: FuturesUnordered<Waiting>,
    /// The bytes of the requests that wait.
    held: usize,
    dispatch: Dispatch,
    context: Arc<Shared>,
    /// How fast its uid may ask.
    bucket: Arc<Bucket>,
    /// What the requests cost that were handled and not yet paid for.
    unpaid: usize,
    /// Whether a whole frame came since the peer was last waited for.
    asked: bool,
}

/// Whether requests may follow.
#[derive(PartialEq, Eq)]
enum Flow {
    /// All that was there is handled.
    Drained,
    /// More is there, and too much waits to be answered.
    Full,
    /// More may be there, and it is the turn of others.
    Turn,
    /// The peer does not speak our protocol.
    Broken,
}

impl Connection {
    fn new(stream: UnixStream, peer: Peer, bucket: Arc<Bucket>, context: Arc<Shared>) -> Self {
        Self {
            stream,
            inbox: Inbox::new(),
            out: Vec::new(),
            pending: FuturesUnordered::new(),
            held: 0,
            dispatch: Dispatch::new(context.clone(), peer, bucket.clone()),
            context,
            bucket,
            unpaid: 0,
            asked: false,
        }
    }

    fn limits(&self) -> Limits {
        self.context.live.snapshot().settings.limits
    }

    /// Reads the hello and answers it; says whether requests may follow.
    async fn greet(&mut self, stop: &CancellationToken, refusal: Option<ErrorCode>) -> io::Result<bool> {
        let limits = self.limits();
        let hello = timeout(limits.frame_timeout, self.read_hello(&limits));
        let hello = stop.run_until_cancelled(hello).await;
        let Some(Ok(hello)) = hello else { return Ok(false) }; // the daemon stops, or the hello did not come in time
        let Some(range) = hello? else { return Ok(false) };
        let hello = decode::<Hello<'_>>(self.inbox.message(range));
        let refusal = match &hello {
            Ok(hello) if hello.magic != MAGIC => return Ok(false),
            Err(_) => Some(ErrorCode::MalformedMessage),
            Ok(hello) if hello.protocol < PROTOCOL => Some(ErrorCode::UnsupportedProtocol),
            Ok(hello) => {
                tracing::debug!(client = ?hello.client, "a connection begins");
                refusal.or(stop.is_cancelled().then_some(ErrorCode::ShuttingDown))
            }
        };
        let greeting = match refusal {
            Some(code) => Greeting::Refused {
                code,
                message: code.row().map_or("", |row| row.meaning),
            },
            None => Greeting::Welcome(Welcome {
                protocol: PROTOCOL,
                server: SERVER,
                instance: self.context.instance,
                generation: self.context.live.snapshot().generation,
                limits: wire::Limits {
                    max_frame: limits.max_frame as u32,
                    max_in_flight: limits.in_flight.min(u32::MAX as usize) as u32,
                },
                extensions: Vec::new(),
            }),
        };
        put_frame(&greeting, &mut self.out).map_err(io::Error::other)?;
        self.flush().await?;
        Ok(refusal.is_none())
    }

    /// The first frame, if it may be a hello. Else nothing is said: an HTTP client, say, would not understand.
    async fn read_hello(&mut self, limits: &Limits) -> io::Result<Option<Range<usize>>> {
        loop {
            if !spells_magic(self.inbox.bytes()) {
                return Ok(None);
            }
            match self.inbox.next(limits.max_frame) {
                Ok(None) => {}
                found => return Ok(found.ok().flatten()),
            }
            match self.stream.read(self.inbox.spare(limits.max_frame)).await? {
                0 => return Ok(None),
                count => self.inbox.filled(count),
            }
        }
    }

    async fn serve(&mut self, stop: &CancellationToken) -> io::Result<()> {
        let mut clock = Clock::new(&self.limits());
        let mut stopped = pin!(stop.cancelled());
        // Who left in debt and comes back pays first.
        let mut resting = self.pay(&self.limits());
        let mut rested = resting.is_some();
        loop {
            let limits = self.limits();
            let lane = match rested && resting.is_none() {
                true => Some(self.bucket.lane.clone().lock_owned().await),
                false => None,
            };
            let flow = match resting {
                None => self.answer_what_is_there(&limits),
                Some(_) => Flow::Full,
            };
            drop(lane);
            if self.unpaid > 0 {
                resting = self.pay(&limits);
                rested = resting.is_some();
            }
            if flow == Flow::Turn && resting.is_none() {
                tokio::task::yield_now().await;
                continue;
            }
            self.flush().await?;
            if self.context.stopping.load(Ordering::Relaxed) {
                return self.drain(&limits).await;
            }
            match flow {
                Flow::Broken => return self.finish().await,
                Flow::Full | Flow::Turn if self.has_room(&limits) && resting.is_none() => continue,
                _ if resting.is_some() => clock.stand_still(),
                Flow::Full | Flow::Turn => clock.stand_still(),
                Flow::Drained => {
                    clock.wait_for_peer(!self.inbox.is_empty(), std::mem::take(&mut self.asked), &limits);
                }
            }
            tokio::select! {
                biased;
                Some(done) = self.pending.next(), if !self.pending.is_empty() => {
                    self.take(done);
                    self.gather_ready();
                    clock.quiet = Instant::now();
                }
                count = self.stream.read(self.inbox.spare(limits.max_frame)), if flow == Flow::Drained && resting.is_none() => match count? {
                    0 => return self.finish().await,
                    count => self.inbox.filled(count),
                },
                () = sleep_until(resting.unwrap_or(clock.quiet)), if resting.is_some() => resting = None,
                () = clock.alarm.as_mut() => {
                    if clock.is_late(&limits, self.pending.is_empty()) {
                        return Ok(());
                    }
                    self.inbox.rest();
                }
                () = stopped.as_mut() => return self.drain(&limits).await,
            }
        }
    }

    /// Handles whole frames until there is none, or too much waits to be answered.
    fn answer_what_is_there(&mut self, limits: &Limits) -> Flow {
        #[cfg(debug_assertions)]
        wedge();
        let mut moment = None;
        let mut began = None;
        let mut spent = 0;
        loop {
            if !self.has_room(limits) || self.out.len() >= OUT {
                return Flow::Full;
            }
            if spent >= TURN {
                return Flow::Turn;
            }
            match self.inbox.next(limits.max_frame) {
                Ok(Some(range)) => {
                    self.asked = true;
                    // The frames of one read were all sent before it: they are served by one snapshot, at one time.
                    let moment = moment.get_or_insert_with(|| Moment {
                        snapshot: self.context.live.snapshot(),
                        now: (self.context.clock)(),
                    });
                    let bytes = range.len();
                    let began = *began.get_or_insert_with(std::time::Instant::now);
                    let message = self.inbox.message(range);
                    let handled = self.dispatch.handle(moment, message, began, &mut self.out);
                    let cost = self.dispatch.take_cost();
                    spent += cost;
                    self.unpaid += cost;
                    match handled {
                        Handled::Now => {}
                        Handled::Later(work, ticket) => {
                            self.held += bytes;
                            self.pending.push(Waiting { bytes, work, ticket });
                        }
                        Handled::Broken => return Flow::Broken,
                    }
                }
                Ok(None) => return Flow::Drained,
                Err(error) => {
                    self.dispatch.too_long(&error, std::time::Instant::now(), &mut self.out);
                    return Flow::Broken;
                }
            }
        }
    }

    /// Pays for what was handled; says until when nothing more is, if its uid asks faster than it may.
    fn pay(&mut self, limits: &Limits) -> Option<Instant> {
        let cost = std::mem::take(&mut self.unpaid);
        self.bucket.take(cost, limits.requests_per_uid, Instant::now())
    }

    /// Whether another request may wait beside those that do.
    fn has_room(&self, limits: &Limits) -> bool {
        self.pending.len() < limits.in_flight && self.held < HELD
    }

    /// Takes a reply that came, to be written.
    fn take(&mut self, (bytes, reply): (usize, Vec<u8>)) {
        self.held -= bytes;
        self.out.extend_from_slice(&reply);
    }

    /// Takes the replies that came meanwhile, to be written together.
    fn gather_ready(&mut self) {
        use futures_util::FutureExt;
        while self.out.len() < OUT
            && let Some(Some(done)) = self.pending.next().now_or_never()
        {
            self.take(done);
        }
    }

    /// Answers what the peer had sent before we stopped, and ends.
    async fn drain(&mut self, limits: &Limits) -> io::Result<()> {
        loop {
            let spare = self.inbox.spare(limits.max_frame);
            if spare.is_empty() {
                break;
            }
            match self.stream.try_read(spare) {
                Ok(0) | Err(_) => break,
                Ok(count) => self.inbox.filled(count),
            }
        }
        while matches!(self.answer_what_is_there(limits), Flow::Full | Flow::Turn) {
            if !self.has_room(limits)
                && let Some(done) = self.pending.next().await
            {
                self.take(done);
            }
            self.flush().await?;
        }
        self.finish().await
    }

    /// Writes what is still to come, and says that nothing follows.
    async fn finish(&mut self) -> io::Result<()> {
        while let Some(done) = self.pending.next().await {
            self.take(done);
        }
        self.flush().await?;
        self.stream.shutdown().await
    }

    /// Writes all replies, at once where the socket takes them.
    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = match self.stream.try_write(&self.out) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            other => other?,
        };
        if let Some(rest) = self.out.get(written..).filter(|rest| !rest.is_empty()) {
            let limit = self.context.live.snapshot().settings.limits.write_timeout;
            timeout(limit, self.stream.write_all(rest))
                .await
                .map_err(|_| io::ErrorKind::TimedOut)??;
        }
        self.out.clear();
        self.out.shrink_to(OUT);
        Ok(())
    }
}

/// Whether these bytes may be the beginning of a hello.
fn spells_magic(bytes: &[u8]) -> bool {
    let magic = bytes.get(LENGTH_BYTES..).unwrap_or_default();
    let length = magic.len().min(MAGIC.len());
    magic.get(..length) == MAGIC.get(..length)
}

/// The positive control of the watchdog's tests, in builds for tests alone: a loop that answers nothing any more for as long
/// as this file is there.
#[cfg(debug_assertions)]
fn wedge() {
    use std::sync::OnceLock;
    static FILE: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("JWTKEEPER_TEST_WEDGED_LOOP").map(Into::into));
    while file.as_ref().is_some_and(|file| file.exists()) {
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
}

/// What the peer has time for. One timer, set anew only when it must ring earlier.
struct Clock {
    alarm: Pin<Box<Sleep>>,
    /// Since when the peer has asked nothing.
    quiet: Instant,
    /// Since when a frame is half there.
    half: Option<Instant>,
}

impl Clock {
    fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            alarm: Box::pin(sleep_until(now + limits.frame_timeout.min(limits.idle_timeout))),
            quiet: now,
            half: None,
        }
    }

    /// The peer's turn: after a half frame it must go on soon. `asked`: whether a whole one came since the last time.
    fn wait_for_peer(&mut self, half: bool, asked: bool, limits: &Limits) {
        if !half && !asked {
            self.half = None;
            return;
        }
        let now = Instant::now();
        if asked {
            self.quiet = now;
        }
        self.half = half.then(|| self.half.filter(|_| !asked).unwrap_or(now));
        if self.half.is_some() && self.alarm.deadline() > now + limits.frame_timeout {
            self.alarm.as_mut().reset(now + limits.frame_timeout);
        }
    }

    /// Our turn, or we have just answered: the peer's time stands still.
    fn stand_still(&mut self) {
        self.quiet = Instant::now();
        self.half = None;
    }

    /// Whether the peer took too long; otherwise the alarm is set anew.
    fn is_late(&mut self, limits: &Limits, nothing_pending: bool) -> bool {
        let now = Instant::now();
        if !nothing_pending {
            self.quiet = now;
        }
        let end = match self.half {
            Some(half) => half + limits.frame_timeout,
            None => self.quiet + limits.idle_timeout,
        };
        self.alarm.as_mut().reset(end);
        now >= end
    }
}
