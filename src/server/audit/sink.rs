//! Where lines go: the end of a file, whole or not at all, or the journal.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::config::{AuditSettings, AuditTo};

/// The journal's own protocol (systemd.io, JOURNAL_NATIVE_PROTOCOL).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// What cannot be written to, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the audit to {place}: {error}; make it writable for the daemon, or set [audit] otherwise")]
pub struct SinkError {
    pub(super) place: String,
    pub(super) error: io::Error,
}

/// Where lines go.
pub(super) enum Sink {
    File { path: PathBuf, file: File },
    Journal(UnixDatagram),
}

impl Sink {
    pub(super) fn open(settings: &AuditSettings) -> Result<Self, SinkError> {
        match &settings.to {
            AuditTo::File(path) => {
                let failed = |error| SinkError {
                    place: path.display().to_string(),
                    error,
                };
                let (path, file) = (path.clone(), append(path).map_err(failed)?);
                Ok(Sink::File { path, file })
            }
            AuditTo::Journal => journal().map(Sink::Journal).map_err(|error| SinkError {
                place: "the journal".to_owned(),
                error,
            }),
        }
    }

    /// Opens the file anew; where that fails the old one stays in use.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        match self {
            Sink::File { path, file } => *file = append(path)?,
            Sink::Journal(socket) => *socket = journal()?,
        }
        Ok(())
    }

    /// Writes lines: to a file all of them or none; to the journal until one fails.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Sink::File { file, .. } => {
                let before = file.metadata()?.len();
                file.write_all(lines).inspect_err(|_| {
                    // Half a line would spoil the next one. Where not even that can be done, the next begins anew.
                    if file.set_len(before).is_err() {
                        let _ = file.write_all(b"\n");
                    }
                })
            }
            Sink::Journal(socket) => {
                for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let mut message = b"SYSLOG_IDENTIFIER=jwtkeeperd-audit\nPRIORITY=5\nMESSAGE=".to_vec();
                    message.extend_from_slice(line); // JSON: no newline in it
                    message.push(b'\n');
                    socket.send(&message)?;
                }
                Ok(())
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    let end = file.metadata()?.len();
    let mut last = [b'\n'];
    if end > 0 && file.read_at(&mut last, end - 1)? == 1 && last != *b"\n" {
        file.write_all(b"\n")?; // whoever wrote there was killed within a line
    }
    Ok(file)
}

fn journal() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(JOURNAL)?;
    Ok(socket)
}
