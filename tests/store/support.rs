//! Changes, and what an index says, in few words.

use std::sync::Arc;

use jwtkeeper_core::denylist::{
    Change, Cutoff, Cutoffs, Denylist, Index, Kind, Level, Lock, Outcome, RealmIndex, Record, Revocation, Rotate,
    Rotation, SessionStart, StoreError,
};
use jwtkeeper_core::keyring::KeyId;
use jwtkeeper_core::types::{Id, Millis, Seconds};
use jwtkeeper_store::Embedded;

pub(crate) use jwtkeeper_testkit::pace::{pace, until};

/// The second at which these tests begin.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) fn moment(seconds: i64) -> Millis {
    Millis::from_seconds(NOW + seconds)
}

pub(crate) fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// A canonical UUID, the same for the same number.
pub(crate) fn uuid(number: u64) -> Id {
    Id::Uuid(0x0190_b5a4_7a3c_7000_8000_0000_0000_0000 | u128::from(number))
}

/// Ends when the change is durable, or will not be.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

pub(crate) fn apply(store: &dyn Denylist, realm: &Arc<RealmIndex>, change: Change) -> Result<Outcome, StoreError> {
    let is_tick = matches!(change, Change::Tick { .. });
    let outcome = wait(store.apply(realm, change));
    if is_tick {
        until("what may be forgotten is", || store.index().is_swept());
    }
    outcome
}

pub(crate) fn raise(kind: Kind, id: &Id, level: Level, until: Seconds) -> Revocation {
    Revocation {
        kind,
        id: id.clone(),
        level,
        cutoff: Cutoff::default(),
        until,
    }
}

/// An entry that stands for an hour.
pub(crate) fn hard(kind: Kind, id: &Id) -> Revocation {
    raise(kind, id, Level::Hard, NOW + 3600)
}

/// The first cutoff that covers what began by `start`.
pub(crate) fn by(start: Millis) -> Cutoff {
    Cutoff::new(start, start.micros())
}

pub(crate) fn cutoff(kind: Kind, id: &Id, level: Level, start: Millis) -> Revocation {
    Revocation {
        cutoff: by(start),
        ..raise(kind, id, level, NOW + 3600)
    }
}

pub(crate) fn entries(entries: Vec<Revocation>) -> Change {
    Change::raise(entries)
}

pub(crate) fn revoke_jti(jti: &Id) -> Change {
    Change::Revoke {
        entries: vec![hard(Kind::Token, jti)],
        ends_session_of: Some(jti.clone()),
    }
}

pub(crate) fn record(successor: &Id) -> Arc<Record> {
    Arc::new(Record {
        successor: successor.clone(),
        claims: format!(r#"{{"jti":"{successor}"}}"#).into(),
        nonce: [7; 16],
        key: KeyId([9; 16]),
        lock: Lock::Derived,
        seal: [5; 16],
    })
}

/// A rotation of a first token, whose subject is `u`, at this second, with a grace of 30.
pub(crate) fn rotate(old: &Id, successor: &Id, second: i64) -> Change {
    rotate_in(old, old, successor, second)
}

/// The same of a token of this session.
pub(crate) fn rotate_in(session: &Id, old: &Id, successor: &Id, second: i64) -> Change {
    Change::Rotate(Box::new(Rotate {
        old: old.clone(),
        until: NOW + 3600,
        session: session.clone(),
        subject: Some(id("u")),
        start: SessionStart {
            at: moment(0),
            ..SessionStart::default()
        },
        now: moment(second),
        record: record(successor),
    }))
}

/// The successor of that rotation is given to somebody at this second.
pub(crate) fn hand_out(session: &Id, old: &Id, successor: &Id, second: i64) -> Change {
    Change::Keep {
        old: old.clone(),
        rotation: Rotation::new(session.clone(), successor.clone(), moment(second + 30), NOW + 3600),
    }
}

pub(crate) fn tick(second: i64) -> Change {
    // As if the last tick were long ago: what may be forgotten by then is.
    Change::Tick {
        now: moment(second),
        elapsed_ms: 1_000_000_000,
    }
}

/// What an index says of one id; what lies before `horizon` may be forgotten, and is not spoken of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    token: Option<(Level, Seconds)>,
    session: bool,
    subject: Cutoffs,
    pub(crate) rotation: Option<(Id, Millis, bool)>,
    realm: Cutoff,
}

pub(crate) fn say(realm: &RealmIndex, id: &Id, horizon: Seconds) -> Said {
    Said {
        token: realm.token_until(id).filter(|(_, until)| *until >= horizon),
        session: realm.session_revoked(id),
        subject: realm.subject(id),
        rotation: realm.rotation(id).map(|rotation| {
            let fresh = rotation.grace_until.seconds() >= horizon;
            (
                rotation.successor,
                rotation.grace_until,
                fresh && rotation.record.is_some(),
            )
        }),
        realm: realm.realm_cutoff(),
    }
}

/// Numbers that look random and are the same in each run (Marsaglia's xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A directory with a new store in it.
pub(crate) fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    Embedded::create(directory.path()).unwrap();
    directory
}

pub(crate) fn open(directory: &tempfile::TempDir) -> Embedded {
    open_at(directory, 0)
}

/// Opens it at this second.
pub(crate) fn open_at(directory: &tempfile::TempDir, second: i64) -> Embedded {
    Embedded::open(directory.path(), moment(second), 2000).unwrap()
}

pub(crate) fn realm(index: &Index) -> Arc<RealmIndex> {
    index.realm("default")
}
