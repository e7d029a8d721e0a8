//! Files that are written slowly: nothing counts before it is whole.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use jwtkeeper_testkit::daemons::daemon::SECRET;
use jwtkeeper_testkit::daemons::{Over, meanwhile, pace};

/// Writes the new secret byte by byte with this pause, by `open`; meanwhile tokens are issued, and all of them must be
/// of one of the two secrets.
fn dripped(pause: Duration, open: impl Fn(&Path, bool) -> File) {
    let (daemon, token) = start(Setup::new()); // a file rests for a second
    let file = daemon.setup.path("default.secret");
    let (over, tokens) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            let client = daemon.client();
            while !over.load(Ordering::Relaxed) {
                let minted = client.issue(Issue::new()).unwrap();
                tokens.lock().unwrap().insert(minted.token().to_owned());
            }
        });
        for (number, byte) in OTHER.iter().enumerate() {
            // Opened anew for each byte, as `>>` does.
            open(&file, number == 0).write_all(&[*byte]).unwrap();
            if number + 1 < OTHER.len() {
                pace(pause);
            }
            assert_eq!(daemon.client().health().unwrap().generation, 1, "after {number} bytes");
        }
        until("it is in effect", || {
            daemon.client().validate(token.as_str()).unwrap() == Verdict::Invalid(Reason::BadSignature)
        });
    });
    let tokens = tokens.into_inner().unwrap();
    assert_eq!(
        daemon.client().health().unwrap().generation,
        2,
        "one step, from the one to the other"
    );
    let of = |secret: &[u8]| tokens.iter().filter(|token| is_of(token, secret)).count();
    let (old, new) = (of(SECRET.as_bytes()), of(OTHER));
    println!("{old} tokens of the old secret, {new} of the new");
    assert!(
        old > 0 && old + new == tokens.len(),
        "{} of something else",
        tokens.len() - old - new
    );
}

/// Whether this secret signed the token.
fn is_of(token: &str, secret: &[u8]) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = jsonwebtoken::DecodingKey::from_secret(secret).unwrap();
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap()
}

fn in_place(file: &Path, first: bool) -> File {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    let options = if first {
        options.write(true).truncate(true)
    } else {
        options.append(true)
    };
    options.open(file).unwrap()
}

/// Away with the old one first: what appears has a new inode.
fn anew(file: &Path, first: bool) -> File {
    if first {
        fs::remove_file(file).unwrap();
    }
    in_place(file, first)
}

#[test]
fn a_byte_each_5_ms() {
    dripped(Duration::from_millis(5), in_place);
}

#[test]
fn a_byte_each_5_ms_into_a_new_file() {
    dripped(Duration::from_millis(5), anew);
}

/// Shorter than a file must rest, by as much as a busy machine may add.
#[test]
fn with_long_pauses() {
    dripped(Duration::from_millis(100), in_place);
}

/// A configuration that keeps changing delays a secret by `settle`, and no longer.
#[test]
fn configuration_that_keeps_changing_delays_a_secret_by_settle_alone() {
    let settle = Duration::from_millis(300);
    let (daemon, token) = start(Setup::new().top("[reload]\nsettle = \"300ms\""));
    let file = daemon.setup.path("jwtkeeper.toml");
    let drip = |number: u64| {
        let mut file = OpenOptions::new().append(true).open(&file).unwrap();
        file.write_all(format!("# {number}\n").as_bytes()).unwrap();
        pace(Duration::from_millis(3));
    };
    meanwhile(drip, || {
        pace(settle); // it is changing by then
        let begun = Instant::now();
        put_secret(&daemon, "default.secret", OTHER);
        until("the new secret is in effect", || {
            daemon.client().validate(token.as_str()).unwrap() == Verdict::Invalid(Reason::BadSignature)
        });
        let took = begun.elapsed();
        println!("in effect after {took:?}");
        // It waited, and a busy machine may add to it, but not another `settle` and more.
        assert!((settle..settle * 4).contains(&took), "{took:?}");
    });
    let generation = daemon.client().health().unwrap().generation;
    assert_eq!(generation, 2, "the configuration was not stable yet");
}

/// A version that never rests holds back no secret.
#[test]
fn a_drip_elsewhere_holds_back_no_secret() {
    let setup = setup();
    setup.write("version", "1");
    let version = format!("version_file = \"{}\"", setup.path("version").display());
    let setup = setup.lines(&version).realm("second", "HS256", OTHER, "");
    let (daemon, token) = start(setup);
    let drip = |number: u64| {
        let text = number.to_string();
        daemon.setup.write("version", &text);
        daemon.setup.write_secret("second.secret", text.repeat(40).as_bytes());
        pace(Duration::from_millis(3));
    };
    meanwhile(drip, || {
        put_secret(&daemon, "default.secret", OTHER);
        until("the new secret is in effect", || {
            daemon.client().validate(token.as_str()).unwrap() == Verdict::Invalid(Reason::BadSignature)
        });
    });
}
