//! Rows of the embedded store: what was raised and rotated, as bytes. Rows are only ever appended and joined at load,
//! so neither their order nor a row twice matters. Variants are appended, never changed.

use std::sync::Arc;

use jwtkeeper_wire::EncodeError;
use serde::{Deserialize, Serialize};

use jwtkeeper_core::denylist::Cutoff;
use jwtkeeper_core::denylist::{Index, Rotation, record_until};
use jwtkeeper_core::denylist::{Kind, Level, Lock, Record, Revocation};
use jwtkeeper_core::keyring::{KeyId, Seal};
use jwtkeeper_core::types::{Id, Millis, Seconds};

/// One row; its deadline is the first part of its key.
#[derive(Serialize, Deserialize)]
enum Row<'a> {
    /// An entry of a token or a session. That of a subject or a realm, by a time alone, is no longer written.
    Revocation {
        realm: &'a str,
        kind: u8,
        id: &'a str,
        level: u8,
        cutoff: u64,
    },
    Rotation {
        realm: &'a str,
        old: &'a str,
        session: &'a str,
        successor: &'a str,
        grace_until: u64,
    },
    Sealed(#[serde(borrow)] RecordRow<'a>, Seal),
    Cutoff {
        realm: &'a str,
        kind: u8,
        id: &'a str,
        level: u8,
        start: u64,
        sequence: u64,
    },
    /// A rotation whose grace has an end that is sealed.
    Ended {
        realm: &'a str,
        old: &'a str,
        session: &'a str,
        successor: &'a str,
        grace_until: u64,
        grace_seal: Seal,
    },
}

#[derive(Serialize, Deserialize)]
struct RecordRow<'a> {
    realm: &'a str,
    old: &'a str,
    session: &'a str,
    successor: &'a str,
    grace_until: u64,
    claims: &'a str,
    nonce: [u8; 16],
    key: [u8; 16],
    lock: u8,
}

/// A row that does not say anything: the file is not ours, or broken.
#[derive(Debug, thiserror::Error)]
#[error("a row cannot be read")]
pub(crate) struct BadRow;

/// Rows to be written, each with its deadline.
pub(crate) type Rows = Vec<(Seconds, Vec<u8>)>;

/// Appends the rows of a raise: of a cutoff one for each of its applications.
pub(crate) fn put_raise(realm: &str, raise: &Revocation, rows: &mut Rows) -> Result<(), EncodeError> {
    let id = if raise.kind == Kind::Realm {
        String::new()
    } else {
        raise.id.to_string()
    };
    let (kind, level) = (kind_code(raise.kind), level_code(raise.level));
    if let Kind::Token | Kind::Session = raise.kind {
        let row = Row::Revocation {
            realm,
            kind,
            id: &id,
            level,
            cutoff: 0,
        };
        return put(raise.until, &row, rows);
    }
    raise.cutoff.steps().iter().try_for_each(|step| {
        let row = Row::Cutoff {
            realm,
            kind,
            id: &id,
            level,
            start: step.start.0,
            sequence: step.sequence,
        };
        put(raise.until, &row, rows)
    })
}

/// Appends the rows of a rotation: one that lasts as long as the old token; and its record's, which lasts as
/// long as the grace once that has an end.
pub(crate) fn put_rotation(realm: &str, old: &Id, rotation: &Rotation, rows: &mut Rows) -> Result<(), EncodeError> {
    let [old, session, successor] = [old, &rotation.session, &rotation.successor].map(ToString::to_string);
    let grace_until = rotation.grace_until.0;
    let (old, session, successor) = (old.as_str(), session.as_str(), successor.as_str());
    let row = match rotation.grace_seal {
        None => Row::Rotation {
            realm,
            old,
            session,
            successor,
            grace_until,
        },
        Some(grace_seal) => Row::Ended {
            realm,
            old,
            session,
            successor,
            grace_until,
            grace_seal,
        },
    };
    put(rotation.until(), &row, rows)?;
    let Some(record) = &rotation.record else {
        return Ok(());
    };
    let row = RecordRow {
        realm,
        old,
        session,
        successor,
        grace_until,
        claims: &record.claims,
        nonce: record.nonce,
        key: record.key.0,
        lock: record.lock.code(),
    };
    let until = if rotation.is_pending() {
        rotation.until()
    } else {
        record_until(rotation.grace_until)
    };
    put(until, &Row::Sealed(row, record.seal), rows)
}

fn put(until: Seconds, row: &Row<'_>, rows: &mut Rows) -> Result<(), EncodeError> {
    let mut bytes = Vec::new();
    jwtkeeper_wire::encode(row, &mut bytes)?;
    rows.push((until, bytes));
    Ok(())
}

/// A cutoff later than could be, applied as of the latest that can: what its row should have said.
pub(crate) struct FutureCutoff {
    pub(crate) realm: String,
    pub(crate) raise: Revocation,
}

