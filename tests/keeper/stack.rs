//! What signing and verifying leave on the stack: nothing below the frames that are overwritten.

use std::fs::File;
use std::os::unix::fs::FileExt;

use jwtkeeper_core::jwt::{Algorithm, Family};
use jwtkeeper_core::keyring::{CookieSecret, LockKey};

use jwtkeeper_testkit::world::keys::key;

/// More than this test itself uses when it looks.
const OWN: u64 = 10 * 1024;
const LOOK: u64 = 768 * 1024;

/// Return addresses and registers of what overwrites: a handful of words.
const FEW: usize = 128;

/// The number of nonzero bytes that `work` leaves further than [`OWN`] below this call, on a thread whose stack is new.
fn left_by(work: impl FnOnce() + Send) -> usize {
    std::thread::scope(|scope| {
        let look = || {
            let memory = File::open("/proc/self/mem").unwrap();
            let mut stack = vec![0; (LOOK - OWN) as usize];
            let here = 0_u8;
            let lowest = &raw const here as u64 - LOOK;
            work();
            memory.read_exact_at(&mut stack, lowest).unwrap();
            stack.iter().filter(|byte| **byte != 0).count()
        };
        let thread = std::thread::Builder::new()
            .stack_size(1024 * 1024)
            .spawn_scoped(scope, look);
        thread.unwrap().join().unwrap()
    })
}

#[test]
fn no_frame_is_deeper_than_what_is_overwritten() {
    let cookie = CookieSecret::parse(b"35a496b4d4aa7dcb08389ef2e22728dc").unwrap();
    for algorithm in [
        Algorithm::HS256,
        Algorithm::HS512,
        Algorithm::RS256,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ] {
        let key = key(algorithm);
        let file = key.private();
        let signing = &file.signing;
        let locked = |lock| Some((lock, &cookie));
        let token = signing.sign("{}", None).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let works: [(&str, &(dyn Fn() + Sync)); 8] = [
            ("sign", &|| drop(signing.sign("{}", None))),
            ("sign, derived", &|| drop(signing.sign("{}", locked(LockKey::Derived)))),
            ("sign, concat", &|| drop(signing.sign("{}", locked(LockKey::Concat)))),
            ("verify", &|| {
                let _ = signing.verifying.verify(message.as_bytes(), signature.as_bytes());
            }),
            ("verify, derived", &|| {
                let verifying = &signing.verifying;
                verifying.verify_locked(LockKey::Derived, &cookie, message.as_bytes(), signature.as_bytes());
            }),
            ("seal", &|| {
                let _ = signing.seal(&[b"part"]);
            }),
            ("successor", &|| {
                drop(CookieSecret::of_successor(signing.material(), &[7; 16]))
            }),
            ("load", &|| drop(key.private())),
        ];
        for (name, work) in works {
            let left = left_by(work);
            // With a private key, the first signature on a thread seeds its random generator, which goes deeper; what is
            // left of that is no key.
            let other = algorithm.family() != Family::Hmac && (name.starts_with("sign") || name.starts_with("verify"));
            assert!(left <= FEW || other, "{algorithm} {name}: {left} bytes");
        }
    }
    // The measure sees what is not overwritten.
    let deep = || {
        let frame = [7_u8; 64 * 1024];
        std::hint::black_box(&frame);
    };
    assert!(left_by(deep) > 32 * 1024);
}
