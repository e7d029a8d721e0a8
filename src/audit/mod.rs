//! The audit: one line of JSON (RFC 8259) for each issue, rotate, flag, revoke, reload, denial and reuse, written
//! before it is acknowledged. Never a token, a secret or a cookie secret. docs/operations.md lists the members.

mod sink;
mod writer;

use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::oneshot;

use crate::config::{AuditSettings, OnAuditFailure};
use crate::ops::outcome::{Facts, Outcome};
use jwtkeeper_core::types::{Millis, PeerId};
use jwtkeeper_wire::OperationRow;
use writer::{Queue, Room, Written};

/// The time that an operation waits for its line: clients wait five seconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same where it may go on without.
const LESS_PATIENCE: Duration = Duration::from_secs(1);

/// The audit.
pub struct Audit {
    queue: Queue,
    refuse: bool,
}

pub use writer::AuditError;

/// The content of a line.
pub(super) struct Entry<'a> {
    pub(super) at: Millis,
    pub(super) generation: u64,
    pub(super) realm: &'a str,
    pub(super) operation: &'a str,
    pub(crate) outcome: &'a str,
    pub(super) reason: Option<&'a str>,
    pub(super) peer: Option<&'a PeerId>,
    pub(crate) facts: &'a Facts,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(skip_serializing_if = "is_none")]
    generation: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    realm: &'a str,
    operation: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predecessor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// A line that is about no generation.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's way
fn is_none(generation: &u64) -> bool {
    *generation == 0
}

impl Entry<'_> {
    fn line(&self) -> Vec<u8> {
        let time = UNIX_EPOCH + Duration::from_millis(self.at.0);
        let line = Line {
            time: humantime::format_rfc3339_millis(time).to_string(),
            generation: self.generation,
            realm: self.realm,
            operation: self.operation,
            outcome: self.outcome,
            reason: self.reason,
            target: self.facts.target,
            jti: self.facts.jti.as_deref(),
            session: self.facts.session.as_deref(),
            subject: self.facts.subject.as_deref(),
            predecessor: self.facts.predecessor.as_deref(),
            uid: self.peer.map(|peer| peer.uid),
            gid: self.peer.map(|peer| peer.gid),
            pid: self.peer.and_then(|peer| peer.pid),
            text: self.facts.text.as_deref(),
        };
        let mut line = serde_json::to_vec(&line).unwrap_or_default(); // strings and numbers always serialise
        line.push(b'\n');
        line
    }
}

/// Returns true if the audit has a line for a request.
pub(super) fn is_audited(operation: &OperationRow, outcome: Outcome, facts: &Facts) -> bool {
    operation.audited || outcome.kind() == "denied" || facts.reuse
}

impl Audit {
    /// Begins. What it is written to need not be there yet: that is a fault until it is.
    pub fn start(settings: &AuditSettings, clock: fn() -> Millis) -> Result<Self, AuditError> {
        let resumed = move |lost| {
            let text = format!("{lost} lines were not written since the start");
            let facts = Facts {
                text: Some(text),
                ..Facts::default()
            };
            let entry = Entry {
                at: clock(),
                generation: 0,
                realm: "",
                operation: "audit",
                outcome: "resumed",
                reason: None,
                peer: None,
                facts: &facts,
            };
            entry.line()
        };
        Ok(Self {
            queue: Queue::start(settings, Box::new(resumed))?,
            refuse: settings.on_failure == OnAuditFailure::Refuse,
        })
    }

    /// Opens its file anew: the old one was moved away.
    pub fn reopen(&self) {
        self.queue.reopen();
    }

    /// Waits until what was put before is written, if that takes no longer than a line may.
    pub async fn flush(&self) {
        let _: Result<_, _> = tokio::time::timeout(PATIENCE, self.queue.flush()).await; // health told of it, if it does
    }

    /// Returns the fault, if there is one.
    pub fn fault(&self) -> Option<String> {
        self.queue.fault()
    }

    /// Returns why nothing can be acknowledged: it is known that lines cannot be written, and that refuses what they
    /// tell of.
    pub(super) fn refusal(&self) -> Option<String> {
        self.fault().filter(|_| self.refuse).map(|why| refused(&why))
    }

    /// Returns the number of lines that were written, and of those that were not.
    pub fn counts(&self) -> (u64, u64) {
        let (written, lost) = self.queue.counts();
        (written.load(Ordering::Relaxed), lost.load(Ordering::Relaxed))
    }

    /// Writes a line of the daemon's own, for which nobody waits.
    pub(super) fn tell(&self, entry: &Entry<'_>) {
        self.queue.line(entry.line(), None, Room::All);
    }

    /// Writes a line. An error is why what it tells of must not be acknowledged.
    pub(super) async fn record(&self, entry: &Entry<'_>) -> Result<(), String> {
        let (done, written) = oneshot::channel();
        // Who may do nothing must not keep others' lines from being written.
        let room = if entry.outcome == "denied" {
            Room::Half
        } else {
            Room::All
        };
        self.queue.line(entry.line(), Some(done), room);
        let written = async { written.await.unwrap_or(Err("its writer has ended".to_owned())) };
        let patience = if self.refuse { PATIENCE } else { LESS_PATIENCE };
        let written: Written = match tokio::time::timeout(patience, written).await {
            Ok(written) => written,
            Err(_) => Err(self.queue.stalls()),
        };
        match written {
            Err(why) if self.refuse => Err(refused(&why)),
            _ => Ok(()),
        }
    }
}

fn refused(why: &str) -> String {
    format!("the audit cannot be written, and on_failure = \"refuse\": {why}")
}
