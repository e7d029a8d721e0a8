//! The messages. Variants are only ever appended and structs never change: an operation that needs
//! more gets a new variant. Strings and byte strings borrow from the frame they were read from.

use serde::{Deserialize, Serialize};

use crate::codes::{Cause, ErrorCode, Reason, State};

/// The first bytes of every conversation.
pub const MAGIC: [u8; 8] = *b"jwtkeep\0";

/// The protocol spoken here.
pub const PROTOCOL: u16 = 1;

/// An extension of a greeting: a number and its bytes. Unknown numbers are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension<'a> {
    /// What it is.
    pub kind: u16,
    /// What it says.
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

/// What a client needs to know of the daemon that it reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome<'a> {
    /// The protocol that both sides speak from here on.
    pub protocol: u16,
    /// The daemon's name and version.
    pub server: &'a str,
    /// Another number in each life of the daemon.
    pub instance: [u8; 16],
    /// The generation of the snapshot in force.
    pub generation: u64,
    /// What the daemon takes.
    pub limits: Limits,
    /// The daemon's answers to those of the hello.
    #[serde(borrow)]
    pub extensions: Vec<Extension<'a>>,
}

/// What the daemon takes from one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest message, in bytes.
    pub max_frame: u32,
    /// How many requests may wait for their replies; more are not read until some are answered.
    pub max_in_flight: u32,
}

/// A request. `id` is the client's and comes back in the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// Any number but 0 that no other request in flight on this connection has. A reply with the id 0 is an error
    /// about the connection, or about a request whose id could not be read.
    pub id: u64,
    /// What is asked.
    #[serde(borrow)]
    pub op: Op<'a>,
}

/// A reply to the request with this `id`. Replies come in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply<'a> {
    /// The request's.
    pub id: u64,
    /// What is answered.
    #[serde(borrow)]
    pub answer: Answer<'a>,
}

/// The operations. An empty `realm` means `default`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op<'a> {
    /// Answered by [`Answer::Pong`].
    Ping,
    /// Mint a token. Answered by [`Answer::Issued`].
    Issue {
        /// The realm whose policy and key mint it.
        realm: &'a str,
        /// A JSON object; empty for none.
        #[serde(borrow, with = "serde_bytes")]
        claims: &'a [u8],
        /// How long it lives, in seconds; the realm's `expiry` without.
        ttl: Option<u64>,
    },
    /// Is this token valid now? Answered by [`Answer::Valid`] or [`Answer::Invalid`].
    Validate {
        /// The realm that it should be of.
        realm: &'a str,
        /// Compact serialization.
        #[serde(borrow, with = "serde_bytes")]
        token: &'a [u8],
        /// The value of the lock cookie, where one came along.
        cookie: Option<&'a str>,
    },
    /// Replace a valid token by its one successor. Answered by [`Answer::Rotated`] or [`Answer::Invalid`].
    Rotate {
        /// The realm that it should be of.
        realm: &'a str,
        /// Compact serialization.
        #[serde(borrow, with = "serde_bytes")]
        token: &'a [u8],
        /// The value of the lock cookie, where one came along.
        cookie: Option<&'a str>,
        /// New private claims, a JSON object (needs the right `rotate_claims`); the old ones without.
        claims: Option<&'a serde_bytes::Bytes>,
    },
    /// Make rotation due on next sight. Answered by [`Answer::Done`].
    Flag {
        /// The realm.
        realm: &'a str,
        /// Of what.
        target: FlagTarget<'a>,
    },
    /// Revoke. Answered by [`Answer::Done`] once it is stored durably, or by [`Answer::Invalid`] for a token that
    /// is not of this realm.
    Revoke {
        /// The realm.
        realm: &'a str,
        /// What.
        #[serde(borrow)]
        target: RevokeTarget<'a>,
    },
    /// What the denylist says of a jti. Answered by [`Answer::Status`].
    Status {
        /// The realm.
        realm: &'a str,
        /// The token's `jti`.
        jti: &'a str,
    },
    /// The realm's public keys. Answered by [`Answer::Jwks`].
    Jwks {
        /// The realm.
        realm: &'a str,
    },
    /// How the daemon is. Answered by [`Answer::Health`].
    Health,
    /// Read all files again. Answered by [`Answer::Reloaded`], or an error that says which file and line are wrong.
    Reload,
    /// Bring this host's store and the one that it shares level: what either lacks is put into it. Answered by
    /// [`Answer::Imported`].
    Import,
    /// Reads all files again and reports what that changed, or only reports what it would change. Answered by
    /// [`Answer::ReloadReport`], also where files are wrong. Needs the right of [`Op::Reload`].
    ReloadReport {
        /// Nothing is applied.
        dry_run: bool,
    },
}

