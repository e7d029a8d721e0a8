//! The messages around the operations: greetings, requests, replies, tokens. Variants are only ever appended and
//! structs never change. Strings and byte strings borrow from the frame they were read from.

use serde::{Deserialize, Serialize};

use crate::codes::ErrorCode;
use crate::operation::{Answer, Op};

/// The first bytes of every conversation.
pub const MAGIC: [u8; 8] = *b"jwtkeep\0";

/// The protocol spoken here.
pub const PROTOCOL: u16 = 1;

/// An extension of a greeting: a number and its bytes. Unknown numbers are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension<'a> {
    /// The kind.
    pub kind: u16,
    /// The value.
    #[serde(borrow, with = "serde_bytes")]
    pub value: &'a [u8],
}

/// The extension about a realm's lock cookie. In a [`Hello`] its value is a realm's name in UTF-8, empty for `default`;
/// in a [`Welcome`] it is a [`RealmCookie`].
pub const EXTENSION_LOCK_COOKIE: u16 = 1;

/// The most realms that the daemon takes from one [`Hello`]; it passes over the rest.
pub const MAX_NAMED_REALMS: usize = 64;

/// The lock cookie of a realm that the hello named. The daemon leaves out a realm that it does not have, or that the
/// peer may do nothing in. It ends the connection, without an answer, once a request comes after these have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealmCookie<'a> {
    /// The realm, as the hello named it.
    pub realm: &'a str,
    /// The cookie's name.
    pub name: &'a str,
    /// The `Domain` attribute.
    pub domain: Option<&'a str>,
    /// The `Path` attribute.
    pub path: Option<&'a str>,
    /// The `Secure` attribute.
    pub secure: bool,
    /// The `HttpOnly` attribute.
    pub http_only: bool,
    /// `strict`, `lax` or `none`.
    pub same_site: &'a str,
}

/// The first frame, from the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// [`MAGIC`]; anything else ends the connection at once.
    pub magic: [u8; 8],
    /// The highest protocol that the client speaks.
    pub protocol: u16,
    /// The client's name and version, for the daemon's log. No secret belongs here.
    pub client: &'a str,
    /// Further questions of the client: see [`EXTENSION_LOCK_COOKIE`].
    #[serde(borrow)]
    pub extensions: Vec<Extension<'a>>,
}

/// The daemon's answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting<'a> {
    /// Requests may follow.
    #[serde(borrow)]
    Welcome(Welcome<'a>),
    /// The connection is refused and closed.
    Refused {
        /// Why.
        code: ErrorCode,
        /// For people.
        message: &'a str,
    },
}

/// The daemon's part of a greeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome<'a> {
    /// The protocol that both sides speak from here on.
    pub protocol: u16,
    /// The daemon's name and version.
    pub server: &'a str,
    /// Another number in each life of the daemon.
    pub instance: [u8; 16],
    /// The generation of the snapshot in effect.
    pub generation: u64,
    /// The daemon's limits.
    pub limits: Limits,
    /// The daemon's answers to those of the hello.
    #[serde(borrow)]
    pub extensions: Vec<Extension<'a>>,
}

/// The daemon's limits for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest message, in bytes.
    pub max_frame: u32,
    /// The number of requests that may wait for their replies; more are not read until some are answered.
    pub max_in_flight: u32,
}

/// A request. `id` is the client's and comes back in the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// Any number but 0 that no other request in flight on this connection has. A reply with the id 0 is an error
    /// about the connection, or about a request whose id could not be read.
    pub id: u64,
    /// The operation.
    #[serde(borrow)]
    pub op: Op<'a>,
}

/// A reply to the request with this `id`. Replies come in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply<'a> {
    /// The request's.
    pub id: u64,
    /// The answer.
    #[serde(borrow)]
    pub answer: Answer<'a>,
}

/// A token, new or a successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted<'a> {
    /// Compact serialization.
    pub token: &'a str,
    /// The `jti`.
    pub jti: &'a str,
    /// The `exp`, in seconds since the epoch.
    pub expires_at: u64,
    /// The claims, a JSON object.
    #[serde(with = "serde_bytes")]
    pub claims: &'a [u8],
    /// The lock cookie to set beside it, where the realm locks.
    pub cookie: Option<Cookie<'a>>,
}

/// The lock cookie, in parts and ready made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie<'a> {
    /// The name.
    pub name: &'a str,
    /// The cookie secret, or `new.old`.
    pub value: &'a str,
    /// In seconds since the epoch: the token's `exp`.
    pub expires_at: u64,
    /// The `Domain` attribute.
    pub domain: Option<&'a str>,
    /// The `Path` attribute.
    pub path: Option<&'a str>,
    /// The `Secure` attribute.
    pub secure: bool,
    /// The `HttpOnly` attribute.
    pub http_only: bool,
    /// `strict`, `lax` or `none`.
    pub same_site: &'a str,
    /// The value of a Set-Cookie header (RFC 6265).
    pub set_cookie: &'a str,
}

/// The id and the operation's tag of a request, read before the rest, so that even a request that cannot be
/// decoded is answered by name. `None` when the bytes end before.
pub fn peek_request(body: &[u8]) -> Option<(u64, u32)> {
    let (id, rest) = body.split_first_chunk::<8>()?;
    let tag = rest.first_chunk::<4>()?;
    Some((u64::from_le_bytes(*id), u32::from_le_bytes(*tag)))
}
