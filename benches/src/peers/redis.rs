//! What everyone knows: redis-server, asked for a value of 200 bytes over a Unix socket; and what a fleet shares its
//! revocations in.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use jwtkeeper_core::types::Id;

use super::{Peer, socket_in};
use crate::client::Asked;
use crate::fault::{Doing, Result};

/// The program, found in PATH.
const PROGRAM: &str = "redis-server";
/// The bytes of each value.
pub(crate) const VALUE: usize = 200;
/// How many keys there are.
const KEYS: usize = 64;
/// Commands on their way while keys are set.
const WINDOW: usize = 500;

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

/// Starts a server with nothing but its memory, on a socket of this name.
pub(crate) fn start(dir: &Path, name: &str) -> Result<Peer> {
    version()?;
    let socket = socket_in(dir, &format!("{name}.sock"));
    let process = Command::new(PROGRAM)
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
        .arg(dir)
        .arg("--unixsocket")
        .arg(&socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .doing("starting redis-server")?;
    Peer::started(process, socket, false)
}

/// Sets the keys that [`requests`] ask for.
pub(crate) fn set_keys(server: &Peer) -> Result<()> {
    let value = "v".repeat(VALUE);
    set(server, (0..KEYS).map(|number| command(&["SET", &key(number), &value])))
}

/// Revokes tokens as another host of the fleet would, for a month.
pub(crate) fn revoke(server: &Peer, jtis: impl Iterator<Item = Id>) -> Result<()> {
    let seconds = (30 * 24 * 3600).to_string();
    let set_one = |jti: Id| command(&["SET", &format!("JWTKeeper:{jti}"), "hard", "EX", &seconds]);
    set(server, jtis.map(set_one))
}

/// Sends commands that are answered OK, pipelined.
fn set(server: &Peer, commands: impl Iterator<Item = Vec<u8>>) -> Result<()> {
    const OK: &[u8] = b"+OK\r\n";
    let mut stream = server.connect()?;
    let mut commands = commands.peekable();
    while commands.peek().is_some() {
        let (mut count, mut bytes) = (0, Vec::new());
        for command in commands.by_ref().take(WINDOW) {
            bytes.extend(command);
            count += 1;
        }
        stream.write_all(&bytes).doing("setting redis keys")?;
        let mut replies = vec![0; OK.len() * count];
        stream.read_exact(&mut replies).doing("setting redis keys")?;
        if replies.chunks(OK.len()).any(|reply| reply != OK) {
            return Err("redis did not take a key".into());
        }
    }
    Ok(())
}

/// What a server takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Memory, in MiB.
    pub(crate) memory_mib: f64,
    /// Processor time since its start, in seconds.
    pub(crate) cpu_s: f64,
}

/// What INFO says of it.
pub(crate) fn taken(server: &Peer) -> Result<Taken> {
    let mut stream = BufReader::new(server.connect()?);
    stream.get_mut().write_all(&command(&["INFO"])).doing("INFO")?;
    let mut head = String::new();
    stream.read_line(&mut head).doing("INFO")?;
    let length = head.trim_end().strip_prefix('$').and_then(|length| length.parse().ok());
    let mut text = vec![0; length.ok_or_else(|| format!("redis answered {head}"))?];
    stream.read_exact(&mut text).doing("INFO")?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = value.and_then(|value| value.parse::<f64>().ok());
        value.ok_or_else(|| format!("redis tells no {name}"))
    };
    Ok(Taken {
        memory_mib: field("used_memory")? / f64::from(1 << 20),
        cpu_s: field("used_cpu_user")? + field("used_cpu_sys")?,
    })
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
