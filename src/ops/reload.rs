//! `reload`, with and without a report, and its dry run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jwtkeeper_wire::{Answer, ErrorCode};
use serde::Serialize;

use super::outcome::{later, plain};
use super::{Answered, Call, Dispatch};
use crate::config::{Faults, Settings};
use crate::health::cut;
use crate::ops::outcome::{Done, Outcome};
use crate::reload::{Change, Ends, Made, Reloaded, Wanted};
use crate::server::reply::{put, put_error};

/// Bytes of JSON for each list of a report: all of them fit into a frame.
const MOST: usize = 16 * 1024;

/// The report. A member is only ever added.
#[derive(Serialize)]
struct Document {
    dry_run: bool,
    changes: Vec<ReportedChange>,
    realms: Vec<ReportedRealm>,
    pending_restart: Vec<&'static str>,
    credentials: Vec<Credential>,
    faults: Vec<String>,
    /// The number of items that do not fit into the reply.
    omitted: usize,
}

/// A file that is a copy, which the service manager makes at a start: a change of its original is not seen.
#[derive(Serialize)]
struct Credential {
    realm: String,
    setting: &'static str,
    file: String,
}

#[derive(Serialize)]
struct ReportedChange {
    /// Seconds since the epoch; absent for a change that was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_this_reload: Option<bool>,
    #[serde(skip_serializing_if = "String::is_empty")]
    realm: String,
    text: String,
    ends_tokens: bool,
    revives_tokens: bool,
}

/// The tokens of a realm that the changes end.
#[derive(Default, Serialize)]
struct ReportedRealm {
    name: String,
    /// `all`, `some` or `none`.
    ends: &'static str,
    /// The keys whose tokens end, where `ends` is `some`.
    keys: Vec<String>,
    rotation_due: bool,
}

impl Dispatch {
    pub(super) fn reload(&self, call: &Call<'_>) -> Answered {
        let id = call.id;
        let context = self.context.clone();
        later(async move {
            let reloaded = context.reloads.ask(Wanted::Result).await;
            plain(|out| match reloaded {
                Some(Reloaded { generation, faults, .. }) if faults.is_empty() => {
                    put(id, Answer::Reloaded { generation }, out)
                }
                Some(Reloaded { faults, .. }) => put_error(id, ErrorCode::ReloadRefused, &shortened(&faults), out),
                None => put_unfollowed(id, out),
            })
        })
    }

    pub(super) fn reload_with_report(&self, call: &Call<'_>) -> Answered {
        let id = call.id;
        let context = self.context.clone();
        later(async move {
            let Some(reloaded) = context.reloads.ask(Wanted::Report).await else {
                return plain(|out| put_unfollowed(id, out));
            };
            let snapshot = context.live.snapshot().clone();
            let made = reloaded
                .changes
                .into_iter()
                .map(|made| (made.change.clone(), Some(made)));
            let document = Document {
                dry_run: false,
                pending_restart: snapshot.settings.pending_restart.clone(),
                ..Document::of(made.collect(), &reloaded.faults, &snapshot.settings)
            };
            report(id, reloaded.generation, &reloaded.faults, &document)
        })
    }

    pub(super) fn dry_run(&self, call: &Call<'_>) -> Answered {
        let id = call.id;
        let context = self.context.clone();
        later(async move {
            let Some(preview) = context.reloads.preview().await else {
                return plain(|out| put_unfollowed(id, out));
            };
            let changes = preview.changes.into_iter().map(|change| (change, None));
            let settings = &context.live.snapshot().settings;
            let document = Document {
                dry_run: true,
                pending_restart: preview.pending_restart,
                ..Document::of(changes.collect(), &preview.faults, settings)
            };
            report(id, preview.generation, &preview.faults, &document)
        })
    }
}

/// Faults make it a refused reload for the audit and the metrics, as with an error.
fn report(id: u64, generation: u64, faults: &Faults, document: &Document) -> Done {
    let text = serde_json::to_vec(document).unwrap_or_default(); // strings and numbers always serialise
    let answer = Answer::ReloadReport {
        generation,
        document: &text,
    };
    plain(|out| match put(id, answer, out) {
        Outcome::Done if !faults.is_empty() => Outcome::Error(ErrorCode::ReloadRefused),
        outcome => outcome,
    })
}

