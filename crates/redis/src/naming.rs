//! Names of entries in Redis. A token's entry is the gem's own: `<prefix><jti>`. Entries that the gem does not know
//! lives under `<prefix>~`, which no plain id can spell; and the record of a rotation outside of the prefix, in the
//! hash slot of its token's entry.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use jwtkeeper_core::denylist::Kind;
use jwtkeeper_core::types::Id;

/// The start of the names of records; no prefix of entries may have it.
pub const RECORDS: &str = "jwtkeeper-rotation:";

/// The longest id that is written as it is.
const LONGEST_PLAIN: usize = 128;

/// The name of an entry.
pub(super) fn entry(prefix: &str, kind: Kind, id: &Id) -> String {
    match kind {
        Kind::Token => match plain(id) {
            Some(id) => format!("{prefix}{id}"),
            None => format!("{prefix}~t:{}", spelled(id)),
        },
        Kind::Session => format!("{prefix}~s:{}", spelled(id)),
        Kind::Subject => format!("{prefix}~u:{}", spelled(id)),
        Kind::Realm => format!("{prefix}~r"),
    }
}

/// The name of the record of a rotation: in braces stands what decides its slot, the whole name of the token's entry.
pub(super) fn record(prefix: &str, old: &Id) -> String {
    format!("{RECORDS}{{{}}}", entry(prefix, Kind::Token, old))
}

/// Parses an entry's name without the prefix; `None` for a name that no daemon uses.
pub(super) fn parse(rest: &str) -> Option<(Kind, Id)> {
    let Some(own) = rest.strip_prefix('~') else {
        return is_plain(rest)
            .then(|| Id::parse(rest).ok())
            .flatten()
            .map(|id| (Kind::Token, id));
    };
    match own.split_once(':') {
        None if own == "r" => Some((Kind::Realm, Id::Uuid(0))),
        Some(("t", id)) => Some((Kind::Token, read(id)?)),
        Some(("s", id)) => Some((Kind::Session, read(id)?)),
        Some(("u", id)) => Some((Kind::Subject, read(id)?)),
        _ => None,
    }
}

/// Returns a pattern for SCAN that matches all these prefixes, and as little else as one pattern can say.
pub(super) fn pattern<'p>(mut prefixes: impl Iterator<Item = &'p str>) -> String {
    let first = prefixes.next().unwrap_or_default();
    let common = prefixes.fold(first, |common, prefix| {
        let alike = common
            .char_indices()
            .zip(prefix.chars())
            .take_while(|((_, one), other)| one == other);
        let end = alike.last().map_or(0, |((at, one), _)| at + one.len_utf8());
        common.get(..end).unwrap_or_default()
    });
    let special = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\' | '^');
    let escaped = common
        .chars()
        .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]));
    escaped.chain(['*']).collect()
}

fn is_plain(id: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_PLAIN).contains(&id.len()) && id.bytes().all(fine)
}

fn plain(id: &Id) -> Option<String> {
    Some(id.to_string()).filter(|id| is_plain(id))
}

fn spelled(id: &Id) -> String {
    plain(id).unwrap_or_else(|| format!("~{}", BASE64_URL_SAFE_NO_PAD.encode(id.to_string())))
}

fn read(spelled: &str) -> Option<Id> {
    let Some(encoded) = spelled.strip_prefix('~') else {
        return is_plain(spelled).then(|| Id::parse(spelled).ok()).flatten();
    };
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?;
    Id::parse(std::str::from_utf8(&bytes).ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const UUID: &str = "01932a5c-7b00-7000-8000-00000000002a";

    fn id(text: &str) -> Id {
        Id::parse(text).unwrap()
    }

    #[test]
    fn a_tokens_entry_is_the_gems() {
        assert_eq!(entry("JWTKeeper:", Kind::Token, &id(UUID)), format!("JWTKeeper:{UUID}"));
        assert_eq!(entry("JWTKeeper:", Kind::Token, &id("a.b_c-D")), "JWTKeeper:a.b_c-D");
    }

    #[test]
    fn every_name_is_read_back() {
        let long = "x".repeat(129);
        for text in [UUID, "plain", "with space", "~t:x", "~r", "a:b", "{x}", "ü", &long] {
            for kind in [Kind::Token, Kind::Session, Kind::Subject] {
                let name = entry("P:", kind, &id(text));
                assert!(!name.contains(['{', '}']), "{name}");
                assert_eq!(
                    parse(name.strip_prefix("P:").unwrap()),
                    Some((kind, id(text))),
                    "{name}"
                );
            }
        }
        assert_eq!(parse("~r"), Some((Kind::Realm, Id::Uuid(0))));
    }

    #[test]
    fn what_is_none_of_ours() {
        for name in ["", "~", "~x:1", "~t:", "~t:~!", "with space", "~s", "~t:~"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_record_shares_its_tokens_slot() {
        assert_eq!(record("JWTKeeper:", &id("x")), "jwtkeeper-rotation:{JWTKeeper:x}");
    }

    #[test]
    fn one_pattern_matches_all_prefixes() {
        let of = |prefixes: &[&str]| pattern(prefixes.iter().copied());
        assert_eq!(of(&["JWTKeeper:"]), "JWTKeeper:*");
        assert_eq!(of(&["JWTKeeper:", "JWTKeeper-api:"]), "JWTKeeper*");
        assert_eq!(of(&["a[b]*:"]), "a\\[b\\]\\*:*");
        assert_eq!(of(&["a:", "b:"]), "*");
        assert_eq!(of(&["é1", "è2"]), "*");
    }
}
