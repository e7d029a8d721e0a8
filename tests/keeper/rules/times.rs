//! Lifetimes and dates against a clock that stands still.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::types::Millis;
use jwtkeeper_wire::Reason::{Expired, LifetimeTooLong, NotYetValid};

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, NOW, Said, VALID, World, at, plain, refused};

fn say(world: &World, members: &str) -> Said {
    world.say(&world.forge_claims(&format!(r#"{{"jti":"a",{members}}}"#)))
}

#[test]
fn exp_has_no_leeway() {
    let mut world = plain();
    for (exp, said) in [(NOW - 1, refused(Expired)), (NOW, refused(Expired)), (NOW + 1, VALID)] {
        assert_eq!(say(&world, &format!(r#""exp":{exp}"#)), said, "{}", exp - NOW);
    }
    let token = world.forge_claims(&format!(r#"{{"jti":"a","exp":{}}}"#, NOW + 1));
    world.now = Millis(NOW as u64 * 1000 + 999);
    assert_eq!(world.say(&token), VALID, "the last millisecond");
    world.now = Millis(NOW as u64 * 1000 + 1000);
    assert_eq!(world.say(&token), refused(Expired), "the first one after");
}

#[test]
fn nbf_and_iat_have_the_skew_of_another_hosts_clock() {
    for claim in ["nbf", "iat"] {
        let mut world = plain();
        let token = world.forge_claims(&format!(r#"{{"jti":"a","exp":{},"{claim}":{}}}"#, NOW + 60, NOW + 2));
        let start = Millis(NOW as u64 * 1000);
        world.now = start;
        assert_eq!(world.say(&token), VALID, "{claim}: two seconds are the skew");
        world.now = Millis(start.0 - 1);
        assert_eq!(
            world.say(&token),
            refused(NotYetValid),
            "{claim}: a millisecond more is not"
        );
        world.now = start;
        for (value, said) in [
            ("1700000002.9", VALID), // floored
            ("1700000003", refused(NotYetValid)),
            ("1699990000", VALID),
            (
                "-5",
                if claim == "iat" {
                    refused(LifetimeTooLong)
                } else {
                    VALID
                },
            ),
            ("1e300", refused(NotYetValid)),
            ("18446744073709551615", refused(NotYetValid)),
        ] {
            assert_eq!(
                say(&world, &format!(r#""exp":{},"{claim}":{value}"#, NOW + 60)),
                said,
                "{claim} {value}"
            );
        }
    }
    let strict = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.clock_skew_ms = 0)
        .serve();
    assert_eq!(say(&strict, &format!(r#""exp":{},"nbf":{NOW}"#, NOW + 60)), VALID);
    assert_eq!(
        say(&strict, &format!(r#""exp":{},"nbf":{}"#, NOW + 60, NOW + 1)),
        refused(NotYetValid)
    );
}

#[test]
fn no_token_lives_longer_than_the_realm_allows() {
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.max_lifetime = 1000)
        .serve();
    for (members, said) in [
        (format!(r#""iat":{NOW},"exp":{}"#, NOW + 1000), VALID),
        (format!(r#""iat":{NOW},"exp":{}"#, NOW + 1001), refused(LifetimeTooLong)),
        (format!(r#""iat":{},"exp":{}"#, NOW - 900, NOW + 100), VALID),
        (
            format!(r#""iat":{},"exp":{}"#, NOW - 901, NOW + 100),
            refused(LifetimeTooLong),
        ),
        // Without iat, what is left of it.
        (format!(r#""exp":{}"#, NOW + 1000), VALID),
        (format!(r#""exp":{}"#, NOW + 1001), refused(LifetimeTooLong)),
        // An iat after its exp does not make up for anything.
        (format!(r#""iat":{},"exp":{}"#, NOW + 2, NOW + 1), VALID),
        (format!(r#""iat":{},"exp":{NOW}"#, NOW - 1001), refused(LifetimeTooLong)),
        (
            r#""iat":-9223372036854775808,"exp":9223372036854775807"#.to_owned(),
            refused(LifetimeTooLong),
        ),
    ] {
        assert_eq!(say(&world, &members), said, "{members}");
    }
}

#[test]
fn two_hosts_two_seconds_apart_take_each_others_tokens() {
    let mut ahead = plain();
    ahead.now = at(2000);
    let mut behind = plain();
    for ms in 0..1000 {
        ahead.now = at(2000 + ms);
        behind.now = at(ms);
        let minted = ahead.issue(serde_json::json!({}));
        assert_eq!(behind.say(&minted.token), VALID, "at {ms} ms");
        assert_eq!(
            ahead.say(&behind.issue(serde_json::json!({})).token),
            VALID,
            "at {ms} ms"
        );
    }
}
