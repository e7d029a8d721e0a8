//! Values that are given as they are, by `@FILE`, or by `-` for stdin. Nothing here says what it read: it may be a
//! token or a cookie secret.

use std::fs::File;
use std::io::{Read, stdin};

use crate::outcome::Failure;

/// More than any request can carry.
const LIMIT: u64 = 1 << 20;

/// A token: as it is, or stdin.
pub(crate) fn token(given: &str) -> Result<String, Failure> {
    match given {
        "-" => read("stdin", stdin()).map(without_newline),
        _ => Ok(given.to_owned()),
    }
}

/// A cookie's value: as it is, or a file's.
pub(crate) fn cookie(given: Option<&str>) -> Result<Option<String>, Failure> {
    match given {
        Some(given) => match given.strip_prefix('@') {
            Some(path) => file(path).map(|text| Some(without_newline(text))),
            None => Ok(Some(given.to_owned())),
        },
        None => Ok(None),
    }
}

/// Claims: as they are, a file's, or stdin.
pub(crate) fn claims(given: Option<&str>) -> Result<Option<String>, Failure> {
    match given {
        None => Ok(None),
        Some("-") => read("stdin", stdin()).map(Some),
        Some(given) => match given.strip_prefix('@') {
            Some(path) => file(path).map(Some),
            None => Ok(Some(given.to_owned())),
        },
    }
}

/// Drops the one newline that a shell or an editor adds. Anything else around a token makes it malformed.
fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

fn file(path: &str) -> Result<String, Failure> {
    let file = File::open(path).map_err(|error| Failure::Input(path.to_owned(), error))?;
    read(path, file)
}

fn read(name: &str, from: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Input(name.to_owned(), error))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::without_newline;

    #[test]
    fn one_newline_at_the_end_is_dropped_and_nothing_else() {
        let cases = [
            ("a.b.c", "a.b.c"),
            ("a.b.c\n", "a.b.c"),
            ("a.b.c\r\n", "a.b.c"),
            ("a.b.c\n\n", "a.b.c\n"),
            ("a.b.c \n", "a.b.c "),
            (" a.b.c", " a.b.c"),
            ("\n", ""),
            ("", ""),
        ];
        for (given, kept) in cases {
            assert_eq!(without_newline(given.to_owned()), kept, "{given:?}");
        }
    }
}
