//! The forms of the log: text, JSON, and the journal's own where stderr is the journal; the audit in the journal too.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

use jwtkeeper_client::Issue;

use crate::support::namespace::{Users, can, inside};
use crate::support::{Daemon, PATIENCE, Setup};

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
    assert_eq!(said("reloaded: nothing is new")["generation"], 1);
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
            let entry = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if entry.contains(text) {
                return entry;
            }
        }
    };
    let ready = next("ready");
    for field in ["PRIORITY", "SYSLOG_IDENTIFIER", "jwtkeeperd", "ENTRIES"] {
        assert!(ready.contains(field), "{field}: {ready}");
    }
    let audit = next(&minted.jti);
    assert!(audit.contains("SYSLOG_IDENTIFIER=jwtkeeperd-audit\n"), "{audit}");
    assert!(
        audit.contains("MESSAGE={\"time\":\"") && audit.contains("\"operation\":\"issue\""),
        "{audit}"
    );
    assert_eq!(daemon.log(), "", "nothing is said twice");
}
