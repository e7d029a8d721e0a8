//! One call, whoever carries its bytes: the request's frame for each attempt, what a reply means, and whether
//! and when to try again. No I/O; both drivers ask the same questions here.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jwtkeeper_wire::{
    Answer, Before, EncodeError, ErrorCode, FlagTarget, LENGTH_BYTES, MAX_TOKEN, Op, Reason, Reply, Request,
    RevokeTarget, decode, put_frame,
};

use crate::config::Config;
use crate::error::{Error, Fault};
use crate::lock_cookie::{Announced, LockCookie};
use crate::operations::presented;
use crate::operations::{Operation, can_be_cookie};

/// The first pause before another attempt, and the longest; each is twice the one before, less a random part.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A peer that breaks the protocol gets this many more chances, each on a new connection.
const FAULTS_FORGIVEN: u32 = 1;

/// The failure of one attempt.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A connection that was in use before is gone: the daemon closed it, or is another one by now.
    Stale,
    /// No connection, or it broke.
    Broken(io::Error),
    /// The attempt's time is over.
    TimedOut,
    /// The daemon is stopping or full; the next attempt may find it ready.
    Refused(Error),
    /// The peer broke the protocol.
    Fault(Fault),
    /// An answer that another attempt would not change.
    Final(Error),
}

impl Failure {
    /// The daemon did not take the connection.
    pub(crate) fn refused(code: ErrorCode, error: Error) -> Self {
        match code {
            ErrorCode::ShuttingDown | ErrorCode::Overloaded => Self::Refused(error),
            _ => Self::Final(error),
        }
    }
}

/// One call: it begins when it is made, and ends by its deadline.
pub(crate) struct Call<'a, O> {
    config: &'a Config,
    operation: &'a O,
    op: Op<'a>,
    deadline: Instant,
    asked: Option<u64>,
    attempts: u32,
    faults: u32,
    /// Why an earlier attempt was refused, or found nobody.
    refused: Option<Error>,
    /// True if this attempt has come so far as to ask.
    has_asked: AtomicBool,
}

impl<'a, O: Operation> Call<'a, O> {
    pub(crate) fn new(operation: &'a O, config: &'a Config) -> Self {
        Self {
            config,
            operation,
            op: operation.op(&config.realm),
            deadline: from_now(config.deadline),
            asked: None,
            attempts: 0,
            faults: 0,
            refused: None,
            has_asked: AtomicBool::new(false),
        }
    }

    /// The answer that needs no asking: a token longer than any realm takes is malformed. Whoever sends one to the
    /// app is told no, as with any other, and causes no error.
    pub(crate) fn local_answer(&self) -> Option<O::Output> {
        let token = match &self.op {
            Op::Validate { token, .. } | Op::Rotate { token, .. } => token,
            Op::Revoke {
                target: RevokeTarget::Token { token, .. },
                ..
            } => token,
            _ => return None,
        };
        let reason = Reason::Malformed;
        (token.len() > MAX_TOKEN).then(|| self.operation.output(Answer::Invalid { reason }))?
    }

