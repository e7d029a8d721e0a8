//! Revoking a token, a jti, a session: what each takes with it.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::{Flag, Refusal, Revoke};
use jwtkeeper_core::realm::CookieLock;
use jwtkeeper_wire::Cause::{Flagged, Rotated};
use jwtkeeper_wire::Reason::{BadSignature, Expired, Malformed, NotYetValid, Revoked, WrongIssuer};
use jwtkeeper_wire::State;
use serde_json::json;

use jwtkeeper_testkit::world::keys::{key, stranger};
use jwtkeeper_testkit::world::{Builder, NOW, VALID, at, due, fewest, plain, refused};

fn in_hand(token: &str) -> Revoke<'_> {
    Revoke::Token {
        token: token.as_bytes(),
        cookie: None,
    }
}

#[test]
fn revoking_in_the_grace_kills_both_whichever_is_named() {
    for name in [
        "the old token",
        "the new token",
        "the old jti",
        "the new jti",
        "the session",
    ] {
        let mut world = plain();
        let old = world.issue(json!({}));
        let new = world.rotate(&old);
        let bystander = world.issue(json!({}));
        assert_eq!(world.say(&old.token), due(Rotated));
        let jtis = (old.jti.to_string(), new.jti.to_string());
        world.revoke(match name {
            "the old token" => in_hand(&old.token),
            "the new token" => in_hand(&new.token),
            "the old jti" => Revoke::Jti(&jtis.0),
            "the new jti" => Revoke::Jti(&jtis.1),
            _ => Revoke::Session(&jtis.0),
        });
        for ms in [0, 29_999, 30_000, 60_000] {
            world.now = at(ms);
            assert_eq!(world.say(&old.token), refused(Revoked), "{name}, {ms} ms");
            assert_eq!(world.say(&new.token), refused(Revoked), "{name}, {ms} ms");
            assert_eq!(world.rotate_refused(&old).reason, Revoked, "{name}");
            assert_eq!(world.rotate_refused(&new).reason, Revoked, "{name}");
            assert_eq!(world.say(&bystander.token), VALID, "{name}");
        }
    }
}

#[test]
fn a_jti_takes_its_session_and_its_successors_with_it() {
    let mut world = plain();
    let mut chain = vec![world.issue(json!({}))];
    for step in 1..6_i64 {
        world.now = at(step * 1000);
        chain.push(world.rotate(chain.last().unwrap()));
    }
    // A jti in the middle began no session: what came from it goes, and what leads to that.
    world.revoke(Revoke::Jti(&chain[2].jti.to_string()));
    for (place, token) in chain.iter().enumerate() {
        assert_eq!(world.say(&token.token), refused(Revoked), "token {place}");
    }
    let mut world = plain();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    let third = world.rotate(&second);
    world.now = at(40_000);
    world.revoke(Revoke::Jti(&first.jti.to_string()));
    assert_eq!(
        world.say(&third.token),
        refused(Revoked),
        "by its session, long after the graces"
    );
}

#[test]
fn a_token_in_hand_takes_its_session_with_it() {
    let world = plain();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    let third = world.rotate(&second);
    world.revoke(in_hand(&second.token));
    for token in [&first, &second, &third] {
        assert_eq!(world.say(&token.token), refused(Revoked));
    }
}

#[test]
fn an_expired_token_in_hand_still_ends_its_session() {
    let mut world = plain();
    let old = world.try_issue(json!({}), Some(60)).unwrap();
    world.now = at(59_000);
    let new = world.rotate(&old);
    world.now = at(61_000);
    assert_eq!(world.say(&old.token), refused(Expired));
    assert_eq!(world.say(&new.token), VALID);
    world.revoke(in_hand(&old.token));
    assert_eq!(world.say(&new.token), refused(Revoked));
    world.now = at(5_000_000_000);
    world.revoke(in_hand(&old.token)); // long dead: idempotent all the same
}

#[test]
fn only_a_token_of_the_realm_is_in_hand() {
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.issuer = Some("i".to_owned()))
        .serve();
    let elsewhere = plain().issue(json!({}));
    let stranger = stranger(Algorithm::HS256).sign(r#"{"alg":"HS256"}"#, &fewest());
    for (token, reason) in [
        ("x", Malformed),
        (stranger.as_str(), BadSignature),
        (elsewhere.token.as_str(), WrongIssuer),
    ] {
        let answer = world.try_revoke(in_hand(token)).unwrap();
        assert_eq!(answer.unwrap_err().reason, reason);
    }
    assert!(world.served.index.token(&elsewhere.jti).is_none());
}

