//! The forms of the log: text, JSON, and the journal's own where stderr is the journal; the audit in the journal too.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

use jwtkeeper_client::Issue;

use jwtkeeper_testkit::daemons::namespace::{Users, can, inside};
use jwtkeeper_testkit::daemons::{Daemon, PATIENCE, Setup};

#[test]
fn json_is_one_object_a_line() {
    let mut daemon = Setup::new().lines("[log]\nformat = \"json\"").start();
    daemon.client().reload().unwrap();
    daemon.stop();
    let log = daemon.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let said = |text: &str| lines.iter().find(|line| line["message"] == text).expect(text);
    assert_eq!(said("ready")["level"], "INFO");
    assert_eq!(said("ready")["entries"], 0);
    assert_eq!(said("reloaded; nothing changed")["generation"], 1);
    said("stopped");
}

/// A journal of the test's, in the place of the host's, in a mount namespace.
#[test]
fn the_journal_has_fields() {
    if !can(Users::Shared) {
        return;
    }
    let setup = Setup::new().lines("[audit]\nto = \"journal\"");
    setup.init();
    let path = setup.path("journal");
    let journal = UnixDatagram::bind(&path).unwrap();
    journal.set_read_timeout(Some(PATIENCE)).unwrap();
    let script = format!(
        "mkdir -p /run/systemd/journal\nmount -t tmpfs tmpfs /run/systemd/journal\n: > /run/systemd/journal/socket\n\
         mount --bind '{}' /run/systemd/journal/socket",
        path.display()
    );
    let mut command = inside(&setup.command(&[]), &script, Users::Shared);
    // stderr is a file here; that it is the journal is what systemd says of it.
    let log = std::fs::File::create(setup.path("log")).unwrap().metadata().unwrap();
    command.env("JOURNAL_STREAM", format!("{}:{}", log.dev(), log.ino()));
    let daemon = Daemon::start_with(setup, command);
    let minted = daemon.client().issue(Issue::new()).unwrap();
    let next = |text: &str| {
        let mut bytes = [0; 8192];
        loop {
            let count = journal.recv(&mut bytes).expect(text);
            let entry = entry(&bytes[..count]);
            if entry.get("MESSAGE").is_some_and(|message| message.contains(text)) {
                return entry;
            }
        }
    };
    let ready = next("ready");
    assert_eq!(ready["PRIORITY"], "5");
    assert_eq!(ready["SYSLOG_IDENTIFIER"], "jwtkeeperd");
    assert_eq!(ready["ENTRIES"], "0");
    let audit = next(&minted.jti);
    assert_eq!(audit["SYSLOG_IDENTIFIER"], "jwtkeeperd-audit");
    let line: serde_json::Value = serde_json::from_str(&audit["MESSAGE"]).unwrap();
    assert_eq!(line["operation"], "issue");
    // Who reads messages alone is told the cause too.
    daemon.setup.write_secret("default.secret", b"short");
    assert!(daemon.client().reload().is_err());
    let refused = next("rejected");
    assert_eq!(refused["PRIORITY"], "3");
    let fault = &refused["FAULT"];
    let secret = daemon.setup.path("default.secret");
    assert!(
        fault.contains(&format!("{}: the secret has 5 bytes", secret.display())),
        "{fault}"
    );
    let told = format!("rejected; keeping the previous state fault={fault}");
    assert_eq!(refused["MESSAGE"], told);
    assert_eq!(daemon.log(), "", "nothing is said twice");
}

/// An entry of the journal's native protocol: `NAME=text`, or, where the text may hold newlines, NAME and its length before it.
fn entry(mut bytes: &[u8]) -> HashMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut fields = HashMap::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = text(&bytes[..end]);
        bytes = &bytes[end + 1..];
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let (length, rest) = bytes.split_first_chunk().unwrap();
                let (value, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
                bytes = &rest[1..];
                (line, text(value))
            }
        };
        fields.insert(name, value);
    }
    fields
}
