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
use futures_util::future::OptionFuture;
use futures_util::stream::FuturesUnordered;
use jwtkeeper_wire as wire;
use jwtkeeper_wire::{ErrorCode, Greeting, Hello, LENGTH_BYTES, MAGIC, PROTOCOL, Welcome, decode, put_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Context as Shared;
use super::announced::{Announced, extensions};
use super::clock::Clock;
use super::inbox::Inbox;
use super::price;
use super::rate::{Bucket, Permit};
use super::reply::truncated;
use super::request_metrics::Ticket;
use crate::config::Limits;
use crate::ops::{Dispatch, Handled, Later, Moment};
use jwtkeeper_core::types::Peer;

/// Bytes of requests that wait for the store before more are looked at.
const HELD: usize = 256 * 1024;

/// Bytes of replies that are written before more requests are looked at.
const OUT: usize = 128 * 1024;

/// The work of one connection's requests before others come first, in points.
const TURN: usize = 16 * price::WORK;

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
        tracing::debug!(uid, %error, "connection closed");
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
    announced: Announced,
    context: Arc<Shared>,
    /// The token bucket of its uid.
    bucket: Arc<Bucket>,
    /// True if a whole frame came since the peer was last waited for.
    asked: bool,
}

/// True if requests may follow.
#[derive(PartialEq, Eq)]
enum Flow {
    /// All that was there is handled.
    Drained,
    /// More is there, and too much waits to be answered.
    Full,
    /// More may be there, and other connections come first.
    Yield,
    /// The peer does not speak the protocol, or its greeting announced something that has changed since.
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
            announced: Announced::default(),
            context,
            bucket,
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
                tracing::debug!(client = ?truncated(hello.client), "connection opened");
                refusal.or(stop.is_cancelled().then_some(ErrorCode::ShuttingDown))
            }
        };
        match (refusal, hello) {
            (None, Ok(hello)) => {
                let snapshot = self.context.live.snapshot();
                self.announced = Announced::to(&hello, self.dispatch.peer(), &snapshot);
                self.welcome(&limits, snapshot.generation)?;
            }
            (refusal, _) => {
                let code = refusal.unwrap_or(ErrorCode::MalformedMessage);
                let message = code.row().map_or("", |row| row.meaning);
                put_frame(&Greeting::Refused { code, message }, &mut self.out).map_err(io::Error::other)?;
            }
        }
        self.flush().await?;
        Ok(refusal.is_none())
    }

    fn welcome(&mut self, limits: &Limits, generation: u64) -> io::Result<()> {
        let values = self.announced.values();
        let welcome = Greeting::Welcome(Welcome {
            protocol: PROTOCOL,
            server: SERVER,
            instance: self.context.instance,
            generation,
            limits: wire::Limits {
                max_frame: limits.max_frame as u32,
                max_in_flight: limits.in_flight.min(u32::MAX as usize) as u32,
            },
            extensions: extensions(&values),
        });
        put_frame(&welcome, &mut self.out).map_err(io::Error::other)
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
        let mut waiting: Option<Pin<Box<dyn Future<Output = Permit> + Send>>> = None;
        let mut permit = None;
        loop {
            let limits = self.limits();
            if permit.is_none() && waiting.is_none() && !self.inbox.is_empty() && self.is_throttled(&limits) {
                waiting = Some(self.permit());
            }
            let flow = match waiting {
                None => self.answer(&limits),
                Some(_) => Flow::Full,
            };
            drop(permit.take());
            if flow == Flow::Yield {
                tokio::task::yield_now().await;
                continue;
            }
            if !self.write_what_fits()? {
                waiting = None; // nobody of its uid waits for a peer that does not read
                self.write_rest().await?;
            }
            if self.context.stopping.load(Ordering::Relaxed) {
                return self.drain(&limits).await;
            }
            match flow {
                Flow::Broken => return self.finish().await,
                Flow::Drained => {
                    clock.wait_for_peer(!self.inbox.is_empty(), std::mem::take(&mut self.asked), &limits);
                }
                _ if waiting.is_none() && self.has_room(&limits) => continue,
                _ => clock.stand_still(),
            }
            tokio::select! {
                biased;
                Some(done) = self.pending.next(), if !self.pending.is_empty() => {
                    self.take(done);
                    self.gather_ready();
                    clock.quiet = Instant::now();
                }
                count = self.stream.read(self.inbox.spare(limits.max_frame)), if flow == Flow::Drained => match count? {
                    0 => return self.finish().await,
                    count => self.inbox.filled(count),
                },
                held = OptionFuture::from(waiting.as_mut()), if waiting.is_some() => {
                    waiting = None;
                    permit = held;
                }
                () = clock.alarm.as_mut() => {
                    if clock.is_late(&limits, self.pending.is_empty() && waiting.is_none()) {
                        return Ok(());
                    }
                    self.inbox.rest();
                }
                () = stopped.as_mut() => return self.drain(&limits).await,
            }
        }
    }

    /// Answers what is there, and takes what that costs.
    fn answer(&mut self, limits: &Limits) -> Flow {
        let flow = self.answer_what_is_there(limits);
        let cost = self.dispatch.take_cost();
        if cost > 0 {
            self.bucket.take(cost, limits.requests_per_uid, Instant::now());
        }
        flow
    }

    /// Handles whole frames until there is none, or too much waits to be answered.
    fn answer_what_is_there(&mut self, limits: &Limits) -> Flow {
        #[cfg(debug_assertions)]
        wedge();
        let mut moment = None;
        let mut began = None;
        loop {
            if !self.has_room(limits) || self.out.len() >= OUT {
                return Flow::Full;
            }
            if self.dispatch.work() >= TURN {
                return Flow::Yield;
            }
            match self.inbox.next(limits.max_frame) {
                Ok(Some(range)) => {
                    self.asked = true;
                    // The frames of one read were all sent before it: they are served by one snapshot, at one time.
                    let moment = moment.get_or_insert_with(|| Moment {
                        snapshot: self.context.live.snapshot(),
                        now: (self.context.clock)(),
                    });
                    // The peer looked for the wrong lock cookie. Unanswered, it greets anew and asks again.
                    if self.announced.is_outdated(self.dispatch.peer(), &moment.snapshot) {
                        return Flow::Broken;
                    }
                    let bytes = range.len();
                    let began = *began.get_or_insert_with(std::time::Instant::now);
                    let message = self.inbox.message(range);
                    let handled = self.dispatch.handle(moment, message, began, &mut self.out);
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

    /// Returns true if its uid is throttled.
    fn is_throttled(&self, limits: &Limits) -> bool {
        self.bucket
            .throttled_until(limits.requests_per_uid, Instant::now())
            .is_some()
    }

    /// Waits for the permit among all connections of a throttled uid.
    fn permit(&self) -> Pin<Box<dyn Future<Output = Permit> + Send>> {
        let live = self.context.live.clone();
        Box::pin(
            self.bucket
                .clone()
                .permit(move || live.snapshot().settings.limits.requests_per_uid),
        )
    }

    /// Returns true if another request may wait beside those that do.
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
        while matches!(self.answer(limits), Flow::Full | Flow::Yield) {
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

    /// Writes all replies.
    async fn flush(&mut self) -> io::Result<()> {
        if !self.write_what_fits()? {
            self.write_rest().await?;
        }
        Ok(())
    }

    /// Writes as many replies as the socket takes at once; says whether that was all.
    fn write_what_fits(&mut self) -> io::Result<bool> {
        if self.out.is_empty() {
            return Ok(true);
        }
        let written = match self.stream.try_write(&self.out) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            other => other?,
        };
        self.out.drain(..written);
        self.out.shrink_to(OUT);
        Ok(self.out.is_empty())
    }

    /// Writes what did not fit, once the peer has read.
    async fn write_rest(&mut self) -> io::Result<()> {
        let limit = self.limits().write_timeout;
        timeout(limit, self.stream.write_all(&self.out))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        self.out.clear();
        self.out.shrink_to(OUT);
        Ok(())
    }
}

/// Returns true if these bytes may be the beginning of a hello.
fn spells_magic(bytes: &[u8]) -> bool {
    let magic = bytes.get(LENGTH_BYTES..).unwrap_or_default();
    let length = magic.len().min(MAGIC.len());
    magic.get(..length) == MAGIC.get(..length)
}

/// The positive control of the watchdog's tests, in builds for tests alone: a loop that answers nothing any more for
/// as long as this file is there.
#[cfg(debug_assertions)]
fn wedge() {
    use std::sync::OnceLock;
    static FILE: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("JWTKEEPER_TEST_WEDGED_LOOP").map(Into::into));
    while file.as_ref().is_some_and(|file| file.exists()) {
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
}
