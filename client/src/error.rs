//! Why a call has no answer. Callers ask questions ([`Error::is_unreachable`] and its like) instead of taking it
//! apart. No text here holds a token, a cookie secret or claims.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs, io};

use jwtkeeper_wire::{ClientCode, ErrorCode};
use nix::unistd::{Gid, Group};

/// Why a call has no answer. It says nothing of the token that was asked about.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error {
    repr: Box<Repr>,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No daemon answers at the socket, or the connection broke each time.
    Unreachable,
    /// The deadline passed.
    Timeout,
    /// The daemon is there and cannot answer now: its store, a limit, or it is stopping.
    Unavailable,
    /// The peer may not do this: by the daemon's rules, or by the modes of the socket's path.
    NotPermitted,
    /// The request is wrong, and would be wrong again.
    BadRequest,
    /// The reload was refused: the files are not right.
    ReloadRefused,
    /// The other end does not keep to the protocol, or is not the daemon that it should be.
    Protocol,
    /// A fault of the daemon, or a code that this build does not know.
    Internal,
}

#[derive(Debug, thiserror::Error)]
enum Repr {
    #[error("no jwtkeeperd answers at {}: {source}", socket.display())]
    Unreachable { socket: PathBuf, source: io::Error },
    #[error("the socket {} may not be opened: permission denied; {}", socket.display(), how_to_open(socket))]
    Forbidden { socket: PathBuf },
    #[error("jwtkeeperd did not answer within {after:?}")]
    Timeout { after: Duration },
    #[error("{code}: {message}")]
    Daemon { code: ErrorCode, message: Message },
    #[error("the request takes {length} bytes, where the daemon takes {limit}; send fewer claims")]
    TooLarge { length: usize, limit: usize },
    #[error("JWTKEEPER_SERVER_UID is neither a uid nor `any`; correct it, or unset it")]
    Environment,
    #[error("the peer at {} does not keep to the protocol: {fault}", socket.display())]
    Protocol { socket: PathBuf, fault: Fault },
}

/// Advice for a socket that may not be opened: the group that may open it, if there is one that an app can join.
fn how_to_open(socket: &Path) -> String {
    let found = fs::metadata(socket).or_else(|error| socket.parent().map_or(Err(error), fs::metadata));
    let Ok(found) = found else {
        return "see the modes of the socket's directories".to_owned();
    };
    // A directory is entered, a socket is written to.
    let needed = if found.is_dir() { 0o010 } else { 0o020 };
    if found.gid() == 0 || found.mode() & needed == 0 {
        let (mode, uid, gid) = (found.mode() & 0o7777, found.uid(), found.gid());
        return format!("mode {mode:04o}, uid {uid} and gid {gid} keep this user out");
    }
    let group = Group::from_gid(Gid::from_raw(found.gid())).ok().flatten();
    let group = group.map_or_else(|| found.gid().to_string(), |group| group.name);
    format!("add the user to the group {group} and start a new session, or restart the app")
}

/// A violation of the protocol by the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("its frame is longer than the limit")]
    FrameTooLarge,
    #[error("its bytes are no greeting")]
    Greeting,
    #[error("it greets with a protocol that was not offered")]
    Version,
    #[error("its bytes are no reply")]
    Malformed,
    #[error("it answers what was not asked")]
    UnknownId,
    #[error("its answer does not belong to the operation")]
    WrongAnswer,
    #[error("it refused the connection's bytes: {0}")]
    Connection(ErrorCode),
    #[error("it runs as uid {found}, and {expected} is expected")]
    WrongUid { found: u32, expected: u32 },
    #[error(
        "it runs as uid {found}, which is neither root nor this process's user nor the owner of the socket's directory; if it is \
         jwtkeeperd, set server_uid or JWTKEEPER_SERVER_UID to {found}"
    )]
    Untrusted { found: u32 },
    #[error("JWTKEEPER_SERVER_UID is neither a uid nor `any`")]
    ServerUid,
}

impl Fault {
    /// Returns true if another attempt would fail alike.
    pub(crate) fn is_final(self) -> bool {
        matches!(
            self,
            Fault::WrongUid { .. } | Fault::Untrusted { .. } | Fault::ServerUid
        )
    }
}

/// A text from the daemon, made fit for a log, whoever sent it: as one line, or line by line.
#[derive(Debug)]
pub(crate) struct Message(String);

impl Message {
    const LIMIT: usize = 1024;
    /// Of a refused reload, which has a line for each fault.
    const LINES_LIMIT: usize = 16 * 1024;

