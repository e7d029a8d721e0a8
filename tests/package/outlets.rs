//! What the daemon tells others from inside its sandbox: the audit's file, and health and metrics over HTTP.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use jwtkeeper_client::{Issue, Verdict};

use crate::Machine;
use crate::packages::project;
use jwtkeeper_testkit::daemons::until;

fn configured(machine: &Machine, lines: &str) {
    machine.write("/etc/jwtkeeper/conf.d/test.toml", lines);
    machine.sh("systemctl restart jwtkeeperd");
}

/// The audit goes on in a new file after what the example for logrotate does.
#[test]
fn the_audit_is_rotated() {
    let machine = Machine::installed();
    configured(&machine, "[audit]\nfile = \"/var/log/jwtkeeper/audit.json\"\n");
    machine.client().issue(Issue::new()).unwrap();
    let example = std::fs::read_to_string(project().join("examples/logrotate/jwtkeeperd")).unwrap();
    let after = example
        .split("postrotate")
        .nth(1)
        .unwrap()
        .split("endscript")
        .next()
        .unwrap();
    machine.sh("mv /var/log/jwtkeeper/audit.json /var/log/jwtkeeper/audit.json.1");
    machine.sh(after);
    // Until the daemon has seen the signal lines go to the old file: one of them comes to the new one.
    until("a line is in the new file", || {
        machine.client().issue(Issue::new()).unwrap();
        let lines = machine.try_sh("cat /var/log/jwtkeeper/audit.json").stdout;
        String::from_utf8_lossy(&lines).contains("\"operation\":\"issue\"")
    });
    let owner = machine.sh("stat --format='%U:%G' /var/log/jwtkeeper/audit.json");
    assert_eq!(owner, "jwtkeeper:jwtkeeper\n");
}

/// A disk that takes no file is no reason not to serve, and once it is mended nobody need restart anything.
#[test]
fn the_audit_comes_when_its_disk_does() {
    let machine = Machine::installed();
    let disk = "/var/log/jwtkeeper";
    machine.sh(&format!(
        "mount -t tmpfs -o \"nr_inodes=1,mode=0750,uid=$(id -u jwtkeeper),gid=$(id -g jwtkeeper)\" tmpfs {disk}"
    ));
    configured(&machine, &format!("[audit]\nfile = \"{disk}/audit.json\"\n"));
    let client = machine.client();
    assert!(client.issue(Issue::new()).is_err());
    assert!(matches!(client.validate("a.b.c").unwrap(), Verdict::Invalid(_)));
    let status = machine.sh("systemctl status jwtkeeperd");
    assert!(
        status.contains("audit.json cannot be opened: No space left on device"),
        "{status}"
    );
    machine.sh(&format!("mount -o remount,nr_inodes=100 {disk}"));
    until("it is written", || client.health().unwrap().ready);
    client.issue(Issue::new()).unwrap();
    assert_eq!(machine.show("jwtkeeperd", "NRestarts"), "0");
}

/// A Unix socket needs nothing; a loopback address needs the example drop-in.
#[test]
fn metrics_are_to_be_had() {
    let machine = Machine::installed();
    configured(&machine, "[metrics]\nsocket = \"/run/jwtkeeper/metrics.sock\"\n");
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stream = UnixStream::connect(machine.socket().with_file_name("metrics.sock")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Those who may open the daemon's socket may read it, and they need not be of the daemon's own group.
    let owner = machine.sh("stat --format='%A %U:%G' /run/jwtkeeper/metrics.sock");
    assert_eq!(owner, "srw-rw---- jwtkeeper:jwtkeeper-clients\n");

    machine.sh(
        "mkdir /etc/systemd/system/jwtkeeperd.service.d\n\
         cp /usr/share/doc/jwtkeeperd/systemd/jwtkeeperd.service.d/metrics.conf /etc/systemd/system/jwtkeeperd.service.d/\n\
         systemctl daemon-reload",
    );
    configured(&machine, "[metrics]\nlisten = \"127.0.0.1:9464\"\n");
    let asked = machine.sh("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/9464; \
         printf \"GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n\" >&3; head -n 1 <&3'");
    assert!(asked.starts_with("HTTP/1.1 200"), "{asked}");
}
