//! The cause and the place of a fault in JSON, for the people who wrote it. Tokens get no such answer.

use serde::de::DeserializeSeed;

use super::json::Strict;

/// The longest name that a message repeats, in characters.
const LONGEST_NAME: usize = 64;

/// The parts of messages that JSON's own parser has for a character and its escape.
const SURROGATES: [&str; 2] = ["lone leading surrogate", "unexpected end of hex escape"];

/// Returns the first fault of a text that is not strict JSON: the cause, and the byte at which it is, counted from 0. A
/// duplicate name is repeated if `may_show` allows it. `None` for strict JSON of whatever kind.
pub fn explain(bytes: &[u8], may_show: impl Fn(&str) -> bool) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Some(format!("it is not UTF-8 at byte {}", error.valid_up_to())),
    };
    if text.starts_with('\u{feff}') {
        return Some("it begins with a byte order mark (BOM); save it without".to_owned());
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let error = Strict.deserialize(&mut json).and_then(|()| json.end()).err()?;
    let at = offset(text, error.line(), error.column());
    let message = error.to_string();
    let cause = message.rsplit_once(" at line ").map_or(&*message, |(cause, _)| cause);
    Some(match cause {
        super::json::TWICE => duplicate(text, at, may_show),
        "number out of range" => format!("number out of range at byte {}", number_before(text, at)),
        "recursion limit exceeded" => format!("it is nested more than 127 levels deep at byte {at}"),
        _ if error.is_eof() => format!("it ends within a value, at byte {}", text.len()),
        _ if SURROGATES.iter().any(|part| cause.contains(part)) => {
            let at = before(text, at).rfind("\\u").unwrap_or(at);
            format!("lone surrogate in a string at byte {at}")
        }
        cause => format!("{cause} at byte {at}"),
    })
}

/// The offset of a line and a column, both from 1, columns in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start: usize = lines.map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// The text up to a byte, itself included.
fn before(text: &str, at: usize) -> &str {
    let end = (at + 1).min(text.len());
    text.get(..end).unwrap_or(text)
}

/// The name whose closing quote is at this byte, or shortly before it.
fn duplicate(text: &str, at: usize, may_show: impl Fn(&str) -> bool) -> String {
    let read = before(text, at);
    let close = read.rfind('"').unwrap_or(0);
    let is_opening = |open: &usize| {
        let escapes = read.get(..*open).unwrap_or_default();
        escapes.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0
    };
    let opens = read.get(..close).unwrap_or_default().rmatch_indices('"');
    let open = opens.map(|(open, _)| open).find(is_opening).unwrap_or(close);
    let raw = read.get(open..=close).unwrap_or_default();
    let name: String = serde_json::from_str(raw).unwrap_or_default();
    match may_show(&name) {
        true => {
            let short: String = name.chars().take(LONGEST_NAME).collect();
            format!("duplicate name {short:?} at byte {open}")
        }
        false => format!("duplicate name at byte {open}"),
    }
}

/// The first byte of the number that ends at this byte.
fn number_before(text: &str, at: usize) -> usize {
    let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let read = before(text, at);
    let end = read.trim_end_matches(|c| !is_part(c)).len();
    let number = read.get(..end).unwrap_or_default();
    number.trim_end_matches(is_part).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_cause_and_its_place() {
        let deep = format!("{{\"a\":{}", "[".repeat(200));
        for (json, expected) in [
            (r#"{"sub":"a","sub":"b"}"#, Some(r#"duplicate name "sub" at byte 11"#)),
            ("{\n \"a\": 1,\n \"a\": 2}", Some(r#"duplicate name "a" at byte 12"#)),
            (
                r#"{"a":{"x\"y":1,"x\"y":2}}"#,
                Some(r#"duplicate name "x\"y" at byte 15"#),
            ),
            (r#"{"a":"\ud800"}"#, Some("lone surrogate in a string at byte 6")),
            (r#"{"a":"é\ud800x"}"#, Some("lone surrogate in a string at byte 8")),
            (r#"{"a":"\udc00"}"#, Some("lone surrogate in a string at byte 6")),
            (r#"{"a":1e999,"b":2}"#, Some("number out of range at byte 5")),
            (r#"{"a":[-1e999]}"#, Some("number out of range at byte 6")),
            (r#"{"a":1"#, Some("it ends within a value, at byte 6")),
            (r#"{"a":"#, Some("it ends within a value, at byte 5")),
            (r#"{"a":1}x"#, Some("trailing characters at byte 7")),
            (r#"{"a":1,}"#, Some("trailing comma at byte 7")),
            (r#"{"a":01}"#, Some("invalid number at byte 6")),
            (r#"{a:1}"#, Some("key must be a string at byte 1")),
            (r#"{"a":nul}"#, Some("expected ident at byte 8")),
            (
                "\u{feff}{}",
                Some("it begins with a byte order mark (BOM); save it without"),
            ),
            (&deep, Some("it is nested more than 127 levels deep at byte 131")),
            (r#"{"a":[1,2.5,"x",null,{"b":true}]}"#, None),
        ] {
            assert_eq!(explain(json.as_bytes(), |_| true).as_deref(), expected, "{json}");
        }
        let broken = b"{\"a\":\"\xff\"}";
        assert_eq!(explain(broken, |_| true).as_deref(), Some("it is not UTF-8 at byte 6"));
        let twice = br#"{"secret":1,"secret":2}"#;
        assert_eq!(explain(twice, |_| false).as_deref(), Some("duplicate name at byte 12"));
    }
}