    /// The realm whose lock cookie the greeting of its connection must have announced.
    pub(crate) fn lock_realm(&self) -> Option<&'a str> {
        let lock = self.operation.lock().filter(|_| self.config.lock_cookie.is_none());
        lock.map(|lock| lock.realm.unwrap_or(&self.config.realm))
    }

    /// Finds the lock cookie that came along, as the app or the greeting of the connection says what it is.
    fn find_cookie(&self, announced: &Announced) -> Option<&'a str> {
        let lock = self.operation.lock()?;
        let find = |cookie: &LockCookie| lock.headers.iter().find_map(|header| cookie.find(header));
        let found = match &self.config.lock_cookie {
            Some(cookie) => find(cookie),
            None => find(&announced.of(lock.realm.unwrap_or(&self.config.realm))),
        };
        found.map(presented).filter(|value| can_be_cookie(value))
    }

    /// When the call must be over.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// When an attempt to connect that begins now must be over.
    pub(crate) fn connect_deadline(&self) -> Instant {
        self.deadline.min(from_now(self.config.connect_timeout))
    }

    /// Begins an attempt: from the second on, "now" is the moment of the first.
    pub(crate) fn begin(&mut self) {
        self.attempts += 1;
        *self.has_asked.get_mut() = false;
        match self.asked {
            None => self.asked = Some(wall_ms()),
            Some(first) => asked_first(&mut self.op, first),
        }
    }

    /// The request as a frame, for a connection whose greeting said this, and that the daemon takes messages of `limit`
    /// bytes.
    pub(crate) fn frame(&self, id: u64, limit: usize, announced: &Announced) -> Result<Vec<u8>, Failure> {
        self.has_asked.store(true, Ordering::Relaxed);
        let mut frame = Vec::with_capacity(256);
        let mut op = self.op.clone();
        if let Some(found) = self.find_cookie(announced) {
            put_cookie(&mut op, found);
        }
        let request = Request { id, op };
        let length = match put_frame(&request, &mut frame) {
            Ok(()) => frame.len() - LENGTH_BYTES,
            Err(EncodeError::TooLarge(length)) => length,
            Err(EncodeError::Unsupported) => usize::MAX,
        };
        if length > limit {
            return Err(Failure::Final(Error::too_large(length, limit)));
        }
        Ok(frame)
    }

    /// Returns the answer in the reply to the request `id`.
    pub(crate) fn settle(&self, id: u64, body: &[u8]) -> Result<O::Output, Failure> {
        let reply: Reply<'_> = decode(body).map_err(|_| Failure::Fault(Fault::Malformed))?;
        match reply.answer {
            Answer::Error { code, .. } if reply.id == 0 => Err(Failure::Fault(Fault::Connection(code))),
            _ if reply.id != id => Err(Failure::Fault(Fault::UnknownId)),
            Answer::Error {
                code: ErrorCode::ShuttingDown,
                message,
            } => Err(Failure::Refused(Error::daemon(ErrorCode::ShuttingDown, message))),
            Answer::Error { code, message } => Err(Failure::Final(Error::daemon(code, message))),
            answer => self.operation.output(answer).ok_or(Failure::Fault(Fault::WrongAnswer)),
        }
    }

    /// After a failed attempt: how long to pause before the next, or the error to give the caller.
    pub(crate) fn after(&mut self, failure: Failure) -> Result<Duration, Error> {
        let pause = self.pause();
        let left = self.deadline.saturating_duration_since(Instant::now());
        let again = match &failure {
            Failure::Stale => pause < left,
            Failure::Broken(error) => pause < left && may_pass(error),
            Failure::TimedOut | Failure::Refused(_) => pause < left,
            Failure::Fault(fault) if fault.is_final() => false,
            Failure::Fault(_) => {
                self.faults += 1;
                self.faults <= FAULTS_FORGIVEN && pause < left
            }
            Failure::Final(_) => false,
        };
        match failure {
            Failure::Stale if again && self.attempts == 1 => Ok(Duration::ZERO),
            Failure::Refused(error) if again => {
                self.refused = Some(error);
                Ok(pause)
            }
            Failure::Broken(error) if again && !*self.has_asked.get_mut() => {
                self.refused = Some(self.error(Failure::Broken(error)));
                Ok(pause)
            }
            _ if again => Ok(pause),
            // Cut short before it asked anything: what the attempt before it came to says more.
            Failure::TimedOut if !*self.has_asked.get_mut() => {
                Err(self.refused.take().unwrap_or_else(|| self.error(Failure::TimedOut)))
            }
            failure => Err(self.error(failure)),
        }
    }

    fn error(&self, failure: Failure) -> Error {
        let socket = self.config.socket.clone();
        match failure {
            Failure::Stale => Error::unreachable(socket, io::ErrorKind::ConnectionReset.into()),
            Failure::Broken(error) => Error::unreachable(socket, error),
            Failure::TimedOut => Error::timeout(self.config.deadline),
            Failure::Refused(error) | Failure::Final(error) => error,
            Failure::Fault(fault) => Error::protocol(socket, fault),
        }
    }

    /// Grows with each attempt, and is random in its upper half, so that many callers do not come back at once.
    fn pause(&self) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(16);
        let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let random = RandomState::new().hash_one((std::process::id(), Instant::now()));
        let part = random % (whole.as_micros() as u64 / 2).max(1);
        whole - Duration::from_micros(part)
    }
}

