//! HTTP as it travels, and a page of metrics as others read it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Daemon, PATIENCE, Setup, wait_for};

/// The address at which a daemon serves metrics.
#[derive(Clone)]
pub enum At {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// A daemon that serves metrics on a Unix socket.
pub fn start(setup: Setup) -> (Daemon, At) {
    let socket = setup.path("metrics.sock");
    let daemon = setup
        .top(&format!("[metrics]\nsocket = \"{}\"", socket.display()))
        .start();
    (daemon, At::Unix(socket))
}

/// One that serves them on a loopback address.
pub fn start_tcp(setup: Setup) -> (Daemon, At) {
    let daemon = setup.top("[metrics]\nlisten = \"127.0.0.1:0\"").start();
    let address = wait_for("the log names the address", || {
        let log = daemon.log();
        let (_, rest) = log.split_once("serving metrics and health over HTTP at=")?;
        rest.split_once('\n')?.0.parse().ok()
    });
    (daemon, At::Tcp(address))
}

impl At {
    pub fn connect(&self) -> Box<dyn Stream> {
        match self {
            At::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
            At::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        }
    }

    /// Sends bytes, and reads what comes until the end.
    pub fn say(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes); // it may be refused before its end
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // a reset is an end
        answer
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let bytes = self.say(request.as_bytes());
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        assert_eq!(body.len(), if method == "HEAD" { 0 } else { length });
        let (head, body) = (head.to_owned(), body.to_owned());
        Answer { status, head, body }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// Returns readiness, and the faults.
    pub fn ready(&self) -> (bool, Value) {
        let answer = self.get("/readyz");
        let document: Value = answer.body.parse().unwrap();
        assert_eq!(document["ready"], answer.status == 200);
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200, document)
    }

    /// The value of one series, as it is written.
    pub fn value(&self, series: &str) -> Option<f64> {
        let page = self.get("/metrics").body;
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    }

    /// The sum of all series that begin so.
    pub fn sum(&self, prefix: &str) -> f64 {
        let page = self.get("/metrics").body;
        let series: Vec<_> = page.lines().filter(|line| line.starts_with(prefix)).collect();
        assert!(!series.is_empty(), "{prefix} is not on the page");
        let values = series.iter().map(|line| line.rsplit(' ').next().unwrap());
        values.map(|value| value.parse::<f64>().unwrap()).sum()
    }

    pub fn page(&self, open_metrics: bool) -> String {
        let accept = if open_metrics {
            "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n"
        } else {
            ""
        };
        let answer = self.ask("GET", "/metrics", accept);
        assert_eq!(answer.status, 200);
        let kind = if open_metrics {
            "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "content-type: text/plain; version=0.0.4; charset=utf-8"
        };
        assert!(answer.head.contains(kind), "{}", answer.head);
        answer.body
    }
}

/// A page as Prometheus's client for Python reads it: a list of families.
pub fn parsed(page: &str, form: &str) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../..", "/tests/daemon/metrics/parse.py");
    let output = piped(Command::new("/usr/bin/python3").arg(script).arg(form), page);
    serde_json::from_str(&output).unwrap()
}

/// Returns the output of a command that must succeed, for its input.
pub fn piped(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is not there; make test installs what the tests need as root");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (said, errors) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{command:?}: {said}{errors}");
    said
}
