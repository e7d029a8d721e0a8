//! An authority of the tests' own, and servers that it vouches for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::one::Server;
use super::process::free_port;

/// An authority, and two certificates that it signed: a server's, for `127.0.0.1` and `localhost`, and a client's.
pub struct Authority {
    directory: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Self { directory };
        let key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-sha256",
        ];
        let mut own = vec!["req", "-x509", "-days", "30", "-subj", "/CN=tests", "-keyout", "ca.key"];
        own.extend(["-out", "ca.crt", "-addext", "keyUsage=critical,keyCertSign"]);
        own.extend(key);
        authority.openssl(&own);
        std::fs::write(authority.file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        for (name, subject) in [("server", "/CN=localhost"), ("client", "/CN=jwtkeeperd")] {
            let [private, asked, signed] = ["key", "csr", "crt"].map(|end| format!("{name}.{end}"));
            let mut request = vec!["req", "-subj", subject, "-keyout", &private, "-out", &asked];
            request.extend(key);
            authority.openssl(&request);
            let mut sign = vec!["x509", "-req", "-in", &asked, "-CA", "ca.crt", "-CAkey", "ca.key"];
            sign.extend(["-CAcreateserial", "-days", "30", "-sha256", "-extfile", "names"]);
            sign.extend(["-out", &signed]);
            authority.openssl(&sign);
        }
        authority
    }

    /// A client's certificate, and its private key.
    pub fn client(&self) -> [PathBuf; 2] {
        ["client.crt", "client.key"].map(|name| self.file(name))
    }

    /// Returns the certificate that a client trusts.
    pub fn certificate(&self) -> PathBuf {
        self.file("ca.crt")
    }

    /// A server that speaks TLS at the port that comes with it.
    pub fn server(&self, arguments: &[&str]) -> (Server, u16) {
        let port = free_port();
        let text = port.to_string();
        let files = ["server.crt", "server.key", "ca.crt"].map(|name| self.file(name));
        let [certificate, key, trusted] = files.each_ref().map(|path: &PathBuf| path.to_str().unwrap());
        let mut all = vec!["--tls-port", &text, "--tls-auth-clients", "no"];
        all.extend([
            "--tls-cert-file",
            certificate,
            "--tls-key-file",
            key,
            "--tls-ca-cert-file",
            trusted,
        ]);
        all.extend(arguments);
        (Server::with(&all), port)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        run(self.directory.path(), arguments);
    }
}

fn run(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