/// A time so long that it cannot be told is as good as a century.
fn from_now(time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    Instant::now() + time.min(CENTURY)
}

/// Returns true if an error may pass by itself: a daemon that is being restarted is absent or refuses for a while, but
/// a path that may not be opened or is no socket stays so.
fn may_pass(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
    )
}

#[allow(clippy::disallowed_methods, reason = "the client's only look at the wall clock")]
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

/// Puts in the lock cookie that was found.
fn put_cookie<'a>(op: &mut Op<'a>, value: &'a str) {
    if let Op::Validate { cookie, .. }
    | Op::Rotate { cookie, .. }
    | Op::Revoke {
        target: RevokeTarget::Token { cookie, .. },
        ..
    } = op
    {
        *cookie = Some(value);
    }
}

/// Makes "now" the moment of the first attempt.
fn asked_first(op: &mut Op<'_>, first: u64) {
    let before = match op {
        Op::Flag {
            target: FlagTarget::Subject { before, .. },
            ..
        }
        | Op::Revoke {
            target: RevokeTarget::Subject { before, .. },
            ..
        }
        | Op::Revoke {
            target: RevokeTarget::IssuedBefore(before),
            ..
        } => before,
        _ => return,
    };
    if let Before::Now { first_asked } = before {
        *first_asked = Some(first);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::operations::Ping;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let config = Config::new("/nowhere");
        let mut call = Call::new(&Ping, &config);
        for attempt in 0..100_u32 {
            call.begin();
            let pause = call.pause();
            let whole = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
            assert!(
                whole / 2 <= pause && pause <= whole,
                "{attempt}: {pause:?} of {whole:?}"
            );
        }
    }

    /// A pool may hold many dead connections: the first is replaced at once, and then it is like any failure.
    #[test]
    fn a_stale_connection_is_replaced_at_once_and_once() {
        let config = Config::new("/nowhere");
        let mut call = Call::new(&Ping, &config);
        call.begin();
        assert_eq!(call.after(Failure::Stale).unwrap(), Duration::ZERO);
        call.begin();
        assert!(call.after(Failure::Stale).unwrap() > Duration::ZERO);
    }

    #[test]
    fn nothing_is_tried_after_the_deadline() {
        let config = Config::new("/nowhere").with_deadline(Duration::ZERO);
        let mut call = Call::new(&Ping, &config);
        call.begin();
        assert!(call.after(Failure::TimedOut).unwrap_err().is_timeout());
        let broken = Failure::Broken(io::ErrorKind::ConnectionRefused.into());
        assert!(call.after(broken).unwrap_err().is_unreachable());
    }

    /// Who was never asked has done nothing: that is no timeout, wherever the deadline fell.
    #[test]
    fn a_daemon_that_was_never_there_is_unreachable() {
        let config = Config::new("/nowhere");
        let mut call = Call::new(&Ping, &config);
        call.begin();
        assert!(call.after(Failure::Broken(io::ErrorKind::NotFound.into())).is_ok());
        call.begin();
        call.deadline = Instant::now();
        assert!(call.after(Failure::TimedOut).unwrap_err().is_unreachable());
    }

    #[test]
    fn the_longest_deadline_is_one() {
        let config = Config::new("/nowhere").with_deadline(Duration::MAX);
        let mut call = Call::new(&Ping, &config);
        call.begin();
        assert!(call.connect_deadline() < call.deadline());
        assert!(call.after(Failure::TimedOut).is_ok());
    }

    #[test]
    fn a_path_that_may_not_be_opened_is_not_tried_again() {
        let config = Config::new("/nowhere");
        let mut call = Call::new(&Ping, &config);
        call.begin();
        let denied = Failure::Broken(io::ErrorKind::PermissionDenied.into());
        assert!(call.after(denied).unwrap_err().is_not_permitted());
    }
}
