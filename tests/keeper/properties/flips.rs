//! Any other text is another token: one bit, one byte more or less, and it is not valid.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::realm::CookieLock;
use proptest::prelude::*;
use serde_json::json;

use super::cases;
use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, Said, VALID, World};

fn worlds() -> Vec<(World, jwtkeeper_core::keeper::Minted)> {
    let realm = |algorithm: Algorithm, lock| {
        let world = Builder::signing(&key(algorithm))
            .with(|policy| policy.cookie_lock = lock)
            .serve();
        let minted = world.issue(json!({"sub": "u"}));
        (world, minted)
    };
    let plain = Algorithm::ALL
        .into_iter()
        .map(|algorithm| realm(algorithm, CookieLock::Off));
    let locked = [Algorithm::HS256, Algorithm::ES256].map(|algorithm| realm(algorithm, CookieLock::Required));
    plain.chain(locked).collect()
}

fn invalid(world: &World, token: &[u8], cookie: Option<&str>) -> bool {
    let mut buffer = Vec::new();
    let verdict = world.keeper.validate(
        &world.served,
        world.now,
        token,
        cookie,
        &mut buffer,
        &mut Effort::default(),
    );
    matches!(verdict, jwtkeeper_core::keeper::Verdict::Invalid(_))
}

#[test]
fn every_bit_of_a_token_counts() {
    for (world, minted) in worlds() {
        let algorithm = world.key().algorithm;
        let cookie = minted.cookie.as_ref().map(|cookie| cookie.as_str());
        assert_eq!(world.say_of(&minted), VALID);
        let token = minted.token.as_bytes();
        for place in 0..token.len() {
            for bit in 0..8 {
                let mut other = token.to_vec();
                other[place] ^= 1 << bit;
                assert!(invalid(&world, &other, cookie), "{algorithm}, byte {place}, bit {bit}");
            }
            let without = [&token[..place], &token[place + 1..]].concat();
            assert!(invalid(&world, &without, cookie), "{algorithm}, without byte {place}");
            let twice = [&token[..=place], &token[place..]].concat();
            assert!(invalid(&world, &twice, cookie), "{algorithm}, byte {place} twice");
            assert!(invalid(&world, &token[..place], cookie), "{algorithm}, {place} bytes");
        }
    }
}

#[test]
fn every_bit_of_a_cookie_counts() {
    for (world, minted) in worlds().into_iter().filter(|(_, minted)| minted.cookie.is_some()) {
        let cookie = minted.cookie.as_ref().unwrap().as_bytes().to_vec();
        for place in 0..cookie.len() {
            for bit in 0..7 {
                let mut other = cookie.clone();
                other[place] ^= 1 << bit;
                let other = String::from_utf8(other).unwrap();
                let said = world.say_with(&minted.token, Some(&other));
                assert!(matches!(said, Said::Invalid(_)), "byte {place}, bit {bit}");
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn any_byte_in_any_place(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        for (world, minted) in worlds() {
            let cookie = minted.cookie.as_ref().map(|cookie| cookie.as_str());
            let mut other = minted.token.clone().into_bytes();
            for (place, byte) in &places {
                let place = place.index(other.len());
                other[place] = *byte;
            }
            prop_assert!(other == minted.token.as_bytes() || invalid(&world, &other, cookie));
        }
    }
}
