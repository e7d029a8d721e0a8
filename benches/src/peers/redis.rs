//! What everyone knows: redis-server, asked for a value of 200 bytes over a Unix socket.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Peer, socket_in};
use crate::client::Asked;
use crate::fault::{Doing, Result};

/// The program, found in PATH.
const PROGRAM: &str = "redis-server";
/// The bytes of each value.
pub(crate) const VALUE: usize = 200;
/// How many keys there are.
const KEYS: usize = 64;

const MISSING: &str = "redis-server, which the daemon is compared with, is not in PATH: install it \
                       (Debian and Ubuntu: apt-get install redis-server), or measure one part with --only";

/// What `redis-server --version` says.
pub(crate) fn version() -> Result<String> {
    let output = Command::new(PROGRAM).arg("--version").output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => MISSING.to_owned(),
        _ => format!("{PROGRAM}: {error}"),
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
    Ok(version.unwrap_or("unknown").to_owned())
}

/// Starts a server with nothing but its memory, and sets the keys.
pub(crate) fn start(dir: &Path) -> Result<Peer> {
    version()?;
    let socket = socket_in(dir, "redis.sock");
    let process = Command::new(PROGRAM)
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
        .arg(dir)
        .arg("--unixsocket")
        .arg(&socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .doing("starting redis-server")?;
    let peer = Peer::started(process, socket, false)?;
    let value = "v".repeat(VALUE);
    let mut stream = peer.connect()?;
    for number in 0..KEYS {
        let request = command(&["SET", &key(number), &value]);
        stream.write_all(&request).doing("setting a redis key")?;
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).doing("setting a redis key")?;
        if reply != *b"+OK\r\n" {
            return Err("redis did not take a key".into());
        }
    }
    Ok(peer)
}

/// A GET of each key.
pub(crate) fn requests() -> Vec<Vec<u8>> {
    (0..KEYS).map(|number| command(&["GET", &key(number)])).collect()
}

fn key(number: usize) -> String {
    format!("JWTKeeper:0190b5a4-7a3c-7def-8123-{number:012}")
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        assert_eq!(super::command(&["GET", "a"]), b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    }
}
