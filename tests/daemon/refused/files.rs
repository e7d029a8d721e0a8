//! Key and version files.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use jwtkeeper_client::Cause;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;
use jwtkeeper_testkit::daemons::daemon::chmod;

/// Makes the secret's file something that is not taken, then puts another secret there.
fn secret(make: impl FnOnce(&Daemon, &Path), says: &[&str]) {
    let (daemon, token) = start(setup());
    of_a_running_one(&daemon, &token, make, says);
}

fn of_a_running_one(daemon: &Daemon, token: &str, make: impl FnOnce(&Daemon, &Path), says: &[&str]) {
    let file = daemon.setup.path("default.secret");
    make(daemon, &file);
    refused(
        daemon,
        token,
        &[says, &["jwtkeeper.toml:", "secret_file", "default.secret"]].concat(),
    );
    put_secret(daemon, "default.secret", OTHER);
    recovered(daemon, token);
}

/// In place of the file.
fn instead(daemon: &Daemon, file: &Path, make: impl FnOnce(&Path)) {
    let aside = daemon.setup.path("aside");
    make(&aside);
    fs::rename(aside, file).unwrap();
}

#[test]
fn empty_by_rename() {
    secret(
        |daemon, _| put_secret(daemon, "default.secret", b""),
        &["the file is empty"],
    );
}

#[test]
fn truncated_where_it_lies() {
    secret(
        |daemon, _| daemon.setup.write_secret("default.secret", b""),
        &["is empty"],
    );
}

#[test]
fn short() {
    let says = ["has 5 bytes", "needs at least 32", "RFC 7518"];
    secret(|daemon, _| put_secret(daemon, "default.secret", b"short"), &says);
}

#[test]
fn a_newline_alone() {
    secret(
        |daemon, _| put_secret(daemon, "default.secret", b"\n"),
        &["the file is empty"],
    );
}

#[test]
fn missing() {
    secret(|_, file| fs::remove_file(file).unwrap(), &["No such file"]);
}

#[test]
fn its_directory_missing() {
    let (daemon, token) = start(setup());
    let directory = daemon.setup.path("keys");
    // Moved to a directory of its own, by a change of the configuration, and that then renamed away.
    let text = fs::read_to_string(daemon.setup.path("jwtkeeper.toml")).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::copy(daemon.setup.path("default.secret"), directory.join("default.secret")).unwrap();
    daemon
        .setup
        .write("jwtkeeper.toml", &text.replace("default.secret", "keys/default.secret"));
    until("the new place counts", || {
        daemon.client().health().unwrap().generation == 2
    });
    fs::rename(&directory, daemon.setup.path("away")).unwrap();
    until("it is missed", || {
        faults(&daemon).iter().any(|fault| fault.contains("No such file"))
    });
    serves_as_before(&daemon, &token);
    fs::create_dir(daemon.setup.path("new")).unwrap();
    daemon.setup.write_secret("new/default.secret", OTHER);
    fs::rename(daemon.setup.path("new"), directory).unwrap();
    recovered(&daemon, &token);
}

#[test]
fn readable_by_everyone() {
    let make = |_: &Daemon, file: &Path| chmod(file, 0o644);
    secret(make, &["can be read by everyone", "chmod 0600", "allow_world_readable"]);
}

/// What is to be done is done, and it counts: the very file, made private.
#[test]
fn readable_by_everyone_until_it_is_not() {
    let (daemon, token) = start(setup());
    fs::write(daemon.setup.path("aside"), OTHER).unwrap();
    chmod(&daemon.setup.path("aside"), 0o644);
    put(&daemon.setup.path("aside"), &daemon.setup.path("default.secret"));
    refused(&daemon, &token, &["can be read by everyone"]);
    chmod(&daemon.setup.path("default.secret"), 0o600);
    recovered(&daemon, &token);
}

#[test]
fn writable_by_everyone() {
    secret(|_, file| chmod(file, 0o602), &["can be written by everyone", "chmod"]);
}

/// Without the rights of root, which reads everything.
#[test]
fn unreadable() {
    let setup = setup();
    setup.init();
    let plain = setup.command(&[]);
    let mut command = Command::new("setpriv");
    if nix::unistd::geteuid().is_root() {
        command.arg("--bounding-set=-dac_override,-dac_read_search");
    }
    command.arg(plain.get_program()).args(plain.get_args());
    let daemon = Daemon::start_with(setup, command);
    let token = daemon.client().issue(Issue::new()).unwrap().token().to_owned();
    of_a_running_one(&daemon, &token, |_, file| chmod(file, 0o000), &["Permission denied"]);
}

#[test]
fn a_directory() {
    let make = |_: &Daemon, file: &Path| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    };
    secret(make, &["is not a regular file"]);
}

/// Nobody writes to it: whoever opened it would wait for ever.
#[test]
fn a_fifo() {
    let make = |daemon: &Daemon, file: &Path| {
        instead(daemon, file, |aside| {
            mkfifo(aside, Mode::from_bits_truncate(0o600)).unwrap()
        });
    };
    secret(make, &["is not a regular file"]);
}