/// How many operations there are: tags from here on are unknown.
pub const OP_COUNT: u32 = 12;

/// What to flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlagTarget<'a> {
    /// One token.
    Jti(&'a str),
    /// Every token of a subject born by a time.
    Subject {
        /// The subject, as text.
        subject: &'a str,
        /// The time.
        before: Before,
    },
}

/// What to revoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevokeTarget<'a> {
    /// A token in hand, and its session.
    Token {
        /// Compact serialization.
        #[serde(borrow, with = "serde_bytes")]
        token: &'a [u8],
        /// The value of the lock cookie, where one came along.
        cookie: Option<&'a str>,
    },
    /// A token by its `jti`, the session that it began, and the successor that it leads to.
    Jti(&'a str),
    /// All tokens of a session.
    Session(&'a str),
    /// Every login of a subject begun by a time.
    Subject {
        /// The subject, as text.
        subject: &'a str,
        /// The time.
        before: Before,
    },
    /// Every login of the realm begun by a time.
    IssuedBefore(Before),
}

/// A moment that a cutoff holds up to, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Before {
    /// Milliseconds since 1970-01-01T00:00:00Z; refused when in the future.
    At(u64),
    /// The moment of the asking. A retry says when it asked first (milliseconds), and means that moment.
    Now {
        /// `None` the first time.
        first_asked: Option<u64>,
    },
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// Could not answer, and why.
    Error {
        /// The code.
        code: ErrorCode,
        /// For people: what is wrong and what to do. Holds no token and no secret.
        message: &'a str,
    },
    /// To [`Op::Ping`].
    Pong,
    /// To [`Op::Issue`].
    #[serde(borrow)]
    Issued(Minted<'a>),
    /// The token is valid.
    Valid {
        /// The token's own claims, a JSON object, byte for byte.
        #[serde(with = "serde_bytes")]
        claims: &'a [u8],
        /// Why it should be rotated now, if it should.
        rotation: Cause,
    },
    /// The token is not valid.
    Invalid {
        /// Why.
        reason: Reason,
    },
    /// To [`Op::Rotate`].
    Rotated(Minted<'a>),
    /// Flagged, or revoked: stored durably.
    Done,
    /// To [`Op::Status`].
    Status {
        /// What stands.
        state: State,
        /// Until when, in seconds since the epoch; 0 when nothing stands.
        until: u64,
    },
    /// To [`Op::Jwks`]: a JWK Set (RFC 7517 section 5).
    Jwks {
        /// JSON.
        #[serde(with = "serde_bytes")]
        document: &'a [u8],
    },
    /// To [`Op::Health`].
    Health {
        /// Requests are answered, and everything that they rest on is right.
        ready: bool,
        /// The generation of the snapshot in force.
        generation: u64,
        /// A JSON object; its members are listed in docs/protocol.md and only ever grow.
        #[serde(with = "serde_bytes")]
        document: &'a [u8],
    },
    /// To [`Op::Reload`].
    Reloaded {
        /// The generation now in force.
        generation: u64,
    },
    /// To [`Op::Import`]: this host's store has everything that is known.
    Imported {
        /// How many entries are known.
        entries: u64,
        /// How many of them the shared store still lacks: they are being put into it.
        pending: u64,
    },
    /// To [`Op::ReloadReport`].
    ReloadReport {
        /// The generation in effect.
        generation: u64,
        /// A JSON object; its members are listed in docs/protocol.md and only ever grow.
        #[serde(with = "serde_bytes")]
        document: &'a [u8],
    },
}

/// A token, new or a successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted<'a> {
    /// Compact serialization.
    pub token: &'a str,
    /// Its `jti`.
    pub jti: &'a str,
    /// Its `exp`, in seconds since the epoch.
    pub expires_at: u64,
    /// Its claims, a JSON object.
    #[serde(with = "serde_bytes")]
    pub claims: &'a [u8],
    /// The lock cookie to set beside it, where the realm locks.
    pub cookie: Option<Cookie<'a>>,
}

/// The lock cookie, in parts and ready made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie<'a> {
    /// Its name.
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
