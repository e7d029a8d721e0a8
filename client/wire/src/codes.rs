//! Every code that travels, in one place: the enums, their names, what they mean, and (by the tests) the
//! table in docs/protocol.md come from here. Codes are appended, never reused; one that this build does not
//! know is kept as `Other`.

use std::ffi::CStr;

use serde::{Deserialize, Serialize};

/// A row of a table of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// The number on the wire.
    pub code: u16,
    /// The name in texts, logs and the command line.
    pub name: &'static str,
    /// The meaning, and what to do.
    pub meaning: &'static str,
    /// The name for C.
    pub c_name: &'static CStr,
    /// The meaning for C.
    pub c_meaning: &'static CStr,
}

/// A literal that ends in its only NUL.
const fn c_text(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

macro_rules! codes {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident = $code:literal, $name:literal, $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "u16", into = "u16")]
        #[non_exhaustive]
        pub enum $enum {
            $(#[doc = $meaning] $variant,)*
            /// A code that this build does not know.
            Other(u16),
        }

        impl $enum {
            /// All that this build knows, in the order of their codes.
            pub const ALL: &'static [$enum] = &[$($enum::$variant),*];

            /// The number on the wire.
            pub const fn code(self) -> u16 {
                match self { $($enum::$variant => $code,)* $enum::Other(code) => code }
            }

            /// The row of the table; `None` for a code that this build does not know.
            pub const fn row(self) -> Option<CodeRow> {
                match self {
                    $($enum::$variant => Some(CodeRow {
                        code: $code,
                        name: $name,
                        meaning: $meaning,
                        c_name: c_text(concat!($name, "\0")),
                        c_meaning: c_text(concat!($meaning, "\0")),
                    }),)*
                    $enum::Other(_) => None,
                }
            }
        }

        impl From<u16> for $enum {
            fn from(code: u16) -> Self {
                match code { $($code => $enum::$variant,)* other => $enum::Other(other) }
            }
        }

        impl From<$enum> for u16 {
            fn from(value: $enum) -> u16 {
                value.code()
            }
        }

        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.row() {
                    Some(row) => f.write_str(row.name),
                    None => write!(f, "other({})", self.code()),
                }
            }
        }
    };
}

codes! {
    /// Why there is no answer. 1xx frame and protocol, 2xx request, 4xx not permitted, 5xx the daemon's own state.
    ErrorCode {
        MalformedMessage = 100, "malformed_message", "The frame does not hold a message of this protocol.";
        FrameTooLarge = 101, "frame_too_large", "The frame is longer than the limit; the connection is closed.";
        UnsupportedProtocol = 102, "unsupported_protocol", "The daemon does not speak the client's protocol.";
        UnknownOperation = 103, "unknown_operation", "The daemon does not know the operation; a newer one may.";
        UnknownRealm = 200, "unknown_realm", "No realm of this name is configured.";
        BadClaims = 201, "bad_claims", "The claims are not a strict JSON object, or one of them has a wrong type or value.";
        ReservedClaim = 202, "reserved_claim", "The claim comes from the realm or the daemon; the realm's allow_overrides may open some.";
        LifetimeTooLong = 203, "lifetime_too_long", "The token would live longer than the realm's max_lifetime.";
        TokenTooLarge = 204, "token_too_large", "The token would be longer than validate accepts; send fewer claims.";
        ValidateOnly = 205, "validate_only", "The realm has no signing key: it can only validate.";
        ForeignToken = 206, "foreign_token", "The token comes from a foreign issuer, who alone can rotate it.";
        CutoffInFuture = 207, "cutoff_in_future", "A cutoff must not be later than now.";
        BadId = 208, "bad_id", "The jti, session or subject is missing, empty or longer than 1024 bytes, or is no complete foreign id.";
        NotPermitted = 400, "not_permitted", "The peer may not do this in this realm.";
        Unavailable = 500, "unavailable", "The denylist store cannot answer or cannot store durably; try again.";
        Overloaded = 501, "overloaded", "A limit is reached; try again later.";
        ShuttingDown = 502, "shutting_down", "The daemon is stopping; connect again.";
        Internal = 503, "internal", "A fault of the daemon; its log says more.";
        ClockBehind = 504, "clock_behind", "No longer sent: no clock stops a login.";
        ReloadRefused = 505, "reload_refused", "The files are not right; what was in effect stays in effect.";
    }
}

codes! {
    /// Why there is no answer, where the client itself says so. 3xx: none of these travels.
    ClientCode {
        Unreachable = 300, "unreachable", "No daemon answers at the socket; it says nothing of the token.";
        Timeout = 301, "timeout", "The deadline passed; whether the daemon did what was asked is not known.";
        Protocol = 302, "protocol", "The other end does not keep to the protocol, or does not run as the uid that it should.";
        RequestTooLarge = 303, "request_too_large", "The request is longer than the daemon takes; send fewer claims.";
        SocketForbidden = 304, "socket_forbidden", "The modes of the socket or of its directory keep this process out.";
        BadArgument = 310, "bad_argument", "An argument is NULL, too long, not UTF-8 or out of range.";
        Busy = 311, "busy", "The reply is in use by another thread; give each thread a reply of its own.";
        OutOfTurn = 312, "out_of_turn", "The reply holds no token whose rotation is due: authenticate first.";
        Panicked = 313, "panicked", "A fault of the library; the call was given up.";
    }
}

codes! {
    /// Why a token is not valid, in the order of the checks.
    Reason {
        Malformed = 1, "malformed", "Not a JWT in strict compact form, or a claim is missing or has a wrong type.";
        AlgorithmNotAllowed = 2, "algorithm_not_allowed", "The header's alg is not the algorithm of a key of the realm.";
        UnknownKey = 3, "unknown_key", "The header's kid names no key of the realm, and each of its keys has a name.";
        BadSignature = 4, "bad_signature", "No key of the realm signed it, or its cookie is missing or wrong.";
        LifetimeTooLong = 5, "lifetime_too_long", "It lives longer than the realm's max_lifetime.";
        Expired = 6, "expired", "Its exp, or its session's whole lifetime, has passed.";
        NotYetValid = 7, "not_yet_valid", "Its nbf, its iat or the start of its session lies in the future.";
        WrongIssuer = 8, "wrong_issuer", "Its iss is not the realm's.";
        WrongAudience = 9, "wrong_audience", "None of its aud is the realm's.";
        LockRequired = 10, "lock_required", "The realm requires the cookie lock, and it is unlocked or its cookie is missing or wrong.";
        Revoked = 11, "revoked", "It, its session, its subject's logins or its realm's logins were revoked, or it was rotated and the grace is over.";
    }
}

codes! {
    /// Why a valid token should be rotated now.
    Cause {
        None = 0, "none", "Rotation is not due.";
        Flagged = 1, "flagged", "It was flagged.";
        StaleVersion = 2, "stale_version", "Its ver is not the realm's version.";
        RetiredKey = 3, "retired_key", "A retired key signed it.";
        Unlocked = 4, "unlocked", "It is not locked the way the realm locks now.";
        Rotated = 5, "rotated", "It has a successor, and the grace is not over: rotate answers with that successor.";
        Expiring = 6, "expiring", "It expires within the realm's renew_before.";
    }
}

codes! {
    /// Looks a jti up in the denylist.
    State {
        None = 0, "none", "There is no entry.";
        Soft = 1, "soft", "Flagged: valid, rotation due.";
        Hard = 2, "hard", "Revoked.";
        Rotated = 3, "rotated", "Rotated: its successor has taken its place, or will when the grace is over.";
    }
}
