//! Cutoffs: all logins of a subject, or of the realm, begun by a time, that moment included.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::{Before, Refusal, Revoke};
use jwtkeeper_core::types::Millis;
use jwtkeeper_wire::Reason::Revoked;
use serde_json::json;

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, JUST_NOW, MOMENT, NOW, VALID, World, at, plain, refused};

/// Both kinds, so that one test tries both.
fn both<'a>(subject: &'a str, before: Before) -> [Revoke<'a>; 2] {
    [Revoke::Subject(subject, before), Revoke::IssuedBefore(before)]
}

#[test]
fn a_cutoff_catches_what_is_equal_and_nothing_after() {
    for which in 0..2 {
        let mut world = plain();
        let tokens: Vec<_> = (0..5_i64)
            .map(|ms| {
                world.now = at(ms * 3000);
                world.issue(json!({"sub": "u"}))
            })
            .collect();
        let born = |place: usize| tokens[place].jti.birth().unwrap();
        world.revoke(both("u", Before::At(born(2)))[which]);
        for (place, token) in tokens.iter().enumerate() {
            let said = if place <= 2 { refused(Revoked) } else { VALID };
            assert_eq!(world.say(&token.token), said, "token {place}");
        }
        // An earlier cutoff takes nothing back.
        world.revoke(both("u", Before::At(born(1)))[which]);
        assert_eq!(world.say(&tokens[2].token), refused(Revoked));
    }
}

#[test]
fn a_subjects_cutoff_is_that_subjects_alone() {
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.subject_claim = "uid".to_owned())
        .serve();
    let one = world.issue(json!({"uid": 77}));
    let text = world.issue(json!({"uid": "77"}));
    let other = world.issue(json!({"uid": 78}));
    let nobody = world.issue(json!({}));
    world.revoke(Revoke::Subject("77", JUST_NOW));
    assert_eq!(world.say(&one.token), refused(Revoked));
    assert_eq!(
        world.say(&text.token),
        refused(Revoked),
        "the same subject, written otherwise"
    );
    assert_eq!(world.say(&other.token), VALID);
    assert_eq!(world.say(&nobody.token), VALID);
}

#[test]
fn now_catches_everything_minted_so_far_and_the_next_login_is_later() {
    for which in 0..2 {
        for ms in [0, 1, 599, 999] {
            let mut world = plain();
            world.now = at(ms);
            let before: Vec<_> = (0..100).map(|_| world.issue(json!({"sub": "u"}))).collect();
            world.revoke(both("u", JUST_NOW)[which]);
            assert!(before.iter().all(|token| world.say(&token.token) == refused(Revoked)));
            let after = world.issue(json!({"sub": "u"}));
            assert_eq!(world.say(&after.token), VALID, "{ms} ms into the second");
            // And again, at the same moment: the login between the two goes, the next one does not.
            if ms < 599 {
                world.revoke(both("u", JUST_NOW)[which]);
                assert_eq!(world.say(&after.token), refused(Revoked));
                assert_eq!(world.say(&world.issue(json!({"sub": "u"})).token), VALID);
            }
        }
    }
}

#[test]
fn now_catches_what_another_hosts_faster_clock_minted() {
    let mut ahead = plain();
    ahead.now = at(2000);
    let token = ahead.issue(json!({"sub": "u"}));
    let world = plain();
    assert_eq!(world.say(&token.token), VALID);
    world.revoke(Revoke::Subject("u", JUST_NOW));
    assert_eq!(world.say(&token.token), refused(Revoked));
}

#[test]
fn a_retried_now_keeps_its_first_time() {
    let mut world = plain();
    let before = world.issue(json!({"sub": "u"}));
    world.now = at(10_000);
    let between = world.issue(json!({"sub": "u"}));
    world.revoke(Revoke::Subject(
        "u",
        Before::Now {
            first_asked: Some(MOMENT),
        },
    ));
    assert_eq!(world.say(&before.token), refused(Revoked));
    assert_eq!(
        world.say(&between.token),
        VALID,
        "who logged in since did so after the cutoff"
    );
    // A first time in the future is this host's now, and no more.
    world.revoke(Revoke::Subject(
        "u",
        Before::Now {
            first_asked: Some(at(90_000_000)),
        },
    ));
    assert_eq!(
        world
            .served
            .index
            .subject(&jwtkeeper_core::types::Id::parse("u").unwrap())
            .hard
            .start(),
        at(12_000)
    );
}

#[test]
fn a_cutoff_in_the_future_is_refused() {
    for which in 0..2 {
        let world = plain();
        world.revoke(both("u", Before::At(at(2000)))[which]);
        let refusal = world.try_revoke(both("u", Before::At(at(2001)))[which]);
        assert!(matches!(refusal, Err(Refusal::CutoffInFuture)));
    }
}

#[test]
fn rotating_does_not_carry_a_login_over_a_cutoff() {
    for which in 0..2 {
        let mut world = plain();
        let old = world.issue(json!({"sub": "u"}));
        world.now = at(10_000);
        let new = world.rotate(&old);
        assert!(new.jti.birth().unwrap() > at(5000));
        world.revoke(both("u", Before::At(at(5000)))[which]);
        assert_eq!(
            world.say(&new.token),
            refused(Revoked),
            "the login began before the cutoff"
        );
        assert_eq!(world.rotate_refused(&new).reason, Revoked);
        assert_eq!(world.rotate_refused(&old).reason, Revoked);
    }
}

