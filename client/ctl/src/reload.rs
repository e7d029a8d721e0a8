//! `reload`: what it changed, or with --dry-run what it would change; and what was refused.

use jwtkeeper_client::blocking::Client;
use jwtkeeper_client::{Error, ErrorCode, ReloadReport, Reloaded};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::outcome::{Failure, Outcome};
use crate::output::Output;
use crate::times::time;

/// The document of a report, as docs/protocol.md describes it. Members of a newer daemon are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report {
    changes: Vec<Change>,
    realms: Vec<Realm>,
    pending_restart: Vec<String>,
    credentials: Vec<Credential>,
    faults: Vec<String>,
    omitted: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Change {
    at: Option<u64>,
    realm: String,
    text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Realm {
    name: String,
    ends: String,
    keys: Vec<String>,
    rotation_due: bool,
}

/// A file that systemd copies when the service starts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Credential {
    realm: String,
    setting: String,
    file: String,
}

pub(crate) fn run(client: &Client, output: &Output, dry_run: bool) -> Result<Outcome, Failure> {
    let request = if dry_run {
        ReloadReport::dry_run()
    } else {
        ReloadReport::new()
    };
    let (generation, mut document) = match client.call(&request) {
        Ok(Reloaded { generation, document }) => (generation, object(document.as_bytes())?),
        // A daemon of an older version reloads all the same, and does not say what changed.
        Err(error) if !dry_run && is_older(&error) => {
            let generation = client.reload()?;
            output.older_reload(generation)?;
            return Ok(Outcome::Yes);
        }
        Err(error) => return Err(error.into()),
    };
    // Read on their own: faults must be seen whatever else the report holds.
    let faults = document.get("faults").cloned().map(serde_json::from_value).transpose();
    let faults: Vec<String> = faults.map_err(|_| Failure::Report)?.unwrap_or_default();
    let report: Report = match serde_json::from_value(document.clone().into()) {
        Ok(report) => report,
        Err(_) if faults.is_empty() => return Err(Failure::Report),
        Err(_) => return Err(Failure::Refused(faults)),
    };
    let accepted = report.faults.is_empty().then_some(generation);
    if output.json {
        document.insert("dry_run".to_owned(), dry_run.into());
        document.insert("generation".to_owned(), accepted.into());
        for list in ["changes", "realms", "pending_restart", "credentials", "faults"] {
            document.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        }
        output.object(&document)?;
    } else {
        let lines = match dry_run {
            true => would_change(&report),
            false => changed(accepted, &report),
        };
        lines.iter().try_for_each(|line| output.line(line))?;
    }
    match accepted {
        Some(_) => Ok(Outcome::Yes),
        None => Err(Failure::Refused(report.faults)),
    }
}

fn object(document: &[u8]) -> Result<Map<String, Value>, Failure> {
    serde_json::from_slice(document).map_err(|_| Failure::Report)
}

fn is_older(error: &Error) -> bool {
    error.code() == Some(ErrorCode::UnknownOperation)
}

/// The lines about a reload. A file that changed a moment ago may have taken effect before anybody asked for it.
fn changed(generation: Option<u64>, report: &Report) -> Vec<String> {
    let nothing = if report.changes.is_empty() {
        ", nothing changed"
    } else {
        ""
    };
    let first = generation.map(|generation| format!("reloaded, generation {generation}{nothing}"));
    let changes = report.changes.iter().map(|change| match change.at {
        Some(at) => format!("in effect since {}: {}", time(at), change.text),
        None => change.text.clone(),
    });
    let lines = first
        .into_iter()
        .chain(changes)
        .chain(omitted(report))
        .chain(restart(report));
    lines.chain(credentials(report)).collect()
}

/// The lines about a reload that was not made.
fn would_change(report: &Report) -> Vec<String> {
    let first = match (report.changes.is_empty(), report.faults.is_empty()) {
        (true, true) => "dry run: a reload would change nothing",
        (true, false) => "dry run: a reload would fail and change nothing",
        (false, true) => "dry run: nothing was applied; a reload would mean:",
        (false, false) => "dry run: nothing was applied; a reload would fail in part, and mean:",
    };
    let mut lines = vec![first.to_owned()];
    lines.extend(report.changes.iter().map(|change| format!("- {}", change.text)));
    lines.extend(report.realms.iter().map(tokens_of));
    lines.extend(omitted(report));
    lines.extend(restart(report));
    lines.extend(credentials(report));
    lines
}

/// The files that no reload reads anew, of realms that did not change.
fn credentials(report: &Report) -> impl Iterator<Item = String> {
    let changed = |realm: &str| report.realms.iter().any(|one| one.name == realm);
    let same = report.credentials.iter().filter(move |one| !changed(&one.realm));
    same.map(|one| {
        let Credential { realm, setting, file } = one;
        format!(
            "realm {realm}: {setting} {file} is a credential, a copy that systemd makes when the service starts; if you changed the \
             original, run systemctl restart jwtkeeperd"
        )
    })
}

/// The line about what did not fit into the report.
fn omitted(report: &Report) -> Option<String> {
    (report.omitted > 0).then(|| {
        format!(
            "and {} more, which do not fit here; the log has all changes",
            report.omitted
        )
    })
}

fn tokens_of(realm: &Realm) -> String {
    let ends = match (&*realm.ends, realm.keys.join(", ")) {
        ("all", _) => "all would end".to_owned(),
        ("some", keys) if !keys.is_empty() => format!("those that the key {keys} signed would end"),
        ("some", _) => "some would end, see above".to_owned(),
        _ => "none would end".to_owned(),
    };
    let rotation = if realm.rotation_due {
        "; rotation would be due"
    } else {
        ""
    };
    format!("tokens of realm {}: {ends}{rotation}", realm.name)
}

fn restart(report: &Report) -> Option<String> {
    let settings = report.pending_restart.join(", ");
    (!settings.is_empty())
        .then(|| format!("restart pending: the new value of {settings} takes effect after a restart of jwtkeeperd"))
}