/// Joins one row into the index. A cutoff later than `latest` is applied as of `latest`, and returned.
pub(crate) fn load(
    index: &Index,
    until: Seconds,
    bytes: &[u8],
    latest: Millis,
) -> Result<Option<FutureCutoff>, BadRow> {
    let raised = match jwtkeeper_wire::decode(bytes).map_err(|_| BadRow)? {
        Row::Revocation {
            realm,
            kind,
            id,
            level,
            cutoff,
        } => {
            let start = Millis(cutoff);
            (realm, kind, id, level, start, start.micros())
        }
        Row::Cutoff {
            realm,
            kind,
            id,
            level,
            start,
            sequence,
        } => (realm, kind, id, level, Millis(start), sequence),
        Row::Rotation {
            realm,
            old,
            session,
            successor,
            grace_until,
        } => {
            let rotation = Rotation::new(id_of(session)?, id_of(successor)?, Millis(grace_until), until);
            index.realm(realm).insert_rotation(&id_of(old)?, rotation);
            return Ok(None);
        }
        Row::Ended {
            realm,
            old,
            session,
            successor,
            grace_until,
            grace_seal,
        } => {
            let rotation = Rotation::new(id_of(session)?, id_of(successor)?, Millis(grace_until), until);
            let rotation = rotation.with_grace_seal(Some(grace_seal));
            index.realm(realm).insert_rotation(&id_of(old)?, rotation);
            return Ok(None);
        }
        Row::Sealed(row, seal) => return put_record(index, &row, seal, until).map(|()| None),
    };
    let (realm, kind, id, level, start, sequence) = raised;
    let kind = kind_of(kind).ok_or(BadRow)?;
    let raise = Revocation {
        kind,
        id: if kind == Kind::Realm { Id::Uuid(0) } else { id_of(id)? },
        level: level_of(level).ok_or(BadRow)?,
        cutoff: Cutoff::new(start.min(latest), sequence),
        until,
    };
    let index = index.realm(realm);
    index.raise(&raise);
    index.mark_saved(&index.stands(&raise));
    Ok((start > latest).then(|| FutureCutoff {
        realm: realm.to_owned(),
        raise,
    }))
}

fn put_record(index: &Index, row: &RecordRow<'_>, seal: Seal, until: Seconds) -> Result<(), BadRow> {
    let (session, successor) = (id_of(row.session)?, id_of(row.successor)?);
    let record = Arc::new(Record {
        successor: successor.clone(),
        claims: row.claims.into(),
        nonce: row.nonce,
        key: KeyId(row.key),
        lock: Lock::of(row.lock).ok_or(BadRow)?,
        seal,
    });
    let rotation = Rotation::new(session, successor, Millis(row.grace_until), until).with_record(record);
    index.realm(row.realm).insert_rotation(&id_of(row.old)?, rotation);
    Ok(())
}

fn id_of(text: &str) -> Result<Id, BadRow> {
    Id::parse(text).map_err(|_| BadRow)
}

fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Token => 0,
        Kind::Session => 1,
        Kind::Subject => 2,
        Kind::Realm => 3,
    }
}

fn kind_of(code: u8) -> Option<Kind> {
    [Kind::Token, Kind::Session, Kind::Subject, Kind::Realm]
        .into_iter()
        .find(|kind| kind_code(*kind) == code)
}

fn level_code(level: Level) -> u8 {
    match level {
        Level::Soft => 1,
        Level::Hard => 2,
    }
}

fn level_of(code: u8) -> Option<Level> {
    [Level::Soft, Level::Hard]
        .into_iter()
        .find(|level| level_code(*level) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_grace_and_its_seal_are_loaded_as_they_were_put() -> Result<(), Box<dyn std::error::Error>> {
        let old = Id::Uuid(1);
        let record = Arc::new(Record {
            successor: Id::Uuid(2),
            claims: "{}".into(),
            nonce: [7; 16],
            key: KeyId([9; 16]),
            lock: Lock::None,
            seal: [5; 16],
        });
        let rotation = Rotation::new(Id::Uuid(1), Id::Uuid(2), Millis(1_700_000_000_000), 1_800_000_000);
        let rotation = rotation.with_record(record).with_grace_seal(Some([3; 16]));
        let mut rows = Rows::new();
        put_rotation("default", &old, &rotation, &mut rows)?;
        // In either order.
        for _ in 0..2 {
            let index = Index::default();
            for (until, bytes) in &rows {
                load(&index, *until, bytes, Millis(u64::MAX))?;
            }
            let loaded = index.realm("default").rotation(&old).ok_or(BadRow)?;
            assert_eq!(
                (loaded.grace_until, loaded.grace_seal),
                (rotation.grace_until, rotation.grace_seal)
            );
            assert!(loaded.record.is_some());
            rows.reverse();
        }
        Ok(())
    }
}