/// Validates, after a cutoff, a forged token whose claims are `members`.
fn after(cutoff: Millis, members: &str) -> (World, jwtkeeper_testkit::world::Said) {
    let world = plain();
    world.revoke(Revoke::IssuedBefore(Before::At(cutoff)));
    let said = world.say(&world.forge_claims(&format!(r#"{{"exp":{},{members}}}"#, NOW + 60)));
    (world, said)
}

#[test]
fn a_session_starts_when_its_own_claim_or_its_jti_or_iat_says() {
    let uuid = |ms: u64| format!("{:08x}-{:04x}-7000-8000-000000000000", ms >> 16, ms & 0xffff);
    let (ms, second) = (MOMENT.0 - 15_000, NOW - 15);
    let v4 = "11111111-1111-4111-8111-111111111111";
    let of_second = second as u64 * 1000;
    for (members, start) in [
        (format!(r#""jti":"{}","iat":{second}"#, uuid(ms)), ms),
        (
            format!(
                r#""jti":"{}","iat":{NOW},"jwtkeeper":{{"sid":"{}"}}"#,
                uuid(ms + 3000),
                uuid(ms)
            ),
            ms,
        ),
        (format!(r#""jti":"x","iat":{NOW},"jwtkeeper":{{"start":{ms}}}"#), ms),
        (
            format!(
                r#""jti":"x","iat":{NOW},"jwtkeeper":{{"sid":"{}","start":{ms}}}"#,
                uuid(1)
            ),
            ms,
        ),
        (format!(r#""jti":"{v4}","iat":{second}"#), of_second),
        (format!(r#""jti":"x","iat":{second}.9"#), of_second),
        (
            format!(r#""jti":"x","iat":{second},"jwtkeeper":{{"sid":"y"}}"#),
            of_second,
        ),
        // An app's own jti is no proof of a time.
        (format!(r#""jti":"{}","iat":{second}"#, uuid(ms + 5000)), of_second),
        (format!(r#""jti":"{}","iat":{second}"#, uuid(1 << 47)), of_second),
        // Claims of the app.
        (
            format!(r#""jti":"x","iat":{second},"sid":7,"born":1,"lck":true"#),
            of_second,
        ),
    ] {
        let skew = 2000;
        assert_eq!(after(Millis(start - skew - 1), &members).1, VALID, "{members}");
        assert_eq!(after(Millis(start - skew), &members).1, refused(Revoked), "{members}");
    }
    // Nothing says when: every cutoff covers it.
    assert_eq!(after(Millis(1), r#""jti":"x""#).1, refused(Revoked));
    assert_eq!(
        after(Millis(1), &format!(r#""jti":"{}""#, uuid(ms))).1,
        refused(Revoked)
    );
}

#[test]
fn the_members_of_the_daemons_own_claim_have_their_types() {
    let world = plain();
    let say = |own: &str| {
        let claims = format!(r#"{{"iat":{NOW},"exp":{},"jti":"a","jwtkeeper":{own}}}"#, NOW + 60);
        world.say(&world.forge_claims(&claims))
    };
    for own in [
        "{}",
        r#"{"sid":"s","start":5,"later":[1]}"#,
        r#"{"seen_realm":1,"seen_subject":2,"seen_flag":3}"#,
    ] {
        assert_eq!(say(own), VALID, "{own}");
    }
    for own in [
        "null",
        "[]",
        "1",
        r#"{"sid":1}"#,
        r#"{"sid":""}"#,
        r#"{"start":"1"}"#,
        r#"{"start":-1}"#,
        r#"{"start":1.5}"#,
        r#"{"seen_realm":null}"#,
        r#"{"lock":1}"#,
        r#"{"sid":"a","sid":"a"}"#,
        r#"{"x":{"y":1,"y":2}}"#,
    ] {
        assert_eq!(say(own), refused(jwtkeeper_wire::Reason::Malformed), "{own}");
    }
}

#[test]
fn a_jti_of_the_callers_own_is_born_by_the_keepers_clock() {
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|p| p.allow_overrides = vec![jwtkeeper_core::realm::OwnClaim::Jti])
        .serve();
    let own = world.issue(json!({"jti": "mine", "sub": "u"}));
    assert_eq!(own.jti.to_string(), "mine");
    world.revoke(Revoke::Subject("u", JUST_NOW));
    assert_eq!(world.say(&own.token), refused(Revoked));
    let later = world.issue(json!({"jti": "mine too", "sub": "u"}));
    assert_eq!(
        world.say(&later.token),
        VALID,
        "a login after the cutoff, by the number that it carries"
    );
    let next = world.rotate(&later);
    assert_eq!(world.say(&next.token), VALID);
    world.revoke(Revoke::Session("mine too"));
    assert_eq!(world.say(&next.token), refused(Revoked));
}
