//! Runs interop.py.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What `make` made.
#[derive(Deserialize)]
pub(crate) struct Made {
    /// Python's clock: it judges our tokens by that, so ours are made by it.
    pub(crate) now: i64,
    pub(crate) claims: Value,
    pub(crate) cookie: String,
    pub(crate) algorithms: BTreeMap<String, AlgorithmMade>,
}

#[derive(Deserialize)]
pub(crate) struct AlgorithmMade {
    pub(crate) files: Vec<FileMade>,
    pub(crate) token: String,
    pub(crate) named_token: String,
    pub(crate) locked: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(crate) struct FileMade {
    pub(crate) path: String,
    pub(crate) private: bool,
    pub(crate) kid: Option<String>,
}

/// Makes key files in a directory, and tokens.
pub(crate) fn make(directory: &Path) -> Made {
    run(&["make", directory.to_str().unwrap()], "")
}

/// Asks PyJWT.
pub(crate) fn ask(work: &str, asked: &Value) -> Value {
    run(&[work], &asked.to_string())
}

fn run<T: DeserializeOwned>(args: &[&str], input: &str) -> T {
    let python = std::env::var_os("JWTKEEPER_PYTHON").unwrap_or_else(|| "/usr/bin/python3".into());
    let has = Command::new(&python).args(["-c", "import jwt, cryptography"]).output();
    assert!(
        has.is_ok_and(|output| output.status.success()),
        "install python3-jwt and python3-cryptography (make test does it as root)"
    );
    let mut child = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/interop.py"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
