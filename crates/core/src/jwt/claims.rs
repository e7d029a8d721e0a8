//! The claims set (RFC 7519 section 4): a strict JSON object whose registered claims have the right types.
//! What a claim's value means for a realm is decided by its callers.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Malformed;
use super::json::{Any, Names, Scalar, Text, Texts, check_value, read, text};
use crate::types::Seconds;

/// The registered claims of a token, and ours. Everything else is carried as text.
#[derive(Debug, PartialEq)]
pub struct Claims<'a> {
    /// `iss`.
    pub iss: Option<Cow<'a, str>>,
    /// `aud`.
    pub aud: Audience<'a>,
    /// `exp`, floored.
    pub exp: Seconds,
    /// `nbf`, floored.
    pub nbf: Option<Seconds>,
    /// `iat`, floored.
    pub iat: Option<Seconds>,
    /// `jti`.
    pub jti: Option<Cow<'a, str>>,
    /// `sid` where it is a string: the session of a token of a foreign issuer. In the realm's tokens it is the app's.
    pub sid: Option<Cow<'a, str>>,
    /// `ver`.
    pub ver: Version<'a>,
    /// The daemon's own claim, [`OWN`]; an error where it is not as the daemon writes it.
    pub own: Result<OwnClaims<'a>, Malformed>,
    /// The claim that names the subject, as text.
    pub subject: Option<Cow<'a, str>>,
}

/// The name of the one private claim that belongs to the daemon. Every other private claim belongs to the app.
pub const OWN: &str = "jwtkeeper";

/// The members of the daemon's own claim.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OwnClaims<'a> {
    /// The session, by the jti of its first token. Only successors have it.
    pub sid: Option<Cow<'a, str>>,
    /// The start of the session in milliseconds, where neither jti nor `iat` tells it.
    pub start: Option<u64>,
    /// The application of the realm's cutoff that does not cover this session.
    pub seen_realm: Option<u64>,
    /// The application of the subject's cutoff that does not cover this session.
    pub seen_subject: Option<u64>,
    /// The application of the subject's flag that does not cover this token.
    pub seen_flag: Option<u64>,
    /// The hash of the lock cookie, in realms whose key cannot be locked.
    pub lock: Option<Cow<'a, str>>,
}

/// `aud` (RFC 7519 section 4.1.3).
#[derive(Debug, PartialEq, Eq)]
pub enum Audience<'a> {
    /// No `aud`.
    None,
    /// One.
    One(Cow<'a, str>),
    /// A list.
    Many(Vec<Cow<'a, str>>),
}

impl Audience<'_> {
    /// Returns true if `name` is among them, byte for byte.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Audience::None => false,
            Audience::One(one) => one == name,
            Audience::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// A version: of a realm, or as a token's `ver` has it. Equal only in value and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version<'a> {
    /// None.
    None,
    /// An integer.
    Number(u64),
    /// A string.
    Text(Cow<'a, str>),
    /// A claim of another type, which equals no realm's version.
    Other,
}

/// Reads decoded claims; `subject` is the name of the claim that names the subject.
pub fn read_claims<'a>(bytes: &'a [u8], subject: &str) -> Result<Claims<'a>, Malformed> {
    read(text(bytes)?, Reader { subject })
}

struct Reader<'s> {
    subject: &'s str,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Claims<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Claims<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Claims<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a claims set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims<'de>, A::Error> {
        let (mut exp, mut jti, mut sid) = (None, None, None);
        let (mut iss, mut aud) = (None, Audience::None);
        let (mut nbf, mut iat) = (None, None);
        let (mut ver, mut own) = (Version::None, Ok(OwnClaims::default()));
        let mut subject = None;
        let (mut seen, mut names) = (0_u16, Names::default());
        while let Some(name) = map.next_key_seed(Text)? {
            let known = Name::of(&name);
            if known != Name::Other && seen & known.bit() != 0 {
                return Err(wrong("a name occurs twice"));
            }
            seen |= known.bit();
            let value = match known {
                Name::Aud => {
                    aud = map.next_value_seed(Texts)?;
                    Scalar::Other
                }
                Name::Own => {
                    let text: &'de RawValue = map.next_value()?;
                    own = read_own(text.get())?;
                    Scalar::Other
                }
                _ => map.next_value_seed(Any)?,
            };
            if name == self.subject {
                subject = Some(subject_text(&value)?);
            }
            match known {
                Name::Iss => iss = Some(string(value)?),
                Name::Exp => exp = Some(date(value)?),
                Name::Nbf => nbf = Some(date(value)?),
                Name::Iat => iat = Some(date(value)?),
                Name::Jti => jti = Some(string(value)?),
                Name::Sid => {
                    sid = match value {
                        Scalar::Text(text) => Some(text),
                        _ => None,
                    }
                }
                Name::Sub if self.subject != "sub" => drop(string(value)?),
                Name::Ver => {
                    ver = match value {
                        Scalar::Unsigned(number) => Version::Number(number),
                        Scalar::Text(text) => Version::Text(text),
                        _ => Version::Other,
                    }
                }
                Name::Aud | Name::Own | Name::Sub => {}
                Name::Other => names.add(name)?,
            }
        }
        let exp = exp.ok_or_else(|| wrong("exp is missing"))?;
        Ok(Claims {
            iss,
            aud,
            exp,
            nbf,
            iat,
            jti,
            sid,
            ver,
            own,
            subject,
        })
    }
}

