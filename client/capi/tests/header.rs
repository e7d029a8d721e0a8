//! include/jwtkeeper.h is what the crate says: its functions by cbindgen, its codes from the one table. And the library
//! exports these functions and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use jwtkeeper_client::{Cause, ClientCode, CodeRow, ErrorCode, Reason, State};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An enum of C: every code, under its name.
fn codes(about: &str, prefix: &str, first: Option<&str>, rows: &[CodeRow]) -> String {
    let mut text = format!("\n/** {about} */\nenum {{\n");
    if let Some(line) = first {
        writeln!(text, "    {line},").unwrap();
    }
    for row in rows {
        let (name, code, meaning) = (row.name.to_uppercase(), row.code, row.meaning);
        writeln!(text, "    /** {meaning} */\n    {prefix}_{name} = {code},").unwrap();
    }
    text + "};\n"
}

fn all_codes() -> String {
    let errors: Vec<_> = ErrorCode::ALL.iter().filter_map(|code| code.row()).collect();
    let clients: Vec<_> = ClientCode::ALL.iter().filter_map(|code| code.row()).collect();
    let reasons: Vec<_> = Reason::ALL.iter().filter_map(|code| code.row()).collect();
    let causes: Vec<_> = Cause::ALL.iter().filter_map(|code| code.row()).collect();
    let states: Vec<_> = State::ALL.iter().filter_map(|code| code.row()).collect();
    let mut rows = [clients, errors].concat();
    rows.sort_by_key(|row| row.code);
    let first = Some("/** Answered. */\n    JWTKEEPER_OK = 0");
    [
        codes("Results: why there is no answer.", "JWTKEEPER_ERROR", first, &rows),
        codes("Why a token is not valid.", "JWTKEEPER_REASON", None, &reasons),
        codes(
            "Why a valid token should be rotated now.",
            "JWTKEEPER_CAUSE",
            None,
            &causes,
        ),
        codes("What the denylist says of a jti.", "JWTKEEPER_STATE", None, &states),
    ]
    .concat()
}

/// The values that src/argument.rs takes in the place of a length, a time and a ttl.
const MARKS: &str = "
/** As a length: the string ends at its NUL. */
#define JWTKEEPER_NUL SIZE_MAX

enum {
    /** As a time: the moment of the call, which a repeated attempt keeps. */
    JWTKEEPER_NOW = -1,
    /** As a ttl: what the realm says. */
    JWTKEEPER_REALM_EXPIRY = -1,
};
";

/// The version, for the preprocessor: that of the library is jwtkeeper_version().
fn version() -> String {
    let parts = [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ];
    let mut text = "\n/** The version of this header; jwtkeeper_version() is that of the library. */\n".to_owned();
    for (part, number) in parts {
        writeln!(text, "#define JWTKEEPER_VERSION_{part} {number}").unwrap();
    }
    text
}

fn header() -> String {
    let mut config = cbindgen::Config::from_file(here("cbindgen.toml")).unwrap();
    config.after_includes = Some(version() + MARKS + &all_codes());
    let mut text = Vec::new();
    cbindgen::Builder::new()
        .with_crate(env!("CARGO_MANIFEST_DIR"))
        .with_config(config)
        .generate()
        .unwrap()
        .write(&mut text);
    String::from_utf8(text).unwrap()
}

/// The committed file, which JWTKEEPER_BLESS=1 writes.
fn is_committed(path: &str, expected: &str) {
    let path = here(path);
    if std::env::var_os("JWTKEEPER_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is stale: run with JWTKEEPER_BLESS=1 to write it, and look at what changed",
        path.display()
    );
}

#[test]
fn the_header_is_what_the_crate_says() {
    is_committed("include/jwtkeeper.h", &header());
}
