//! `reload`, with and without a report, and its dry run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jwtkeeper_wire::{Answer, ErrorCode};
use serde::Serialize;

use super::outcome::{later, plain};
use super::{Answered, Call, Dispatch};
use crate::config::{Faults, Settings};
use crate::health::up_to;
use crate::ops::outcome::{Done, Outcome};
use crate::reload::{Change, Ends, Made, Preview, Reloaded};
use crate::server::reply::{put, put_error};

/// Bytes of each list of a report at most: all of them fit into a frame.
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
    /// The number of changes and realms that do not fit into the reply.
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
            let reloaded = context.reloads.ask().await;
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
            match context.reloads.ask().await {
                Some(Reloaded {
                    generation,
                    faults,
                    changes,
                }) => {
                    let pending_restart = context.live.snapshot().settings.pending_restart.clone();
                    let credentials = credentials(&context.live.snapshot().settings);
                    report(
                        id,
                        generation,
                        &document(false, pending_restart, credentials, &faults, changes),
                    )
                }
                None => plain(|out| put_unfollowed(id, out)),
            }
        })
    }

    pub(super) fn dry_run(&self, call: &Call<'_>) -> Answered {
        let id = call.id;
        let context = self.context.clone();
        later(async move {
            match context.reloads.preview().await {
                Some(Preview {
                    generation,
                    changes,
                    faults,
                    pending_restart,
                }) => {
                    let credentials = credentials(&context.live.snapshot().settings);
                    report(
                        id,
                        generation,
                        &document(true, pending_restart, credentials, &faults, changes),
                    )
                }
                None => plain(|out| put_unfollowed(id, out)),
            }
        })
    }
}

/// Faults make it a refused reload for the audit and the metrics, as with an error.
fn report(id: u64, generation: u64, document: &Document) -> Done {
    let text = serde_json::to_vec(document).unwrap_or_default(); // strings and numbers always serialise
    let answer = Answer::ReloadReport {
        generation,
        document: &text,
    };
    plain(|out| match put(id, answer, out) {
        Outcome::Done if !document.faults.is_empty() => Outcome::Error(ErrorCode::ReloadRefused),
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

fn document<C>(
    dry_run: bool,
    pending_restart: Vec<&'static str>,
    credentials: Vec<Credential>,
    faults: &Faults,
    changes: Vec<C>,
) -> Document
where
    C: Into<ReportedChange> + AsRef<Change>,
{
    let realms = realms(changes.iter().map(AsRef::as_ref));
    // The settings that wait for a restart are a member of their own.
    let changes = changes.into_iter().filter(|change| !change.as_ref().is_restart);
    let mut changes: Vec<ReportedChange> = changes.map(Into::into).collect();
    changes.sort_by_key(|change| !(change.ends_tokens || change.revives_tokens)); // what matters most fits first
    let all = changes.len() + realms.len();
    let changes = up_to(MOST, changes, |change| change.text.len() + change.realm.len() + 160);
    let realms = up_to(MOST, realms, |realm| {
        realm.name.len() + realm.keys.iter().map(|key| key.len() + 3).sum::<usize>() + 64
    });
    Document {
        dry_run,
        omitted: all - changes.len() - realms.len(),
        changes,
        realms,
        pending_restart,
        credentials: up_to(MOST / 2, credentials, |one| one.realm.len() + one.file.len() + 64),
        faults: up_to(MOST, faults.iter().map(ToString::to_string), |fault| fault.len() + 8),
    }
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

impl From<Change> for ReportedChange {
    fn from(change: Change) -> Self {
        Self {
            at: None,
            generation: None,
            by_this_reload: None,
            ends_tokens: change.ends_tokens(),
            revives_tokens: change.revives_tokens,
            realm: change.realm,
            text: change.text,
        }
    }
}

impl From<Made> for ReportedChange {
    fn from(made: Made) -> Self {
        Self {
            at: Some(made.at.0 / 1000),
            generation: Some(made.generation),
            by_this_reload: Some(made.by_this_reload),
            ..made.change.into()
        }
    }
}

impl AsRef<Change> for Change {
    fn as_ref(&self) -> &Change {
        self
    }
}

impl AsRef<Change> for Made {
    fn as_ref(&self) -> &Change {
        &self.change
    }
}

fn put_unfollowed(id: u64, out: &mut Vec<u8>) -> Outcome {
    let text = "watching files failed; changes take effect only after a restart; see the log";
    put_error(id, ErrorCode::Internal, text, out)
}

/// As many faults as fit into a reply.
fn shortened(faults: &Faults) -> String {
    let mut text = String::new();
    for fault in faults.iter().map(ToString::to_string) {
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
