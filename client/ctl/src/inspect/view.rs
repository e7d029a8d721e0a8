//! The output of an inspection: for people the verdict, the token's claims and a row for each check; with
//! `--json` the same as one object.

use std::collections::BTreeMap;

use jwtkeeper_client::{Status, Verdict};
use serde::ser::{SerializeMap, Serializer};
use serde::{Serialize, ser};

use super::checks::{Check, Finding};
use super::form::{Members, date};
use super::{Inspected, Row, Told};
use crate::outcome::Failure;
use crate::output::Output;
use crate::paint::{Line, Paint, Part, columns};
use crate::times::{time, when};

/// Claims that are times.
const DATES: [&str; 3] = ["iat", "nbf", "exp"];

pub(super) fn show(output: &Output, inspected: &Inspected) -> Result<(), Failure> {
    if output.json {
        return Ok(output.object(&Shape::of(inspected))?);
    }
    for line in lines(inspected) {
        output.show(&line)?;
    }
    Ok(())
}

fn lines(inspected: &Inspected) -> Vec<Line> {
    let rows = inspected.rows();
    let mut lines = headline(inspected);
    let proven = rows
        .iter()
        .any(|row| row.check == Check::Signature && row.finding == Finding::Ok);
    let heading = match proven {
        true => "claims",
        false => "claims, not verified",
    };
    for (heading, members) in [
        ("header", &inspected.decoded.header),
        (heading, &inspected.decoded.claims),
    ] {
        if let Some(members) = members {
            lines.push(Line::new().with(Paint::Bold.on(heading)));
            lines.extend(columns(2, &members_of(members, inspected.now)));
        }
    }
    lines.push(Line::new().with(Paint::Bold.on("checks")));
    lines.extend(columns(2, &rows.iter().map(shown).collect::<Vec<_>>()));
    lines
}

fn headline(inspected: &Inspected) -> Vec<Line> {
    let realm = format!(" (realm {})", inspected.realm);
    match &inspected.verdict {
        Ok(Verdict::Valid { rotation, .. }) => {
            let mut lines = vec![Line::new().with(Paint::Good.on("valid")).with(realm)];
            if let Some(cause) = rotation {
                let meaning = cause.row().map_or("", |row| row.meaning);
                let due = Paint::Odd.on(format!("rotation due: {cause}"));
                lines.push(Line::new().with(due).with(format!(". {meaning}")));
            }
            lines
        }
        Ok(Verdict::Invalid(reason)) => {
            let meaning = reason.row().map_or("", |row| row.meaning);
            let invalid = Paint::Bad.on(format!("invalid: {reason}"));
            vec![Line::new().with(invalid).with(format!(". {meaning}{realm}"))]
        }
        Err(_) => vec![Line::new().with(Paint::Odd.on("no verdict")).with(realm)],
    }
}

fn members_of(members: &Members, now: u64) -> Vec<Vec<Part>> {
    let row = |(name, value): &(String, Box<serde_json::value::RawValue>)| -> Vec<Part> {
        let mut row: Vec<Part> = vec![name.as_str().into(), value.get().into()];
        let seconds = serde_json::from_str(value.get()).ok().and_then(|value| date(&value));
        if let (true, Some(seconds)) = (DATES.contains(&name.as_str()), seconds) {
            row = vec![
                name.as_str().into(),
                format!("{}  {}", value.get(), when(seconds, now)).into(),
            ];
        }
        row
    };
    members.iter().map(row).collect()
}

fn shown(row: &Row) -> Vec<Part> {
    let paint = match row.finding {
        Finding::Ok => Paint::Good,
        Finding::Failed => Paint::Bad,
        Finding::NotReached | Finding::Unknown => Paint::Dim,
    };
    vec![
        row.check.name().replace('_', " ").into(),
        paint.on(row.finding.for_people()),
        row.detail.as_str().into(),
    ]
}

#[derive(Serialize)]
struct Shape<'a> {
    valid: bool,
    reason: Option<String>,
    rotation: Option<String>,
    realm: &'a str,
    bytes: usize,
    header: Option<AsObject<'a>>,
    claims: Option<AsObject<'a>>,
    times: BTreeMap<&'static str, TimeShape>,
    checks: Vec<CheckShape>,
    /// The entry of the jti in the denylist, if the daemon was asked and has one.
    status: Option<StatusShape>,
}

#[derive(Serialize)]
struct TimeShape {
    at: u64,
    rfc3339: String,
    in_seconds: i64,
}

#[derive(Serialize)]
struct CheckShape {
    check: &'static str,
    result: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct StatusShape {
    state: String,
    until: Option<u64>,
}

/// Members as they came: their order, and integers of any size.
struct AsObject<'a>(&'a Members);

impl ser::Serialize for AsObject<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'a> Shape<'a> {
    fn of(inspected: &'a Inspected) -> Self {
        let decoded = &inspected.decoded;
        let times = DATES.into_iter().filter_map(|name| {
            let at = decoded.date(name)?;
            let shape = TimeShape {
                at,
                rfc3339: time(at),
                in_seconds: (at as i64).saturating_sub(inspected.now as i64),
            };
            Some((name, shape))
        });
        let checks = inspected.rows().into_iter().map(|row| CheckShape {
            check: row.check.name(),
            result: row.finding.name(),
            detail: row.detail,
        });
        let (valid, rotation) = match &inspected.verdict {
            Ok(Verdict::Valid { rotation, .. }) => (true, *rotation),
            _ => (false, None),
        };
        Self {
            valid,
            reason: inspected.reason().map(|reason| reason.to_string()),
            rotation: rotation.map(|cause| cause.to_string()),
            realm: &inspected.realm,
            bytes: decoded.bytes,
            header: decoded.header.as_ref().map(AsObject),
            claims: decoded.claims.as_ref().map(AsObject),
            times: times.collect(),
            checks: checks.collect(),
            status: match &inspected.status {
                Told::Says(Status { state, until }) => Some(StatusShape {
                    state: state.to_string(),
                    until: *until,
                }),
                _ => None,
            },
        }
    }
}