#[test]
fn an_endless_device() {
    let make = |daemon: &Daemon, file: &Path| instead(daemon, file, |aside| symlink("/dev/zero", aside).unwrap());
    secret(make, &["is not a regular file"]);
}

#[test]
fn a_loop_of_links() {
    let make = |daemon: &Daemon, file: &Path| instead(daemon, file, |aside| symlink("default.secret", aside).unwrap());
    secret(make, &["symbolic links"]);
}

#[test]
fn a_link_to_nowhere() {
    let make = |daemon: &Daemon, file: &Path| instead(daemon, file, |aside| symlink("nowhere", aside).unwrap());
    secret(make, &["No such file"]);
}

#[test]
fn too_long_for_a_secret() {
    let make = |daemon: &Daemon, _: &Path| put_secret(daemon, "default.secret", &vec![b'x'; 65 * 1024]);
    secret(make, &["has 66560 bytes", "at most 65536"]);
}

/// As long as no memory holds, and all of it holes.
#[test]
fn too_long_for_anything() {
    let make = |_: &Daemon, file: &Path| {
        let file = fs::OpenOptions::new().write(true).open(file).unwrap();
        file.set_len(1 << 40).unwrap();
    };
    secret(make, &["has 1099511627776 bytes"]);
}

#[test]
fn a_key_file_as_a_secret() {
    let pem = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    secret(|daemon, _| put_secret(daemon, "default.secret", pem), &["PEM"]);
}

#[test]
fn half_a_key_file() {
    let make = |daemon: &Daemon, _: &Path| {
        put_secret(
            daemon,
            "default.secret",
            b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bij",
        );
    };
    secret(make, &["PEM file holds no key"]);
}

#[test]
fn half_a_jwk() {
    let make = |daemon: &Daemon, _: &Path| {
        put_secret(
            daemon,
            "default.secret",
            br#"{"kty":"oct","k":"c2VjcmV0IHNlY3JldCBzZWNyZXQ"#,
        )
    };
    secret(make, &["begins like a JWK and is not a whole one"]);
}

#[test]
fn a_jwk_of_another_algorithm() {
    let make = |daemon: &Daemon, _: &Path| {
        put_secret(
            daemon,
            "default.secret",
            br#"{"kty":"oct","alg":"HS512","k":"c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA"}"#,
        );
    };
    secret(make, &["alg is another algorithm"]);
}

/// A version that is none holds back nothing but its own realm's files, which are one unit.
#[test]
fn a_version_that_is_none() {
    let setup = setup();
    setup.write("version", "1");
    let version = format!("version_file = \"{}\"", setup.path("version").display());
    let (daemon, token) = start(setup.lines(&version));
    for (bytes, says) in [(&b"\xff\xfe1"[..], "not UTF-8"), (&[b'9'; 300], "more than 256 bytes")] {
        fs::write(daemon.setup.path("aside"), bytes).unwrap();
        put(&daemon.setup.path("aside"), &daemon.setup.path("version"));
        refused(&daemon, &token, &[says, "version_file"]);
    }
    daemon.setup.write("version", "2");
    until("the version counts", || {
        daemon.client().validate(token.as_str()).unwrap().rotation() == Some(Cause::StaleVersion)
    });
    assert!(daemon.client().health().unwrap().ready);
}

/// A version that is gone for the moment in which an editor replaces it makes no session rotate.
#[test]
fn a_version_gone_for_a_moment() {
    let setup = setup();
    setup.write("version", "1");
    let version = format!("version_file = \"{}\"", setup.path("version").display());
    let (daemon, token) = start(setup.lines(&version));
    for _ in 0..20 {
        fs::rename(daemon.setup.path("version"), daemon.setup.path("version~")).unwrap();
        assert_eq!(daemon.client().validate(token.as_str()).unwrap().rotation(), None);
        fs::write(daemon.setup.path("version"), "1").unwrap();
        assert_eq!(daemon.client().validate(token.as_str()).unwrap().rotation(), None);
    }
    daemon.client().reload().unwrap();
    assert_eq!(daemon.client().health().unwrap().generation, 1);
}

/// White space at its end is part of a secret, but for one newline: said, with a fingerprint to compare hosts by.
#[test]
fn a_stray_newline_is_seen() {
    let (daemon, token) = start(setup());
    let fingerprint = |daemon: &Daemon| daemon.health()["realms"][0]["keys"][0]["fingerprint"].clone();
    let before = fingerprint(&daemon);
    let mut secret = jwtkeeper_testkit::daemons::daemon::SECRET.as_bytes().to_vec();
    secret.push(b'\n');
    put_secret(&daemon, "default.secret", &secret);
    daemon.client().reload().unwrap();
    assert_eq!(fingerprint(&daemon), before, "one newline is none of it");
    assert!(daemon.client().validate(token.as_str()).unwrap().is_valid());
    secret.push(b'\n');
    put_secret(&daemon, "default.secret", &secret);
    daemon.client().reload().unwrap();
    assert_ne!(fingerprint(&daemon), before);
    assert!(
        daemon.health()["warnings"][0]
            .as_str()
            .unwrap()
            .contains("ends in white space")
    );
    assert!(daemon.client().health().unwrap().ready, "odd, and no fault");
}
