//! Values of entries and records.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use jwtkeeper_core::denylist::{Cutoff, MAX_SEQUENCE, Step};
use jwtkeeper_core::denylist::{Kind, Level, Lock, Record, Revocation};
use jwtkeeper_core::denylist::{PENDING, Rotation};
use jwtkeeper_core::keyring::{KeyId, Seal};
use jwtkeeper_core::types::{Id, Millis, Seconds};

/// The parsed value of an entry.
pub(super) struct Said {
    pub(super) raises: Vec<Revocation>,
    /// True if neither a daemon nor a gem writes such a value; it is treated as revoked.
    pub(super) unknown: bool,
}

/// Reads an entry's value. `until` is its deadline as its time to live says. What cannot be read counts as hard: for a
/// subject, or a realm, as of `now`.
pub(super) fn read(kind: Kind, id: &Id, value: &str, until: Seconds, now: Millis) -> Said {
    let raise = |level, cutoff, until| Revocation {
        kind,
        id: id.clone(),
        level,
        cutoff,
        until,
    };
    match kind {
        Kind::Token | Kind::Session => {
            let level = if value == "soft" { Level::Soft } else { Level::Hard };
            Said {
                raises: vec![raise(level, Cutoff::default(), until)],
                unknown: !["soft", "hard"].contains(&value),
            }
        }
        Kind::Subject | Kind::Realm => {
            let marks = serde_json::from_str::<Marks>(value).ok().filter(Marks::are_possible);
            let unknown = marks.is_none();
            let marks = marks.unwrap_or_else(|| Marks::revoked(now, until));
            let raises = [(Level::Hard, marks.revoked), (Level::Soft, marks.flagged)];
            let raises = raises.into_iter().filter_map(|(level, mark)| {
                let mark = mark?;
                Some(raise(level, mark.cutoff(), mark.until))
            });
            Said {
                raises: raises.collect(),
                unknown,
            }
        }
    }
}

/// The cutoffs of a subject or a realm.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Marks {
    revoked: Option<Mark>,
    flagged: Option<Mark>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// The start and the sequence number of each application.
    steps: Vec<(u64, u64)>,
    until: Seconds,
}

impl Marks {
    fn revoked(start: Millis, until: Seconds) -> Self {
        let revoked = Some(Mark {
            steps: vec![(start.0, start.micros())],
            until,
        });
        let flagged = None;
        Self { revoked, flagged }
    }

    fn are_possible(&self) -> bool {
        // The scripts count with doubles.
        let is_step = |(start, sequence): &(u64, u64)| *start <= MAX_SEQUENCE && (1..=MAX_SEQUENCE).contains(sequence);
        let is_possible = |mark: &Mark| {
            !mark.steps.is_empty() && mark.steps.iter().all(is_step) && (0..=1 << 43).contains(&mark.until)
        };
        self.revoked.iter().chain(&self.flagged).all(is_possible)
    }
}

impl Mark {
    fn cutoff(&self) -> Cutoff {
        let steps = self.steps.iter().map(|&(start, sequence)| Step {
            start: Millis(start),
            sequence,
        });
        steps.collect()
    }
}

/// A rotation as its record says it.
#[derive(Serialize, Deserialize)]
struct Shape<'a> {
    /// `null` until the successor is handed out. The script that writes it looks for it here, before the successor.
    grace_until: Option<u64>,
    /// The seal on that, as [`seal_text`] spells it.
    #[serde(default)]
    grace_seal: Option<std::borrow::Cow<'a, str>>,
    successor: &'a str,
    session: &'a str,
    until: Seconds,
    claims: std::borrow::Cow<'a, str>,
    nonce: [u8; 16],
    key: [u8; 16],
    lock: u8,
    seal: Seal,
}

/// A rotation that was decided.
pub(super) struct Decided {
    pub(super) session: Id,
    pub(super) grace_until: Millis,
    pub(super) grace_seal: Option<Seal>,
    pub(super) until: Seconds,
    pub(super) record: Arc<Record>,
}

impl Decided {
    /// The rotation, remembered until this time.
    pub(super) fn rotation(&self, grace_until: Millis, until: Seconds) -> Rotation {
        let (session, successor) = (self.session.clone(), self.record.successor.clone());
        let rotation = Rotation::new(session, successor, grace_until, until).with_record(self.record.clone());
        rotation.with_grace_seal(self.grace_seal)
    }
}

/// The record of a rotation; `None` where what the successor is made from is gone.
pub(super) fn record(rotation: &Rotation) -> Option<String> {
    let record = rotation.record.as_ref()?;
    let shape = Shape {
        successor: &record.successor.to_string(),
        session: &rotation.session.to_string(),
        grace_until: (!rotation.is_pending()).then_some(rotation.grace_until.0),
        grace_seal: rotation.grace_seal.map(|seal| seal_text(seal).into()),
        until: rotation.until(),
        claims: (&*record.claims).into(),
        nonce: record.nonce,
        key: record.key.0,
        lock: record.lock.code(),
        seal: record.seal,
    };
    serde_json::to_string(&shape).ok()
}

/// Reads a record; `None` for what is none.
pub(super) fn read_record(text: &[u8]) -> Option<Decided> {
    let shape: Shape<'_> = serde_json::from_slice(text).ok()?;
    Some(Decided {
        session: Id::parse(shape.session).ok()?,
        grace_until: shape.grace_until.map_or(PENDING, Millis),
        grace_seal: shape.grace_seal.and_then(|text| read_seal(&text)),
        until: shape.until,
        record: Arc::new(Record {
            successor: Id::parse(shape.successor).ok()?,
            claims: shape.claims.into(),
            nonce: shape.nonce,
            key: KeyId(shape.key),
            lock: Lock::of(shape.lock)?,
            seal: shape.seal,
        }),
    })
}

/// A seal as records spell it: 32 hexadecimal digits.
fn seal_text(seal: Seal) -> String {
    format!("{:032x}", u128::from_be_bytes(seal))
}

/// The same as JSON, as the script writes it.
pub(super) fn seal_json(seal: Option<Seal>) -> String {
    seal.map_or_else(|| "null".to_owned(), |seal| format!("\"{}\"", seal_text(seal)))
}

/// Reads a seal; `None` for what is none.
fn read_seal(text: &str) -> Option<Seal> {
    let number = u128::from_str_radix(text, 16).ok()?;
    (text.len() == 32).then(|| number.to_be_bytes())
}
