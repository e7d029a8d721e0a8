//! Health at a summary: one headline, then what is wrong and what to do about it, then what is in effect. Empty parts are
//! left out, and so is what the daemon does not tell.

use jwtkeeper_client::Health;
use serde_json::Value;

use crate::document::{Document, Key, Realm};
use crate::paint::{Line, Paint, Part, columns};
use crate::times::{span, when};

/// All lines, the headline first.
pub(crate) fn health(health: &Health, now: u64) -> Vec<Line> {
    let document = Document::of(health);
    let mut lines = vec![headline(health, &document)];
    lines.extend(texts("faults", Paint::Bad, &document.faults));
    lines.extend(texts("warnings", Paint::Odd, &document.warnings));
    lines.extend(columns(0, &facts(&document)));
    lines.extend(realms(&document));
    lines.extend(changes(&document, now));
    lines
}

/// `ready` stands before the first comma: scripts cut it there.
pub(crate) fn headline(health: &Health, document: &Document) -> Line {
    let state = match health.ready {
        true => Paint::Good.on("ready"),
        false => Paint::Bad.on("NOT READY"),
    };
    let mut line = Line::new()
        .with(state)
        .with(format!(", generation {}", health.generation));
    if let Some(seconds) = document.uptime_seconds {
        line = line.with(format!(", up {}", span(seconds)));
    }
    if let Some(version) = &document.version {
        line = line.with(format!(", jwtkeeperd {version}"));
    }
    for (count, one, many) in [
        (document.faults.len(), "fault", "faults"),
        (document.warnings.len(), "warning", "warnings"),
    ] {
        if count > 0 {
            line = line.with(format!(", {count} {}", if count == 1 { one } else { many }));
        }
    }
    line
}

/// A heading, and a line for each.
pub(crate) fn texts(heading: &str, paint: Paint, texts: &[String]) -> Vec<Line> {
    if texts.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new().with(paint.on(heading))];
    lines.extend(texts.iter().map(|text| {
        // A text of several lines is one all the same.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Line::new().with(paint.on("  - ")).with(text)
    }));
    lines
}

/// The store, and how files are seen to change.
fn facts(document: &Document) -> Vec<Vec<Part>> {
    let store = &document.store;
    let mut said: Vec<String> = store.kind.iter().cloned().collect();
    let counted = [
        (store.entries, "entries"),
        (store.changes, "changes"),
        (store.commits, "commits"),
        (store.pending, "pending for Redis"),
        (store.repaired, "repaired"),
        (store.unknown, "unknown"),
    ];
    said.extend(
        counted
            .iter()
            .filter_map(|(count, what)| count.map(|count| format!("{count} {what}"))),
    );
    match (store.age_ms, store.kind.as_deref()) {
        (Some(ms), _) => said.push(format!("as Redis said it {ms} ms ago")),
        (None, Some("redis")) => said.push("never read whole yet".to_owned()),
        _ => {}
    }
    let reload = &document.reload;
    let watch = reload.watch.as_deref().map(|watch| format!("watched by {watch}"));
    let reloads = reload.reloads.map(|count| format!("{count} reloads asked for"));
    let files: Vec<String> = watch.into_iter().chain(reloads).collect();
    let reuses = document
        .reuses
        .map(|count| format!("{count} rotated tokens presented after their grace"));
    [
        ("store", said),
        ("files", files),
        ("reuses", reuses.into_iter().collect()),
    ]
    .into_iter()
    .filter(|(_, said)| !said.is_empty())
    .map(|(name, said)| vec![Paint::Bold.on(name), said.join(", ").into()])
    .collect()
}

/// A table of realms and their keys.
pub(crate) fn realms(document: &Document) -> Vec<Line> {
    if document.realms.is_empty() {
        return Vec::new();
    }
    let counts = document.realms.iter().any(|realm| realm.issued.is_some());
    let mut names = vec!["realm", "generation", "version"];
    names.extend(counts.then_some("issued"));
    names.extend(["key", "algorithm", "fingerprint"]);
    let mut rows = vec![names.into_iter().map(|name| Paint::Bold.on(name)).collect()];
    for realm in &document.realms {
        rows.extend(rows_of(realm, counts));
    }
    let mut lines = columns(0, &rows);
    if document.realms_left_out > 0 {
        let left_out = format!("and {} realms that there was no room for", document.realms_left_out);
        lines.push(Line::new().with(left_out));
    }
    lines
}

/// A realm's keys, one in a row; the realm stands beside the first.
fn rows_of(realm: &Realm, counts: bool) -> Vec<Vec<Part>> {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let mut head: Vec<Part> = vec![
        realm.name.as_str().into(),
        number(realm.generation).into(),
        version(&realm.version).into(),
    ];
    head.extend(counts.then(|| number(realm.issued).into()));
    let none = Key {
        role: "no key".to_owned(),
        ..Key::default()
    };
    let keys = if realm.keys.is_empty() {
        std::slice::from_ref(&none)
    } else {
        &realm.keys
    };
    let row = |(at, key): (usize, &Key)| {
        let beside = |part: &Part| if at == 0 { part.clone() } else { "".into() };
        let mut row: Vec<Part> = head.iter().map(beside).collect();
        let paint = if key.role == "current" {
            Paint::Plain
        } else {
            Paint::Dim
        };
        row.extend([
            paint.on(&*key.role),
            paint.on(&*key.algorithm),
            paint.on(&*key.fingerprint),
        ]);
        row
    };
    keys.iter().enumerate().map(row).collect()
}

/// Returns `ver` as it is minted: a string in quotes, since `7` and `"7"` are not the same.
fn version(version: &Value) -> String {
    match version {
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// The last changes, the latest first.
fn changes(document: &Document, now: u64) -> Vec<Line> {
    let changes = &document.reload.changes;
    if changes.is_empty() {
        return Vec::new();
    }
    let row = |change: &crate::document::Change| -> Vec<Part> {
        vec![
            when(change.at, now).into(),
            format!("generation {}", change.generation).into(),
            change.text.as_str().into(),
        ]
    };
    let rows: Vec<_> = changes.iter().rev().map(row).collect();
    let mut lines = vec![Line::new().with(Paint::Bold.on("last changes"))];
    lines.extend(columns(2, &rows));
    lines
}
