//! The messages once more, for `wincode`'s derive: what a second implementation of the layout would declare.

mod from_wire;

use jwtkeeper_wire as wire;
use wincode::{SchemaRead, SchemaWrite};

/// A message with a mirror type.
pub(crate) trait Mirrored {
    /// Wincode's bytes of the mirror.
    fn mirror_bytes(&self) -> Vec<u8>;
    /// Wincode reads `bytes` as this message.
    fn reads_as_mirror(&self, bytes: &[u8]) -> bool;
    /// The wire's own decode reads `bytes` as this message.
    fn is_decoded_from(&self, bytes: &[u8]) -> bool;
}

macro_rules! mirrored {
    ($($message:ident)*) => {$(
        impl Mirrored for wire::$message<'_> {
            fn mirror_bytes(&self) -> Vec<u8> {
                wincode::serialize(&$message::from(self)).unwrap()
            }

            fn reads_as_mirror(&self, bytes: &[u8]) -> bool {
                wincode::deserialize::<$message<'_>>(bytes).unwrap() == $message::from(self)
            }

            fn is_decoded_from(&self, bytes: &[u8]) -> bool {
                wire::decode::<wire::$message<'_>>(bytes).as_ref() == Ok(self)
            }
        }
    )*};
}

mirrored!(Hello Greeting RealmCookie Request Reply);

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct RealmCookie<'a> {
    realm: &'a str,
    name: &'a str,
    domain: Option<&'a str>,
    path: Option<&'a str>,
    secure: bool,
    http_only: bool,
    same_site: &'a str,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Extension<'a> {
    kind: u16,
    value: &'a [u8],
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Hello<'a> {
    magic: [u8; 8],
    protocol: u16,
    client: &'a str,
    extensions: Vec<Extension<'a>>,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
enum Greeting<'a> {
    Welcome {
        protocol: u16,
        server: &'a str,
        instance: [u8; 16],
        generation: u64,
        max_frame: u32,
        max_in_flight: u32,
        extensions: Vec<Extension<'a>>,
    },
    Refused {
        code: u16,
        message: &'a str,
    },
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Request<'a> {
    id: u64,
    op: Op<'a>,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
enum Op<'a> {
    Ping,
    Issue {
        realm: &'a str,
        claims: &'a [u8],
        ttl: Option<u64>,
    },
    Validate {
        realm: &'a str,
        token: &'a [u8],
        cookie: Option<&'a str>,
    },
    Rotate {
        realm: &'a str,
        token: &'a [u8],
        cookie: Option<&'a str>,
        claims: Option<&'a [u8]>,
    },
    Flag {
        realm: &'a str,
        target: FlagTarget<'a>,
    },
    Revoke {
        realm: &'a str,
        target: RevokeTarget<'a>,
    },
    Status {
        realm: &'a str,
        jti: &'a str,
    },
    Jwks {
        realm: &'a str,
    },
    Health,
    Reload,
    Import,
    ReloadReport {
        dry_run: bool,
    },
    Introspect {
        realm: &'a str,
        token: &'a [u8],
        cookie: Option<&'a str>,
    },
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
enum FlagTarget<'a> {
    Jti(&'a str),
    Subject { subject: &'a str, before: Before },
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
enum RevokeTarget<'a> {
    Token { token: &'a [u8], cookie: Option<&'a str> },
    Jti(&'a str),
    Session(&'a str),
    Subject { subject: &'a str, before: Before },
    IssuedBefore(Before),
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
enum Before {
    At(u64),
    Now { first_asked: Option<u64> },
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Reply<'a> {
    id: u64,
    answer: Answer<'a>,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
enum Answer<'a> {
    Error {
        code: u16,
        message: &'a str,
    },
    Pong,
    Issued(Minted<'a>),
    Valid {
        claims: &'a [u8],
        rotation: u16,
    },
    Invalid {
        reason: u16,
    },
    Rotated(Minted<'a>),
    Done,
    Status {
        state: u16,
        until: u64,
    },
    Jwks {
        document: &'a [u8],
    },
    Health {
        ready: bool,
        generation: u64,
        document: &'a [u8],
    },
    Reloaded {
        generation: u64,
    },
    Imported {
        entries: u64,
        pending: u64,
    },
    ReloadReport {
        generation: u64,
        document: &'a [u8],
    },
    Introspection {
        document: &'a [u8],
    },
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Minted<'a> {
    token: &'a str,
    jti: &'a str,
    expires_at: u64,
    claims: &'a [u8],
    cookie: Option<Cookie<'a>>,
}

#[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Cookie<'a> {
    name: &'a str,
    value: &'a str,
    expires_at: u64,
    domain: Option<&'a str>,
    path: Option<&'a str>,
    secure: bool,
    http_only: bool,
    same_site: &'a str,
    set_cookie: &'a str,
}
