//! A session in use is renewed before its token expires, and ends when its lifetime does.

use std::time::{Duration, Instant};

use jwtkeeper_client::{Cause, Issue, Reason, Rotation, Verdict, blocking};

use jwtkeeper_testkit::daemons::{SECRET, Setup, pace};

/// Uses a session over and over as an app does, until it is refused; says how long it lived, how often it was renewed,
/// and why it was refused.
fn used(client: &blocking::Client) -> (Duration, u32, Reason) {
    let began = Instant::now();
    let mut token = client.issue(Issue::new()).unwrap().token().to_owned();
    let mut renewals = 0;
    loop {
        match client.validate(&token).unwrap() {
            Verdict::Valid { rotation: None, .. } => pace(Duration::from_millis(50)),
            Verdict::Valid { rotation, .. } => {
                assert_eq!(rotation, Some(Cause::Expiring));
                match client.rotate(&token).unwrap() {
                    Rotation::Rotated(minted) => token = minted.token().to_owned(),
                    Rotation::Invalid(reason) => return (began.elapsed(), renewals, reason),
                }
                renewals += 1;
            }
            Verdict::Invalid(reason) => return (began.elapsed(), renewals, reason),
        }
    }
}

#[test]
fn a_session_in_use_outlives_its_first_token_and_no_more_than_its_lifetime() {
    let renewed = "expiry = \"4s\"\nrenew_before = \"2s\"\nsession_lifetime = \"9s\"";
    let daemon = Setup::bare()
        .realm("renewed", "HS256", SECRET.as_bytes(), renewed)
        .realm("default", "HS256", SECRET.as_bytes(), "expiry = \"4s\"")
        .start();
    let plain = std::thread::scope(|scope| {
        let plain = scope.spawn(|| used(&daemon.client()));
        let (lived, renewals, reason) = used(&daemon.realm("renewed"));
        assert_eq!(reason, Reason::Expired);
        assert!(renewals >= 2, "{renewals} renewals in {lived:?}");
        assert!(lived > Duration::from_secs(7), "{lived:?}");
        assert!(lived < Duration::from_secs(10), "{lived:?}");
        plain.join().unwrap()
    });
    let (lived, renewals, reason) = plain;
    assert_eq!((renewals, reason), (0, Reason::Expired));
    assert!(lived < Duration::from_secs(7), "{lived:?} without renew_before");
}
