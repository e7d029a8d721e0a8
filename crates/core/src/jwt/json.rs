//! Strict JSON (RFC 8259, and the choice that RFC 7519 section 4 leaves): UTF-8, no duplicate names at any
//! depth, no trailing bytes, depth limited by the parser.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Malformed;

/// A member of an object, its value as the text that it came in.
pub type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The text of a JSON document; `Malformed` if it is not UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("not UTF-8"))
}

/// Reads `text` with `seed`, whole.
pub(super) fn read<'a, S: DeserializeSeed<'a>>(text: &'a str, seed: S) -> Result<S::Value, Malformed> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = seed
        .deserialize(&mut json)
        .map_err(|_| Malformed("not strict JSON of the right shape"))?;
    json.end().map_err(|_| Malformed("bytes follow the JSON"))?;
    Ok(value)
}

/// Checks that `bytes` are one strict JSON object.
pub fn check_object(bytes: &[u8]) -> Result<(), Malformed> {
    struct Object;
    impl<'de> Visitor<'de> for Object {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
            Strict.visit_map(map)
        }
    }
    impl<'de> DeserializeSeed<'de> for Object {
        type Value = ();
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_map(self)
        }
    }
    read(text(bytes)?, Object)
}

/// Checks that `text` is one strict JSON value.
pub(super) fn check_value(text: &str) -> Result<(), Malformed> {
    read(text, Strict)
}

/// The members of a strict JSON object, in order, each value as it was written.
pub fn members(bytes: &[u8]) -> Result<Vec<Member<'_>>, Malformed> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<Member<'de>>;
        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(name) = map.next_key_seed(Text)? {
                members.push((name, map.next_value::<&RawValue>()?));
            }
            Ok(members)
        }
    }
    impl<'de> DeserializeSeed<'de> for Members {
        type Value = Vec<Member<'de>>;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }
    }
    check_object(bytes)?; // raw values are not looked into
    read(text(bytes)?, Members)
}

/// A string, borrowed where it has no escapes.
pub(super) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The message about a duplicate name.
pub(super) const TWICE: &str = "a name occurs twice";

/// The names seen in one object. Few are compared one by one, many through a hash.
#[derive(Default)]
pub(super) struct Names<'a> {
    few: [Cow<'a, str>; 8],
    count: usize,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    /// Remembers a name; an error if it was there before.
    pub(super) fn add<E: Error>(&mut self, name: Cow<'a, str>) -> Result<(), E> {
        let twice = || Err(E::custom(TWICE));
        let seen = self.few.get(..self.count).unwrap_or_default();
        if seen.contains(&name) {
            return twice();
        }
        if let Some(slot) = self.few.get_mut(self.count) {
            *slot = name;
            self.count += 1;
        } else if !self.many.insert(name) {
            return twice();
        }
        Ok(())
    }
}

/// Any value, looked through for duplicate names and nothing else.
pub(super) struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("any value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = Names::default();
        while let Some(name) = map.next_key_seed(Text)? {
            names.add(name)?;
            map.next_value_seed(Strict)?;
        }
        Ok(())
    }
}

/// A value of one of the kinds that claims and headers have, the rest looked through.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Other,
}

/// Reads a [`Scalar`].
pub(super) struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Scalar<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Scalar<'de>;
    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("any value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Unsigned(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Signed(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(value))
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Strict.visit_seq(seq).map(|()| Scalar::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Strict.visit_map(map).map(|()| Scalar::Other)
    }
}

/// One string or a list of strings, for `aud`.
pub(super) struct Texts;

#[derive(Deserialize)]
#[serde(transparent)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Texts {
    type Value = super::Audience<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts {
    type Value = super::Audience<'de>;
    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a string or a list of strings")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(super::Audience::One(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(super::Audience::One(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Borrowed(text)) = seq.next_element()? {
            all.push(text);
        }
        Ok(super::Audience::Many(all))
    }
}
