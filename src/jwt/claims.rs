//! The claims set (RFC 7519 section 4): a strict JSON object whose registered claims have the right types.
//! What a claim's value means for a realm is decided on higher floors.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::Malformed;
use super::json::{Any, Names, Scalar, Text, Texts, read, text};
use crate::words::Seconds;

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
    pub jti: Cow<'a, str>,
    /// `ver`.
    pub ver: Version<'a>,
    /// `sid`: the session, by the jti of its first token.
    pub sid: Option<Cow<'a, str>>,
    /// `born`: when the login began, in milliseconds, where neither sid nor jti says so.
    pub born: Option<u64>,
    /// `lck`: the lock of an asymmetric realm.
    pub lck: Option<Cow<'a, str>>,
    /// The claim that names the subject, as text.
    pub subject: Option<Cow<'a, str>>,
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
    /// Whether `name` is among them, byte for byte.
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
        let (mut exp, mut jti) = (None, None);
        let (mut iss, mut aud) = (None, Audience::None);
        let (mut nbf, mut iat) = (None, None);
        let (mut ver, mut sid, mut born, mut lck) = (Version::None, None, None, None);
        let mut subject = None;
        let (mut seen, mut names) = (0, Names::default());
        while let Some(name) = map.next_key_seed(Text)? {
            let value = if name == "aud" {
                aud = map.next_value_seed(Texts)?;
                Scalar::Other
            } else {
                map.next_value_seed(Any)?
            };
            if name == self.subject {
                subject = Some(subject_text(&value)?);
            }
            let bit = known(&name);
            if seen & bit != 0 {
                return Err(wrong("a name occurs twice"));
            }
            seen |= bit;
            match name.as_ref() {
                "iss" => iss = Some(string(value)?),
                "exp" => exp = Some(date(value)?),
                "nbf" => nbf = Some(date(value)?),
                "iat" => iat = Some(date(value)?),
                "jti" => jti = Some(string(value)?),
                "sid" => sid = Some(string(value)?),
                "lck" => lck = Some(string(value)?),
                "sub" if self.subject != "sub" => drop(string(value)?),
                "born" => match value {
                    Scalar::Unsigned(ms) => born = Some(ms),
                    _ => return Err(wrong("born is not a number of milliseconds")),
                },
                "ver" => {
                    ver = match value {
                        Scalar::Unsigned(number) => Version::Number(number),
                        Scalar::Text(text) => Version::Text(text),
                        _ => Version::Other,
                    }
                }
                _ => {}
            }
            if bit == 0 {
                names.add(name)?;
            }
        }
        let (Some(exp), Some(jti)) = (exp, jti) else {
            return Err(wrong("exp or jti is missing"));
        };
        Ok(Claims {
            iss,
            aud,
            exp,
            nbf,
            iat,
            jti,
            ver,
            sid,
            born,
            lck,
            subject,
        })
    }
}

/// A bit for each name that most tokens have, cheaper to remember than its text; 0 for every other name.
fn known(name: &str) -> u16 {
    const KNOWN: [&str; 9] = ["iss", "aud", "exp", "nbf", "iat", "jti", "ver", "sid", "sub"];
    KNOWN.iter().position(|known| *known == name).map_or(0, |bit| 1 << bit)
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
