//! Support for the tests of the wire: samples of every message, frames, hexadecimal digits, and the golden files.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod samples;

pub(crate) use samples::*;

/// The whole frame of a message.
pub(crate) fn frame(message: &impl serde::Serialize) -> Vec<u8> {
    let mut frame = Vec::new();
    jwtkeeper_wire::put_frame(message, &mut frame).expect("a sample fits a frame");
    frame
}

/// Every sample as a frame, with its file and name.
pub(crate) fn frames() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut all = Vec::new();
    all.extend(hellos().iter().map(|(name, m)| ("hello", name.clone(), frame(m))));
    all.extend(greetings().iter().map(|(name, m)| ("greeting", name.clone(), frame(m))));
    all.extend(requests().iter().map(|(name, m)| ("request", name.clone(), frame(m))));
    all.extend(replies().iter().map(|(name, m)| ("reply", name.clone(), frame(m))));
    all.extend(code_replies().iter().map(|(name, m)| ("codes", name.clone(), frame(m))));
    all
}

/// The message of a frame: what follows the length.
pub(crate) fn body(frame: &[u8]) -> &[u8] {
    let length = jwtkeeper_wire::frame_length(frame, jwtkeeper_wire::MAX_FRAME)
        .unwrap()
        .unwrap();
    let body = frame.get(jwtkeeper_wire::LENGTH_BYTES..).unwrap();
    assert_eq!(body.len(), length, "one frame, whole");
    body
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| {
        let pair: String = pair.iter().collect();
        u8::from_str_radix(&pair, 16).expect("hexadecimal digits")
    };
    digits.chunks(2).map(byte).collect()
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Returns true if new golden lines and the table of codes may be written.
pub(crate) fn bless() -> bool {
    std::env::var_os("JWTKEEPER_BLESS").is_some_and(|value| value == "1")
}

/// The golden frames of a file, by name.
pub(crate) fn golden(file: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
    let path = repository("tests/golden/wire").join(format!("{file}.hex"));
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut lines = std::collections::BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, digits) = line.split_once(' ').expect("a name and hexadecimal digits");
        let twice = lines.insert(name.to_owned(), unhex(digits));
        assert!(twice.is_none(), "{name} stands twice in {}", path.display());
    }
    lines
}