#[test]
fn a_locked_token_is_in_hand_only_with_its_cookie() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256] {
        let builder = Builder::signing(&key(algorithm)).with(|policy| policy.cookie_lock = CookieLock::Required);
        let world = builder.serve();
        let token = world.issue(json!({}));
        assert!(world.try_revoke(in_hand(&token.token)).unwrap().is_err(), "{algorithm}");
        assert_eq!(world.say_of(&token), VALID);
        let cookie = token.cookie.as_ref().map(|cookie| cookie.as_str());
        world.revoke(Revoke::Token {
            token: token.token.as_bytes(),
            cookie,
        });
        assert_eq!(world.say_of(&token), refused(Revoked), "{algorithm}");
    }
}

#[test]
fn any_id_can_be_revoked_any_number_of_times() {
    let world = plain();
    let long = "x".repeat(1024);
    for jti in [
        "unknown",
        "ffffffff-ffff-4fff-bfff-ffffffffffff",
        "A",
        " ",
        "{}",
        "\u{0}\n",
        "日本",
        &long,
    ] {
        for _ in 0..3 {
            world.revoke(Revoke::Jti(jti));
            world.revoke(Revoke::Session(jti));
        }
        assert_eq!(world.status(jti).state, State::Hard, "{jti:.20}");
    }
    let before = world.keeper.denylist().index().len();
    world.revoke(Revoke::Jti("unknown"));
    assert_eq!(
        world.keeper.denylist().index().len(),
        before,
        "again and again costs nothing"
    );
    for bad in ["", &"x".repeat(1025)] {
        assert!(matches!(world.try_revoke(Revoke::Jti(bad)), Err(Refusal::BadId { .. })));
        assert!(matches!(
            world.try_revoke(Revoke::Session(bad)),
            Err(Refusal::BadId { .. })
        ));
    }
}

