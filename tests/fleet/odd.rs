//! What neither a daemon nor a gem writes, found in the place of an entry: treating it as revoked, is told of, and is written
//! over with what can be read, once; and cutoffs that lie in the future.

use jwtkeeper_client::{Issue, Minted, Reason, Verdict, blocking};

use crate::hosts::{Holder, at, complaints, entry, host, is_revoked, is_settled, issue, write_as_a_gem};
use jwtkeeper_testkit::daemons::{Daemon, until, wait_for};
use jwtkeeper_testkit::servers::Server;

/// Readings of everything that a login made since must outlive.
const READINGS: usize = 3;

fn two(server: &Server) -> [Daemon; 2] {
    [(); 2].map(|()| host(at(&server.url())))
}

fn unknown(daemon: &Daemon) -> u64 {
    daemon.health()["store"]["unknown"].as_u64().unwrap()
}

/// Puts words in the place of a key: in them `KEY` stands for it.
fn put(server: &Server, key: &str, words: &[&str]) {
    let words: Vec<_> = words
        .iter()
        .map(|word| if *word == "KEY" { key } else { word })
        .collect();
    server.ask::<()>(&["DEL", key]);
    server.ask::<redis::Value>(&words);
}

fn login(client: &blocking::Client, subject: &str) -> Minted {
    client
        .issue(Issue::new().claims(format!(r#"{{"sub":"{subject}"}}"#)))
        .unwrap()
}

fn is_valid(daemon: &Daemon, minted: &Minted) -> bool {
    match daemon.client().validate(minted.token()) {
        Ok(Verdict::Invalid(reason)) => {
            assert_eq!(reason, Reason::Revoked);
            false
        }
        Ok(_) => true,
        Err(error) => {
            assert!(error.is_unavailable(), "{error}");
            false
        }
    }
}

/// Has everything read again: what is taken away while nobody is told of changes shows to who reads everything.
fn read_all_again(server: &Server, key: &str) {
    let mut pipeline = redis::pipe();
    pipeline
        .atomic()
        .cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes");
    pipeline.cmd("DEL").arg(key);
    pipeline.exec(&mut server.client().get_connection().unwrap()).unwrap();
    until("it is read, and put back", || {
        server.not_hard(&[key.to_owned()]).is_empty()
    });
}

#[test]
fn a_tokens_entry_is_hard_and_written_over() {
    let server = Server::start();
    let hosts = two(&server);
    for (number, words) in [
        &["SETEX", "KEY", "3600", "HARD"][..],
        &["SET", "KEY", ""],
        &["SET", "KEY", "hard "],
        &["RPUSH", "KEY", "x"],
    ]
    .into_iter()
    .enumerate()
    {
        let minted = issue(&hosts[0].client());
        put(&server, &entry(&minted.jti), words);
        for host in &hosts {
            until("it is revoked there", || is_revoked(&host.client(), minted.token()));
        }
        until("it is written over", || {
            server.not_hard(&[entry(&minted.jti)]).is_empty()
        });
        for host in &hosts {
            until("it is settled", || is_settled(host));
        }
        let told: u64 = hosts.iter().map(unknown).sum();
        assert!(told > number as u64, "{told}");
    }
}

/// Logins begun by now are revoked, and none that is begun later, however often it is read.
fn heals(key: &str, words: &[&str]) {
    let server = Server::start();
    let [marker] = write_as_a_gem(&server.url(), 1, 1).try_into().unwrap();
    let hosts = two(&server);
    let before = login(&hosts[0].client(), "somebody");
    put(&server, key, words);
    for host in &hosts {
        until("it is revoked there", || !is_valid(host, &before));
        assert!(is_revoked(&host.client(), before.token()));
    }
    until("it is written over", || {
        let value: String = server.try_ask(&["GET", key]).unwrap_or_default();
        value.starts_with(r#"{"revoked":{"steps":"#)
    });
    for host in &hosts {
        until("it is settled", || is_settled(host));
    }
    assert!(hosts.iter().map(unknown).sum::<u64>() > 0, "nobody has told of it");
    let after = login(&hosts[0].client(), "somebody");
    let all = |what: &str| {
        for host in &hosts {
            until(&format!("valid {what}"), || is_valid(host, &after));
            assert!(!is_valid(host, &before), "{what}");
        }
    };
    all("at first");
    let settled: String = server.ask(&["GET", key]);
    for _ in 0..READINGS {
        read_all_again(&server, &entry(&marker));
        all("after a reading");
        assert_eq!(server.ask::<String>(&["GET", key]), settled, "it moved");
    }
}

#[test]
fn junk_in_a_subjects_place_heals() {
    heals("JWTKeeper:~u:somebody", &["SETEX", "KEY", "3600", "junk"]);
}

#[test]
fn a_list_in_a_subjects_place_heals() {
    heals("JWTKeeper:~u:somebody", &["RPUSH", "KEY", "x"]);
}

#[test]
fn junk_in_a_realms_place_heals() {
    heals("JWTKeeper:~r", &["SET", "KEY", r#"{"revoked":{"start":12}}"#]);
}

#[test]
fn a_list_in_a_realms_place_heals() {
    heals("JWTKeeper:~r", &["RPUSH", "KEY", "x"]);
}

/// Applied as of when it was first seen, whatever is read later.
#[test]
fn a_cutoff_in_the_future_holds_as_of_when_it_was_first_seen() {
    let server = Server::start();
    let [marker] = write_as_a_gem(&server.url(), 1, 1).try_into().unwrap();
    let daemon = host(at(&server.url()));
    let before = login(&daemon.client(), "somebody");
    assert!(is_valid(&daemon, &before));
    let (now, _): (u64, u64) = server.ask(&["TIME"]);
    let (start, sequence) = ((now + 3600) * 1000, now * 1_000_000);
    let value = format!(
        r#"{{"revoked":{{"steps":[[{start},{sequence}]],"until":{}}}}}"#,
        now + 7200
    );
    server.ask::<()>(&["SETEX", "JWTKeeper:~r", "7200", &value]);
    until("it is told of", || complaints(&daemon).contains("lie in the future"));
    assert!(is_revoked(&daemon.client(), before.token()));
    // As soon as clocks cannot differ by more.
    let after = wait_for("a later login is valid", || {
        let minted = daemon.client().issue(Issue::new()).ok()?;
        is_valid(&daemon, &minted).then_some(minted)
    });
    for _ in 0..READINGS {
        read_all_again(&server, &entry(&marker));
        until("it is still valid", || is_valid(&daemon, &after));
        assert!(!is_valid(&daemon, &before));
    }
    assert!(complaints(&daemon).contains("lie in the future"));
    assert!(daemon.client().health().unwrap().ready, "{}", complaints(&daemon));
}

/// Every foreign value has its line only while they are few; the rest are counted.
#[test]
fn many_foreign_values_write_a_few_lines_and_their_count() {
    const VALUES: usize = 3000;
    let server = Server::start();
    let mut pipeline = redis::pipe();
    for number in 0..VALUES {
        let key = entry(&format!("foreign-{number}"));
        pipeline.cmd("SET").arg(key).arg("foreign").arg("EX").arg(3600).ignore();
    }
    pipeline.exec(&mut server.client().get_connection().unwrap()).unwrap();
    let mut daemon = host(at(&server.url()));
    until("all are read", || unknown(&daemon) >= VALUES as u64);
    until("all are written over", || is_settled(&daemon));
    let read = unknown(&daemon);
    daemon.stop();
    let log = daemon.log();
    let about: Vec<_> = log.lines().filter(|line| line.contains("oreign")).collect();
    assert!(about.len() <= 20, "{} lines", about.len());
    let written = about
        .iter()
        .filter(|line| line.contains("an entry in Redis has a value"))
        .count();
    let counts = about
        .iter()
        .filter_map(|line| line.split_once("suppressed=")?.1.split_whitespace().next());
    let suppressed: u64 = counts.map(|count| count.parse::<u64>().unwrap()).sum();
    assert_eq!(written as u64 + suppressed, read);
}
