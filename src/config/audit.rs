//! `[audit]`: what is told of what was done, and what happens where it cannot be.

use std::path::PathBuf;

use nix::unistd::{AccessFlags, access};

use super::section::Section;

/// The settings of the audit: its destination, and what happens where it cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// The destination.
    pub to: AuditTo,
    /// The fate of an operation whose line cannot be written.
    pub on_failure: OnAuditFailure,
}

/// The destination of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTo {
    /// To the end of a file, opened anew at SIGUSR1.
    File(PathBuf),
    /// To the journal.
    Journal,
}

impl AuditSettings {
    /// Returns what would keep it from being written if the daemon ran now as this user, as far as can be told without
    /// making anything. A start goes on without.
    pub fn warning(&self) -> Option<String> {
        let AuditTo::File(path) = &self.to else { return None };
        let directory = path.parent()?;
        let (place, flags) = match path.exists() {
            true => (path.as_path(), AccessFlags::R_OK | AccessFlags::W_OK),
            false => (directory, AccessFlags::W_OK | AccessFlags::X_OK),
        };
        let error = access(place, flags).err()?;
        let (file, place) = (path.display(), place.display());
        Some(format!(
            "the audit {file} could not be written by this user: {place}: {}; the daemon starts, and is not ready until it can",
            error.desc()
        ))
    }

    /// Returns the fault that only another configuration can resolve.
    pub(super) fn wrong(&self) -> Option<String> {
        match &self.to {
            AuditTo::File(path) if path.is_dir() => {
                let message = format!("audit.file {} is a directory; name a file in it", path.display());
                Some(message)
            }
            _ => None,
        }
    }
}

/// The fate of an operation whose line cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAuditFailure {
    /// It is not acknowledged.
    Refuse,
    /// It is; the log and health tell of it.
    Continue,
}

impl OnAuditFailure {
    /// The name, as configured.
    pub fn name(self) -> &'static str {
        match self {
            OnAuditFailure::Refuse => "refuse",
            OnAuditFailure::Continue => "continue",
        }
    }
}

/// The table, if it is there.
pub(super) fn read_audit(top: &Section<'_>) -> Option<AuditSettings> {
    let section = top.section("audit")?;
    let file = section.path("file");
    let to = match (section.text("to"), file) {
        (Some((to, _)), None) if to == "journal" => Some(AuditTo::Journal),
        (Some((to, place)), Some(_)) if to == "journal" => {
            section.fault(&place, "audit.file is for audit.to = \"file\"; remove one of them");
            None
        }
        (Some((to, place)), _) if to != "file" => {
            let message = format!("audit.to must be \"file\" or \"journal\", not {to:?}");
            section.fault(&place, message);
            None
        }
        (_, Some((path, _))) => Some(AuditTo::File(path)),
        (_, None) => {
            let message = "audit needs a file, such as file = \"/var/log/jwtkeeper/audit.json\", or to = \"journal\"";
            section.fault(section.place(), message);
            None
        }
    };
    let on_failure = match section.text("on_failure") {
        None => OnAuditFailure::Refuse,
        Some((text, place)) => match text.as_str() {
            "refuse" => OnAuditFailure::Refuse,
            "continue" => OnAuditFailure::Continue,
            _ => {
                let message = format!("audit.on_failure must be \"refuse\" or \"continue\", not {text:?}");
                section.fault(&place, message);
                OnAuditFailure::Refuse
            }
        },
    };
    section.finish();
    to.map(|to| AuditSettings { to, on_failure })
}
