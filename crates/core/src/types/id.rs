//! Ids of tokens, sessions and subjects. A canonical lower-case UUID is its own 128-bit key; any other id keeps
//! its text, so that it can be written back as it came.

use super::Millis;

/// The longest id, in bytes.
pub const MAX_ID: usize = 1024;

/// An id that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It has no characters.
    #[error("the id is empty")]
    Empty,
    /// It is longer than [`MAX_ID`].
    #[error("the id has {0} bytes, more than {MAX_ID}")]
    TooLong(usize),
    /// It begins like an id of a foreign issuer and is none.
    #[error("an id that begins with foreign| must read foreign|ISSUER|ID")]
    Foreign,
}

/// The start of ids in the namespaces of foreign issuers. No id of the realm's own begins so.
const FOREIGN: &str = "foreign|";

/// An id, whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A canonical lower-case UUID (RFC 9562).
    Uuid(u128),
    /// Anything else.
    Text(Box<str>),
}

impl Id {
    /// The id that `text` spells.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        Self::check(text)?;
        Ok(canonical_uuid(text).map_or_else(|| Id::Text(text.into()), Id::Uuid))
    }

    /// The id of a foreign issuer's token or session, `foreign|ISSUER|ID`: it never equals an id of the realm or of
    /// another issuer. In the issuer, `%` is written as `%25` and `|` as `%7C`.
    pub fn foreign(issuer: &str, id: &str) -> Result<Self, IdError> {
        Self::check(id)?;
        let issuer = issuer.replace('%', "%25").replace('|', "%7C");
        let text = format!("{FOREIGN}{issuer}|{id}");
        Self::check(&text)?;
        Ok(Id::Text(text.into()))
    }

    /// Lookup for an id that a foreign token lacks. No request can name it, so no entry is ever made for it.
    pub fn absent() -> Self {
        Id::Text(FOREIGN.into())
    }

    /// Returns true if this is [`Id::absent`].
    pub fn is_absent(&self) -> bool {
        *self == Self::absent()
    }

    /// Returns true if the id lies in the namespace of a foreign issuer.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Id::Text(text) if text.starts_with(FOREIGN))
    }

    /// The id that a request names: one of the realm's own, or a foreign one in its full form.
    pub fn parse_named(text: &str) -> Result<Self, IdError> {
        let complete = |rest: &str| {
            rest.split_once('|')
                .is_some_and(|(issuer, id)| !issuer.is_empty() && !id.is_empty())
        };
        match text.strip_prefix(FOREIGN) {
            Some(rest) if !complete(rest) => Err(IdError::Foreign),
            _ => Self::parse(text),
        }
    }

    /// Returns true if `text` can be an id.
    pub fn check(text: &str) -> Result<(), IdError> {
        match text.len() {
            0 => Err(IdError::Empty),
            n if n > MAX_ID => Err(IdError::TooLong(n)),
            _ => Ok(()),
        }
    }

    /// The moment of birth that a UUIDv7 carries; `None` for any other id.
    pub fn birth(&self) -> Option<Millis> {
        match self {
            Id::Uuid(bits) if (bits >> 76) & 0xf == 7 && (bits >> 62) & 0b11 == 0b10 => {
                Some(Millis((bits >> 80) as u64))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Id::Uuid(bits) => uuid::Uuid::from_u128(*bits).fmt(f),
            Id::Text(text) => f.write_str(text),
        }
    }
}

/// The 128 bits of a UUID in its one canonical text: 36 characters, lower-case, hyphens in their places.
fn canonical_uuid(text: &str) -> Option<u128> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut bits = 0u128;
    for (index, byte) in bytes.iter().enumerate() {
        let digit = match (index, byte) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => byte - b'0',
            (_, b'a'..=b'f') => byte - b'a' + 10,
            _ => return None,
        };
        bits = bits << 4 | u128::from(digit);
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_is_a_uuid() {
        let text = "0190b5a4-7a3c-7def-8123-456789abcdef";
        let id = Id::parse(text).unwrap();
        assert!(matches!(id, Id::Uuid(_)));
        assert_eq!(id.to_string(), text);
        assert_eq!(id.birth(), Some(Millis(0x0190_b5a4_7a3c)));
        let others = [
            "0190B5A4-7A3C-7DEF-8123-456789ABCDEF",
            "0190b5a47a3c7def8123456789abcdef",
            "0190b5a4-7a3c-7def-8123-456789abcdeg",
            "0190b5a4-7a3c-7def-81234-56789abcdef",
            "{0190b5a4-7a3c-7def-8123-456789abcde",
        ];
        for other in others {
            let id = Id::parse(other).unwrap();
            assert_eq!(id, Id::Text(other.into()));
            assert_eq!(id.to_string(), other);
        }
    }

    #[test]
    fn only_version_7_carries_a_birth() {
        for text in [
            "0190b5a4-7a3c-4def-8123-456789abcdef",
            "0190b5a4-7a3c-7def-0123-456789abcdef",
            "x1",
        ] {
            assert_eq!(Id::parse(text).unwrap().birth(), None, "{text}");
        }
    }

    #[test]
    fn foreign_ids_are_each_issuers_own() {
        let id = |issuer, id| Id::foreign(issuer, id).unwrap();
        let uuid = "0190b5a4-7a3c-7def-8123-456789abcdef";
        assert_ne!(id("https://a", uuid), Id::parse(uuid).unwrap());
        assert_eq!(id("https://a", uuid).birth(), None);
        assert_eq!(id("https://a", "x").to_string(), "foreign|https://a|x");
        assert_ne!(id("a|b", "c"), id("a", "b|c"));
        assert_ne!(id("a%7Cb", "c"), id("a|b", "c"));
        for foreign in [id("a|b", "c"), id("a", "b|c"), id("100%", "x")] {
            assert!(foreign.is_foreign());
            assert_eq!(Id::parse_named(&foreign.to_string()), Ok(foreign));
        }
        for text in ["foreign|", "foreign|a", "foreign|a|", "foreign||x"] {
            assert_eq!(Id::parse_named(text), Err(IdError::Foreign), "{text}");
        }
        assert!(!Id::parse_named("foreign").unwrap().is_foreign());
        assert!(Id::foreign("a", "").is_err());
        assert!(Id::foreign(&"a".repeat(MAX_ID), "x").is_err());
    }

    #[test]
    fn empty_and_endless_ids_are_refused() {
        assert_eq!(Id::parse(""), Err(IdError::Empty));
        assert!(Id::parse(&"x".repeat(MAX_ID)).is_ok());
        assert_eq!(Id::parse(&"x".repeat(MAX_ID + 1)), Err(IdError::TooLong(MAX_ID + 1)));
    }
}
