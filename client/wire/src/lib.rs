//! The wire of jwtkeeperd: messages, their byte layout, frames, and every code that travels.
//!
//! No I/O, no runtime, no clock. docs/protocol.md says the same for other languages.

mod codec;
mod codes;
mod frame;
mod message;
mod operation;

pub use codec::{DecodeError, EncodeError, decode, encode};
pub use codes::{Cause, ClientCode, CodeRow, ErrorCode, Reason, State};
pub use frame::{FrameError, LENGTH_BYTES, MAX_FRAME, frame_length, put_frame};
pub use message::{
    Cookie, EXTENSION_LOCK_COOKIE, Extension, Greeting, Hello, Limits, MAGIC, MAX_NAMED_REALMS, Minted, PROTOCOL,
    RealmCookie, Reply, Request, Welcome, peek_request,
};
pub use operation::{
    Answer, Before, Cost, FlagTarget, OP_COUNT, OPERATION_COUNT, OPERATIONS, Op, OperationRow, RevokeTarget, Right,
    UNKNOWN_OPERATION,
};

/// The default path of the daemon's socket.
pub const DEFAULT_SOCKET: &str = "/run/jwtkeeper/jwtkeeper.sock";

/// The longest token that any realm takes, in bytes: the bound of `max_token`.
pub const MAX_TOKEN: usize = 32 * 1024;

/// The realm of a request that names none.
pub const DEFAULT_REALM: &str = "default";