    pub(crate) fn new(text: &str) -> Self {
        let fit = |c: char| if c.is_control() { ' ' } else { c };
        Self(text.chars().take(Self::LIMIT).map(fit).collect())
    }

    fn lines(text: &str) -> Self {
        let fit = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        Self(text.chars().take(Self::LINES_LIMIT).map(fit).collect())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace('\n', " "))
    }
}

impl Error {
    fn new(repr: Repr) -> Self {
        Self { repr: Box::new(repr) }
    }

    pub(crate) fn unreachable(socket: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::new(Repr::Forbidden { socket }),
            _ => Self::new(Repr::Unreachable { socket, source }),
        }
    }

    pub(crate) fn timeout(after: Duration) -> Self {
        Self::new(Repr::Timeout { after })
    }

    pub(crate) fn daemon(code: ErrorCode, message: &str) -> Self {
        let message = match (message, code.row()) {
            ("", Some(row)) => Message::new(row.meaning),
            _ if code == ErrorCode::ReloadRefused => Message::lines(message),
            _ => Message::new(message),
        };
        Self::new(Repr::Daemon { code, message })
    }

    pub(crate) fn too_large(length: usize, limit: usize) -> Self {
        Self::new(Repr::TooLarge { length, limit })
    }

    pub(crate) fn protocol(socket: PathBuf, fault: Fault) -> Self {
        match fault {
            Fault::ServerUid => Self::new(Repr::Environment),
            _ => Self::new(Repr::Protocol { socket, fault }),
        }
    }

    /// Returns the daemon's message, line by line: a refused reload has a line for each fault. Empty for other errors.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let message = match &*self.repr {
            Repr::Daemon { message, .. } => &*message.0,
            _ => "",
        };
        message.lines()
    }

    /// Returns the kind of error.
    pub fn kind(&self) -> ErrorKind {
        match &*self.repr {
            Repr::Unreachable { .. } => ErrorKind::Unreachable,
            Repr::Forbidden { .. } => ErrorKind::NotPermitted,
            Repr::Timeout { .. } => ErrorKind::Timeout,
            Repr::TooLarge { .. } | Repr::Environment => ErrorKind::BadRequest,
            Repr::Protocol { .. } => ErrorKind::Protocol,
            Repr::Daemon { code, .. } => match code {
                ErrorCode::NotPermitted => ErrorKind::NotPermitted,
                ErrorCode::Unavailable | ErrorCode::Overloaded | ErrorCode::ShuttingDown | ErrorCode::ClockBehind => {
                    ErrorKind::Unavailable
                }
                ErrorCode::ReloadRefused => ErrorKind::ReloadRefused,
                _ if (200..300).contains(&code.code()) => ErrorKind::BadRequest,
                _ if (100..200).contains(&code.code()) => ErrorKind::Protocol,
                _ => ErrorKind::Internal,
            },
        }
    }

    /// No daemon answers at the socket. Never means that a token is invalid.
    pub fn is_unreachable(&self) -> bool {
        self.kind() == ErrorKind::Unreachable
    }

    /// The deadline passed. Whether the daemon did what was asked is not known.
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::Timeout
    }

    /// The daemon is there and cannot answer now.
    pub fn is_unavailable(&self) -> bool {
        self.kind() == ErrorKind::Unavailable
    }

    /// The peer may not do this.
    pub fn is_not_permitted(&self) -> bool {
        self.kind() == ErrorKind::NotPermitted
    }

    /// Another try may well be answered: nothing is wrong but that the daemon cannot be reached, or cannot answer now.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Unavailable
        )
    }

    /// Returns the number in the one table of codes: the daemon's own code, or the client's (3xx).
    pub fn number(&self) -> u16 {
        let own = match (&*self.repr, self.code()) {
            (_, Some(code)) => return code.code(),
            (Repr::Forbidden { .. }, _) => ClientCode::SocketForbidden,
            (Repr::Environment, _) => ClientCode::BadArgument,
            (Repr::Unreachable { .. }, _) => ClientCode::Unreachable,
            (Repr::Timeout { .. }, _) => ClientCode::Timeout,
            (Repr::TooLarge { .. }, _) => ClientCode::RequestTooLarge,
            (Repr::Protocol { .. } | Repr::Daemon { .. }, _) => ClientCode::Protocol,
        };
        own.code()
    }

    /// The daemon's own code; `None` when the error arose on this side.
    pub fn code(&self) -> Option<ErrorCode> {
        match &*self.repr {
            Repr::Daemon { code, .. } => Some(*code),
            Repr::Protocol {
                fault: Fault::Connection(code),
                ..
            } => Some(*code),
            _ => None,
        }
    }
}
