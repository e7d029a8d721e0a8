//! C: examples/c, and the same HTTP loop and session flow in the app that is held to the cases. Both are built under the
//! sanitizers: they read what comes from outside.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::app::{Language, built, root};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::impostor::refuses_an_impostor;
use crate::restart::hears_of_no_restart;
use jwtkeeper_testkit::daemons::{PATIENCE, Setup};

fn make(goal: &Path, directory: &Path) {
    let mut make = Command::new("make");
    make.arg("-C").arg(root("examples/c")).arg(goal);
    make.arg(format!("OUT={}", directory.display()));
    make.arg(format!("LIBRARY={}", built("libjwtkeeper.so").display()));
    make.arg("CFLAGS=-O1 -g -Werror -fsanitize=address,undefined -fno-sanitize-recover=all");
    let output = make.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A program of examples/c/Makefile, and the directory that it lies in.
fn program(name: &str) -> (PathBuf, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join(name);
    make(&program, directory.path());
    (program, directory)
}

#[test]
fn the_session_flow_conforms() {
    let (program, _directory) = program("conformance");
    conforms(&Language::new("c", program, &[]));
}

#[test]
fn the_example_works() {
    let (program, _directory) = program("app");
    examples_work(&Language::new("examples/c", program, &[]));
}

#[test]
fn hears_of_no_restarts() {
    hears_of_no_restart("c");
}

/// What is no request is answered 400, and the app goes on.
#[test]
fn the_loop_bears_what_is_no_request() {
    let (program, _directory) = program("app");
    let daemon = Setup::new().start();
    let language = Language::new("examples/c", program, &[]);
    let app = language.start(
        "listening on http://127.0.0.1:",
        &daemon.setup.socket(),
        &[("PORT", "0")],
    );
    let ask = |request: &[u8]| {
        let address = app.url("");
        let mut stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The app may have answered and closed before it had read everything.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        String::from_utf8_lossy(&said).chars().take(12).collect::<String>()
    };
    let login = |tail: &str| format!("POST /login HTTP/1.1\r\n{tail}").into_bytes();
    let many = "A: b\r\n".repeat(65);
    for request in [
        b"\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/2\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nno field\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n".to_vec(),
        login("Content-Length: 5\r\n\r\nabc"),
        login("Content-Length: -1\r\n\r\nabc"),
        login("Content-Length: 99999999999999999999\r\n\r\nabc"),
        login("Content-Length: 65536\r\n\r\nabc"),
        login("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        login("Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
        login("Transfer-Encoding: chunked\r\n\r\n3\r\nab"),
        login("Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"),
        login("Transfer-Encoding: chunked\r\n\r\nfffff\r\nabcd\r\n0\r\n\r\n"),
        login("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabcd\r\n"),
        login("Transfer-Encoding: chunked\r\n\r\n\r\n"),
        login(&format!("{many}\r\n")),
    ] {
        let said = ask(&request);
        assert_eq!(said, "HTTP/1.1 400", "{}", String::from_utf8_lossy(&request));
    }
    for body in [
        "",
        "{",
        "{\"user\"",
        "{\"user\":\"demo",
        "{\"user\":\"demo\\",
        "[]",
        "{\"user\":[[[",
        "{\"user\":}",
    ] {
        let request = login(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        assert_eq!(ask(&request), "HTTP/1.1 401", "{body}");
    }
    let chunked = b"Transfer-Encoding: chunked\r\n\r\n11\r\n{\"user\":\"demo\",\"p\r\nf\r\nassword\":\"demo\"\r\n1\r\n}\r\n0\r\n\r\n";
    assert_eq!(ask(&login(std::str::from_utf8(chunked).unwrap())), "HTTP/1.1 204");
    // Longer than any request may be: refused, at the latest when it is cut off.
    let said = ask(&login(&"x".repeat(1 << 20)));
    assert!(said.is_empty() || said == "HTTP/1.1 400", "{said}");
    assert_eq!(ask(b"GET /nothing HTTP/1.1\r\n\r\n"), "HTTP/1.1 404");
}

#[test]
fn an_impostor_is_refused() {
    let (program, _directory) = program("conformance");
    refuses_an_impostor(&Language::new("c", program, &[]));
}