/// The names known here. The others are remembered as text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Iss,
    Aud,
    Exp,
    Nbf,
    Iat,
    Jti,
    Sid,
    Ver,
    Own,
    Sub,
    Other,
}

impl Name {
    fn of(name: &str) -> Self {
        // As bytes they are told apart one by one; as texts each would be compared whole.
        match name.as_bytes() {
            b"iss" => Name::Iss,
            b"aud" => Name::Aud,
            b"exp" => Name::Exp,
            b"nbf" => Name::Nbf,
            b"iat" => Name::Iat,
            b"jti" => Name::Jti,
            b"sid" => Name::Sid,
            b"ver" => Name::Ver,
            b"sub" => Name::Sub,
            b"jwtkeeper" => Name::Own,
            _ => Name::Other,
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Reads the daemon's own claim. Only what breaks the rules of JSON is an error of the whole claims set: whoever did
/// not make the token with us may use the name as they like.
fn read_own<'a, E: Error>(json: &'a str) -> Result<Result<OwnClaims<'a>, Malformed>, E> {
    check_value(json).map_err(|malformed| wrong(malformed.0))?;
    Ok(read(json, OwnReader))
}

struct OwnReader;

impl<'de> DeserializeSeed<'de> for OwnReader {
    type Value = OwnClaims<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<OwnClaims<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OwnReader {
    type Value = OwnClaims<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("the daemon's own claim")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OwnClaims<'de>, A::Error> {
        let mut own = OwnClaims::default();
        while let Some(name) = map.next_key_seed(Text)? {
            let value = map.next_value_seed(Any)?;
            match &*name {
                "sid" => own.sid = Some(string(value)?),
                "start" => own.start = Some(unsigned(&value)?),
                "seen_realm" => own.seen_realm = Some(unsigned(&value)?),
                "seen_subject" => own.seen_subject = Some(unsigned(&value)?),
                "seen_flag" => own.seen_flag = Some(unsigned(&value)?),
                "lock" => own.lock = Some(string(value)?),
                _ => {} // of a later version
            }
        }
        Ok(own)
    }
}

fn unsigned<E: Error>(value: &Scalar<'_>) -> Result<u64, E> {
    match value {
        Scalar::Unsigned(number) => Ok(*number),
        _ => Err(wrong("not an unsigned integer")),
    }
}

fn wrong<E: Error>(what: &'static str) -> E {
    E::custom(what)
}

fn string<'a, E: Error>(value: Scalar<'a>) -> Result<Cow<'a, str>, E> {
    match value {
        Scalar::Text(text) => Ok(text),
        _ => Err(wrong("not a string")),
    }
}

/// A NumericDate, which may be fractional (RFC 7519 section 2): floored.
fn date<E: Error>(value: Scalar<'_>) -> Result<Seconds, E> {
    match value {
        Scalar::Unsigned(seconds) => Ok(Seconds::try_from(seconds).unwrap_or(Seconds::MAX)),
        Scalar::Signed(seconds) => Ok(seconds),
        Scalar::Float(seconds) => Ok(seconds.floor() as Seconds), // saturates
        _ => Err(wrong("not a NumericDate")),
    }
}

fn subject_text<'a, E: Error>(value: &Scalar<'a>) -> Result<Cow<'a, str>, E> {
    match value {
        Scalar::Text(text) => Ok(text.clone()),
        Scalar::Unsigned(number) => Ok(number.to_string().into()),
        Scalar::Signed(number) => Ok(number.to_string().into()),
        _ => Err(wrong("the subject is neither a string nor an integer")),
    }
}
