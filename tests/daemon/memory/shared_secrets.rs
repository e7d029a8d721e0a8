//! HMAC secrets, the states of their keys, and the keys derived from them.

use aws_lc_rs::hmac;
use jwtkeeper_client::{Issue, Rotate, Rotation, Validate};

use super::scan::scan;
use super::traces::{Trace, of_hmac, of_lock, of_seal};
use jwtkeeper_testkit::daemons::{Daemon, Setup, until};

const REALMS: [(&str, &str, hmac::Algorithm); 2] = [
    ("narrow", "HS256", hmac::HMAC_SHA256),
    ("wide", "HS512", hmac::HMAC_SHA512),
];

/// A secret for the realm, no longer than a block of its hash.
fn secret(realm: &str, number: usize) -> String {
    format!(
        "{realm} {number} {}",
        "fedcba98".repeat(if realm == "wide" { 9 } else { 5 })
    )
}

/// Issues, validates and rotates on many threads and connections; returns a cookie secret that was in use.
fn load(daemon: &Daemon, realm: &str) -> String {
    let work = || {
        let client = daemon.realm(realm);
        let mut last = String::new();
        for _ in 0..20 {
            let minted = client.issue(Issue::new()).unwrap();
            let cookie = minted.cookie.as_ref().unwrap().value().to_owned();
            let validate = || {
                client
                    .validate(Validate::new(minted.token()).cookie(cookie.as_str()))
                    .unwrap()
            };
            assert!(validate().is_valid());
            let rotation = client
                .rotate(Rotate::new(minted.token()).cookie(cookie.as_str()))
                .unwrap();
            assert!(matches!(rotation, Rotation::Rotated(_)));
            assert!(validate().is_valid());
            last = cookie;
        }
        last
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        let cookies: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        cookies.into_iter().next_back().unwrap()
    })
}

#[test]
fn states_of_hmac_keys_lie_on_locked_pages_and_leave_with_their_secret() {
    if !nix::unistd::geteuid().is_root() {
        println!("only root can read the daemon's memory");
        return;
    }
    let mut setup = Setup::bare().top("[reload]\npoll = \"50ms\"\nsettle = \"20ms\"");
    for (realm, algorithm, _) in REALMS {
        setup = setup.realm(
            realm,
            algorithm,
            secret(realm, 0).as_bytes(),
            "cookie_lock = \"required\"",
        );
    }
    let daemon = setup.start();
    let (mut replaced, mut current): (Vec<Trace>, Vec<Trace>) = Default::default();
    for number in 0..4 {
        replaced.append(&mut current);
        for (realm, _, algorithm) in REALMS {
            let secret = secret(realm, number);
            if number > 0 {
                let client = daemon.realm(realm);
                let minted = client.issue(Issue::new()).unwrap();
                let cookie = minted.cookie.as_ref().unwrap().value().to_owned();
                daemon.setup.write_secret(&format!("{realm}.secret"), secret.as_bytes());
                until("the secret takes effect", || {
                    let answer = client.validate(Validate::new(minted.token()).cookie(cookie.as_str()));
                    !answer.unwrap().is_valid()
                });
            }
            let cookie = load(&daemon, realm);
            let label = format!("{realm} {number}");
            current.extend(of_hmac(&label, algorithm, secret.as_bytes()));
            current.extend(of_lock(&label, algorithm, secret.as_bytes(), &cookie));
            current.extend(of_seal(&label, secret.as_bytes()));
        }
    }
    let found = scan(daemon.pid(), &current);
    for (realm, ..) in REALMS {
        for trace in ["bytes", "inner state", "outer state"] {
            let name = format!("{realm} 3: {trace}");
            assert!(
                found.locked.contains_key(&name),
                "the search does not find {name}: {found:#?}"
            );
        }
    }
    // Requests that are still under way hold keys and frames for a moment.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let (old, new) = (scan(daemon.pid(), &replaced), scan(daemon.pid(), &current));
        if old == Default::default() && new.strays() == 0 {
            break;
        }
        let (strays, count) = (new.strays(), old.strays());
        assert!(
            std::time::Instant::now() < deadline,
            "{count} traces of replaced secrets: {old:#?}\n{strays} stray traces of current ones: {:#?}",
            new.stray
        );
    }
}
