//! The destination of lines: the end of a file, whole or not at all, or the journal.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::config::{AuditSettings, AuditTo};

/// The journal's own protocol (systemd.io, JOURNAL_NATIVE_PROTOCOL).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// A destination that cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{place} cannot be opened: {error}; make it writable for the daemon, or set [audit] otherwise")]
pub struct SinkError {
    place: String,
    error: io::Error,
}

impl SinkError {
    /// Returns true if neither time nor room will resolve it: the configuration is wrong.
    pub(super) fn is_for_good(&self) -> bool {
        use io::ErrorKind::{InvalidFilename, IsADirectory, NotADirectory};
        matches!(self.error.kind(), IsADirectory | NotADirectory | InvalidFilename)
    }
}

/// The destination of lines.
pub(super) struct Sink {
    to: AuditTo,
    /// As long as there is none: why.
    open: Result<Open, String>,
}

enum Open {
    File(File),
    Journal(UnixDatagram),
}

impl Sink {
    /// One that is to be opened.
    pub(super) fn closed(settings: &AuditSettings) -> Self {
        let (to, open) = (settings.to.clone(), Err("it is not open".to_owned()));
        Self { to, open }
    }

    /// Opens it, or opens it anew; where that fails the old one, if there is one, stays in use.
    pub(super) fn reopen(&mut self) -> Result<(), SinkError> {
        let (place, opened) = match &self.to {
            AuditTo::File(path) => (path.display().to_string(), append(path).map(Open::File)),
            AuditTo::Journal => ("the journal".to_owned(), journal().map(Open::Journal)),
        };
        let opened = opened.map_err(|error| SinkError { place, error });
        match opened {
            Ok(opened) => self.open = Ok(opened),
            Err(error) => {
                if let Err(why) = &mut self.open {
                    *why = error.to_string();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes lines; an error says why they are not written.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), String> {
        let open = self.open.as_mut().map_err(|why| why.clone())?;
        open.write(lines).map_err(|error| error.to_string())?;
        if !open.is_removed() {
            return Ok(());
        }
        // Nobody will read what was written there.
        self.reopen().map_err(|error| error.to_string())?;
        tracing::warn!("the audit file was removed with its lines; created a new one");
        let open = self.open.as_mut().map_err(|why| why.clone())?;
        open.write(lines).map_err(|error| error.to_string())
    }
}

impl Open {
    /// Returns true if it is a file without a name: one that was renamed has one, and logrotate's signal follows.
    fn is_removed(&self) -> bool {
        match self {
            Open::File(file) => file.metadata().is_ok_and(|found| found.nlink() == 0),
            Open::Journal(_) => false,
        }
    }

    /// Writes lines: to a file all of them or none; to the journal until one fails.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Open::File(file) => {
                let before = file.metadata()?.len();
                file.write_all(lines).inspect_err(|_| {
                    // Half a line would spoil the next one. Where not even that can be done, the next begins anew.
                    if file.set_len(before).is_err() {
                        let _ = file.write_all(b"\n");
                    }
                })
            }
            Open::Journal(socket) => {
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
