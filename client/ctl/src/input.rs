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
        "-" => read("stdin", stdin()).map(|text| text.trim().to_owned()),
        _ => Ok(given.to_owned()),
    }
}

/// A cookie's value: as it is, or a file's.
pub(crate) fn cookie(given: Option<&str>) -> Result<Option<String>, Failure> {
    match given {
        Some(given) => match given.strip_prefix('@') {
            Some(path) => file(path).map(|text| Some(text.trim().to_owned())),
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