#[test]
fn ids_are_compared_whole_and_byte_for_byte() {
    let world = plain();
    let lower = "018a0000-7a3c-7def-8123-456789abcdef";
    world.revoke(Revoke::Jti(lower));
    let say = |jti: &str| world.say(&world.forge_claims(&format!(r#"{{"exp":{},"jti":"{jti}"}}"#, NOW + 60)));
    assert_eq!(say(lower), refused(Revoked));
    assert_eq!(say(&lower.to_uppercase()), VALID, "another text is another jti");
    assert_eq!(say("018a00007a3c7def8123456789abcdef"), VALID);
    world.revoke(Revoke::Jti(&lower.to_uppercase()));
    assert_eq!(say(&lower.to_uppercase()), refused(Revoked));
}

#[test]
fn flagging_after_revoking_changes_nothing() {
    let world = plain();
    let token = world.issue(json!({}));
    let jti = token.jti.to_string();
    world.flag(Flag::Jti(&jti));
    assert_eq!(world.say(&token.token), due(Flagged));
    assert_eq!(world.status(&jti).state, State::Soft);
    world.revoke(Revoke::Jti(&jti));
    world.flag(Flag::Jti(&jti));
    assert_eq!(world.say(&token.token), refused(Revoked));
    assert_eq!(world.status(&jti).state, State::Hard);
    assert_eq!(world.rotate_refused(&token).reason, Revoked);
}

#[test]
fn flagging_a_revoked_successor_for_longer_changes_nothing() {
    let mut world = plain();
    let new = world.rotate(&world.issue(json!({})));
    let jti = new.jti.to_string();
    world.revoke(Revoke::Jti(&jti));
    world.now = at(10_000); // the flag would stand longer than the revocation does
    world.flag(Flag::Jti(&jti));
    assert_eq!(world.say(&new.token), refused(Revoked));
    assert_eq!(world.status(&jti).state, State::Hard);
}

#[test]
fn status_says_what_validate_will() {
    let mut world = plain();
    let token = world.issue(json!({}));
    let jti = token.jti.to_string();
    assert_eq!(world.status(&jti).state, State::None);
    let new = world.rotate(&token);
    assert_eq!(world.status(&jti).state, State::Rotated);
    assert_eq!(world.status(&new.jti.to_string()).state, State::None);
    world.now = at(30_000);
    assert_eq!(world.status(&jti).state, State::Hard);
    world.now = at(0);
    world.revoke(Revoke::Jti(&new.jti.to_string()));
    assert_eq!(world.status(&jti).state, State::Hard, "through its successor");
}

/// Set back after tokens were minted, the clock makes no entry end before they do.
#[test]
fn a_clock_set_back_keeps_entries_as_long() {
    let mut world = plain();
    world.now = at(20 * 86_400_000);
    let token = world.issue(json!({}));
    let (minted, exp) = (world.now, token.expires_at);
    world.now = at(5 * 86_400_000);
    world.revoke(Revoke::Jti(&token.jti.to_string()));
    world.now = minted;
    let until = world.status(&token.jti.to_string()).until;
    assert!(until > exp, "{until} is before {exp}");
    assert_eq!(world.say(&token.token), refused(Revoked));
}

/// What is told of a revoked session is its own deadline, however much later it is asked.
#[test]
fn the_status_of_a_session_has_the_deadline_of_its_entry() {
    let mut world = plain();
    let token = world.issue(json!({}));
    let jti = token.jti.to_string();
    world.revoke(Revoke::Session(&jti));
    let revoked = world.status(&jti);
    assert_eq!(
        (revoked.state, revoked.until),
        (State::Hard, world.served.index.retention(world.now))
    );
    world.now = at(7 * 86_400_000);
    assert_eq!(world.status(&jti).until, revoked.until);
    // A flag of its token ends earlier, and is not what keeps it out.
    let other = world.issue(json!({}));
    let jti = other.jti.to_string();
    world.flag(Flag::Jti(&jti));
    let flagged = world.status(&jti).until;
    world.now = at(8 * 86_400_000);
    world.revoke(Revoke::Session(&jti));
    let revoked = world.status(&jti);
    assert!(
        revoked.state == State::Hard && revoked.until > flagged,
        "{} after {flagged}",
        revoked.until
    );
}

/// The old token may be past and gone while its successor lives: its jti still leads there.
#[test]
fn the_jti_of_an_expired_token_leads_to_its_living_successor() {
    let mut world = plain();
    let first = world.issue(json!({}));
    world.now = at(1000);
    let middle = world.rotate(&first);
    world.now = at(23 * 3_600_000);
    let last = world.rotate(&middle);
    world.now = at(25 * 3_600_000);
    world.tick();
    assert_eq!(world.say(&last.token), VALID);
    world.revoke(Revoke::Jti(&middle.jti.to_string()));
    assert_eq!(world.say(&last.token), refused(Revoked));
}

/// A rotation is remembered until its successor can no longer live. After that nothing tells which session the old token
/// belonged to, unless it was the first: its jti is the session.
#[test]
fn the_jti_of_a_forgotten_token_reaches_nothing_unless_it_was_the_first() {
    let mut world = plain();
    let first = world.issue(json!({}));
    let middle = world.rotate(&first);
    let mut last = world.rotate(&middle);
    for hour in [20, 40, 60] {
        world.now = at(hour * 3_600_000);
        last = world.rotate(&last);
    }
    world.tick();
    world.revoke(Revoke::Jti(&middle.jti.to_string()));
    assert_eq!(world.say(&last.token), VALID, "nobody can tell that it came from there");
    world.revoke(Revoke::Jti(&first.jti.to_string()));
    assert_eq!(world.say(&last.token), refused(Revoked));
}

/// Which session a token belongs to stays known when the rotation before it is forgotten.
#[test]
fn the_jti_of_a_rotated_token_ends_its_session_after_its_predecessor_is_forgotten() {
    let mut world = plain();
    let first = world.issue(json!({}));
    world.now = at(20 * 3_600_000);
    let second = world.rotate(&first);
    world.now = at(40 * 3_600_000);
    let third = world.rotate(&second);
    world.now = at(60 * 3_600_000);
    let fourth = world.rotate(&third);
    world.tick();
    assert!(world.served.index.rotation(&first.jti).is_none());
    world.revoke(Revoke::Jti(&second.jti.to_string()));
    assert_eq!(world.say(&fourth.token), refused(Revoked));
}

/// A start that no clock can show by now would escape every cutoff to come.
#[test]
fn sessions_of_the_future_are_not_yet_valid() {
    let world = plain();
    let say = |claims: &str| world.say(&world.forge_claims(&format!(r#"{{"iat":{NOW},"exp":{},{claims}}}"#, NOW + 60)));
    let later = "01ff0000-7a3c-7def-8123-456789abcdef";
    assert_eq!(say(&format!(r#""jti":"{later}""#)), VALID, "an id is no time");
    assert_eq!(
        say(&format!(r#""jti":"x","jwtkeeper":{{"sid":"{later}"}}"#)),
        refused(NotYetValid)
    );
    assert_eq!(
        say(r#""jti":"x","jwtkeeper":{"start":9999999999999}"#),
        refused(NotYetValid)
    );
    assert_eq!(say(r#""jti":"x","jwtkeeper":{"start":1000}"#), VALID);
}