/// The files that systemd copied for this service (systemd.exec(5), LoadCredential=).
fn credentials(settings: &Settings) -> Vec<Credential> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty());
    let directory = directory.map_or_else(|| PathBuf::from("/run/credentials"), PathBuf::from);
    let all = settings.files_below(&directory).into_iter();
    all.map(|(realm, setting, file)| Credential {
        realm: realm.to_owned(),
        setting,
        file: file.display().to_string(),
    })
    .collect()
}

impl Document {
    /// Returns the report of changes, those that were made with their time, as far as it fits into a frame.
    fn of(changes: Vec<(Change, Option<Made>)>, faults: &Faults, settings: &Settings) -> Self {
        let mut omitted = 0;
        let realms = fitting(MOST, realms(changes.iter().map(|(change, _)| change)), &mut omitted);
        // The settings that wait for a restart are a member of their own.
        let changes = changes.into_iter().filter(|(change, _)| !change.is_restart);
        let mut changes: Vec<_> = changes.map(|(change, made)| ReportedChange::of(change, made)).collect();
        // Changes that affect tokens come first.
        changes.sort_by_key(|change| !(change.ends_tokens || change.revives_tokens));
        Self {
            dry_run: false,
            changes: fitting(MOST, changes, &mut omitted),
            realms,
            pending_restart: Vec::new(),
            credentials: fitting(MOST / 2, credentials(settings), &mut omitted),
            faults: fitting(MOST, faults.iter().map(|fault| cut(fault.to_string())), &mut omitted),
            omitted,
        }
    }
}

/// Returns the first items, in their order, that fit into so many bytes of JSON; counts the rest.
fn fitting<T: Serialize>(bytes: usize, all: impl IntoIterator<Item = T>, omitted: &mut usize) -> Vec<T> {
    let mut left = bytes;
    let fits = |item: &T| {
        let length = serde_json::to_vec(item).map_or(usize::MAX, |text| text.len() + 1);
        let fits = length <= left;
        left -= if fits { length } else { 0 };
        *omitted += usize::from(!fits);
        fits
    };
    all.into_iter().filter(fits).collect()
}

fn realms<'c>(changes: impl Iterator<Item = &'c Change>) -> Vec<ReportedRealm> {
    let mut realms: BTreeMap<&str, ReportedRealm> = BTreeMap::new();
    for change in changes.filter(|change| !change.realm.is_empty()) {
        let realm = realms.entry(&change.realm).or_insert_with(|| ReportedRealm {
            name: change.realm.clone(),
            ends: "none",
            ..ReportedRealm::default()
        });
        realm.rotation_due |= change.rotates;
        match &change.ends {
            Ends::Nothing => {}
            Ends::All => realm.ends = "all",
            ends if realm.ends != "all" => {
                realm.ends = "some";
                realm.keys.extend(match ends {
                    Ends::OfKey(key) => Some(key.clone()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    realms.into_values().collect()
}

impl ReportedChange {
    fn of(change: Change, made: Option<Made>) -> Self {
        Self {
            at: made.as_ref().map(|made| made.at.0 / 1000),
            generation: made.as_ref().map(|made| made.generation),
            by_this_reload: made.map(|made| made.by_this_reload),
            ends_tokens: change.ends_tokens(),
            revives_tokens: change.revives_tokens,
            realm: change.realm,
            text: cut(change.text),
        }
    }
}

fn put_unfollowed(id: u64, out: &mut Vec<u8>) -> Outcome {
    let text = "watching files failed; changes take effect only after a restart; see the log";
    put_error(id, ErrorCode::Internal, text, out)
}

/// As many faults as fit into a reply.
fn shortened(faults: &Faults) -> String {
    let mut text = String::new();
    for fault in faults.iter().map(|fault| cut(fault.to_string())) {
        if text.len() + fault.len() > MOST {
            text.push_str("\nand more; jwtkeeperd --check tells all");
            break;
        }
        let newline = if text.is_empty() { "" } else { "\n" };
        text.push_str(newline);
        text.push_str(&fault);
    }
    text
}
