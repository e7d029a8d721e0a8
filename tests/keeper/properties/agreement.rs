//! Issue and validate agree: what is minted validates now, says what it was given, and dies when it should.

use jwtkeeper_core::jwt::{Algorithm, Version, members};
use jwtkeeper_core::keeper::{Refusal, Verdict};
use jwtkeeper_core::keyring::{Effort, LockKey};
use jwtkeeper_core::realm::CookieLock;
use jwtkeeper_core::types::Millis;
use jwtkeeper_wire::{Cause, Reason};
use proptest::prelude::*;

use super::cases;
use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, MOMENT, NOW, VALID, World, claims, refused};

/// Names that mean something to the keeper, and some that only look so.
const NAMES: [&str; 14] = [
    "exp",
    "jti",
    "iat",
    "nbf",
    "iss",
    "aud",
    "ver",
    "sid",
    "jwtkeeper",
    "sub",
    "EXP",
    "exp ",
    "",
    "a",
];

/// A JSON number as people and machines write it, with as many digits as they like.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "-?[1-9][0-9]{0,300}",
        "-?(0|[1-9][0-9]{0,20})\\.[0-9]{1,30}",
        "-?(0|[1-9])(\\.[0-9]{1,5})?[eE][+-]?[0-9]{1,2}",
        Just("-0".to_owned()),
    ]
}

fn string() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        any::<String>(),
        "\\PC{0,40}",
        Just("\u{0}\u{1f600}\u{10ffff}\"\\/".to_owned())
    ];
    prop_oneof![
        text.prop_map(|text| serde_json::Value::from(text).to_string()),
        Just(r#""\u00e9\ud83d\ude00\/\b\f""#.to_owned()),
    ]
}

/// Any JSON value, as text; names within an object differ.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        number(),
        string(),
        Just("null".into()),
        Just("true".into()),
        Just("false".into())
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(|all| {
                let members: Vec<_> = all
                    .into_iter()
                    .map(|(name, value)| format!("{}: {value}", serde_json::Value::from(name)))
                    .collect();
                format!("{{ {} }}", members.join(" , "))
            }),
        ]
    })
}

/// Private claims in any order, names of any letters.
fn private() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![any::<String>(), "[a-z]{1,8}"];
    let ours = ["exp", "jti", "iat", "nbf", "iss", "aud", "ver", "jwtkeeper", "sub"];
    prop::collection::hash_map(
        name.prop_filter("a private name", move |name| !ours.contains(&name.as_str())),
        value(),
        0..12,
    )
    .prop_map(|all| all.into_iter().collect())
}

fn realm() -> impl Strategy<Value = Builder> {
    let algorithm = prop_oneof![
        4 => Just(Algorithm::HS256), 2 => Just(Algorithm::HS512), 2 => Just(Algorithm::EdDSA),
        2 => Just(Algorithm::ES256), 1 => Just(Algorithm::RS256), 1 => Just(Algorithm::PS384),
    ];
    let lock = prop_oneof![
        Just(CookieLock::Off),
        Just(CookieLock::Optional),
        Just(CookieLock::Required)
    ];
    let key_kind = prop_oneof![Just(LockKey::Derived), Just(LockKey::Concat)];
    let version = prop_oneof![
        Just(Version::None),
        any::<u64>().prop_map(Version::Number),
        "\\PC{1,12}".prop_map(|text| Version::Text(text.into()))
    ];
    let names = (
        prop::option::of(any::<String>()),
        prop::collection::vec(any::<String>(), 0..3),
    );
    (algorithm, lock, key_kind, version, names, 1..=5000_u64).prop_map(
        |(algorithm, lock, kind, version, names, max)| {
            Builder::signing(&key(algorithm))
                .with(|policy| {
                    policy.cookie_lock = lock;
                    policy.lock_key = kind;
                    (policy.issuer, policy.audience) = names;
                    policy.max_lifetime = max;
                    policy.expiry = max.div_ceil(2);
                    policy.max_token = 32 * 1024;
                })
                .version(version)
        },
    )
}

/// What validate gives back.
fn read(world: &World, minted: &jwtkeeper_core::keeper::Minted) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    let cookie = minted.cookie.as_ref().map(|cookie| cookie.as_str());
    match world.keeper.validate(
        &world.served,
        world.now,
        minted.token.as_bytes(),
        cookie,
        &mut buffer,
        &mut Effort::default(),
    ) {
        Verdict::Valid {
            claims,
            rotation: Cause::None,
        } => Some(claims.to_vec()),
        _ => None,
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn what_is_issued_validates_and_dies_in_time(
        builder in realm(), private in private(), ttl in prop::option::of(1..=5000_u64), sub in prop::option::of("\\PC{1,20}")
    ) {
        let mut world = builder.serve();
        let max = world.served.realm.policy.max_lifetime;
        let mut all = private.clone();
        all.extend(sub.map(|sub| ("sub".to_owned(), serde_json::Value::from(sub).to_string())));
        let text: Vec<_> =
            all.iter().map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str()))).collect();
        let text = format!("{{{}}}", text.join(","));
        let minted = match world.mint(&text, ttl) {
            Ok(minted) => minted,
            Err(Refusal::LifetimeTooLong { .. }) => {
                prop_assert!(ttl.unwrap() > max);
                return Ok(());
            }
            Err(Refusal::TokenTooLarge { size, max }) => {
                prop_assert!(size > max);
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        // It validates at once, and says what it was given: each private claim in its own text, in its order.
        let bytes = read(&world, &minted).expect("valid, and not due");
        prop_assert_eq!(&bytes[..], minted.claims.as_bytes());
        let found = members(&bytes).unwrap();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.to_string(), value.get().to_owned())).collect();
        let tail = &found[found.len() - all.len()..];
        let trimmed: Vec<_> = all.iter().map(|(name, value)| (name.clone(), value.trim().to_owned())).collect();
        prop_assert_eq!(tail, &trimmed[..]);

        // It dies by exp, within max_lifetime of now.
        let lived = minted.expires_at - NOW;
        prop_assert!(0 < lived && lived <= i64::try_from(max).unwrap());
        prop_assert_eq!(lived, i64::try_from(ttl.unwrap_or(world.served.realm.policy.expiry)).unwrap());
        world.now = Millis(minted.expires_at as u64 * 1000 - 1);
        prop_assert_eq!(world.say_of(&minted), VALID);
        world.now = Millis(minted.expires_at as u64 * 1000);
        prop_assert_eq!(world.say_of(&minted), refused(Reason::Expired));

        // And so does its successor, which carries the same claims.
        world.now = MOMENT;
        let new = world.rotate(&minted);
        let bytes = read(&world, &new).expect("valid, and not due");
        let found = members(&bytes).unwrap();
        for (name, value) in &trimmed {
            prop_assert!(found.iter().any(|(other, text)| other == name && text.get() == value));
        }
        prop_assert!(new.expires_at <= minted.expires_at);
        prop_assert_eq!(&claims(&new)["jwtkeeper"]["sid"], &claims(&minted)["jti"]);
    }

    #[test]
    fn whatever_is_asked_is_refused_or_validates(
        builder in realm(),
        open in prop::sample::subsequence(jwtkeeper_core::realm::OwnClaim::ALL.to_vec(), 0..6),
        asked in prop::collection::vec((prop::sample::select(NAMES.to_vec()), value()), 0..5),
        ttl in prop::option::of(any::<u64>()),
    ) {
        let mut world = builder.with(|policy| policy.allow_overrides = open).serve();
        let text: Vec<_> = asked.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let text = format!("{{{}}}", text.join(","));
        if let Ok(minted) = world.mint(&text, ttl) {
            let said = world.say_of(&minted);
            prop_assert!(matches!(said, jwtkeeper_testkit::world::Said::Valid(Cause::None | Cause::StaleVersion)), "{:?} of {}", said, text);
            prop_assert!(minted.token.len() <= world.served.realm.policy.max_token);
            world.now = Millis(MOMENT.0 + (world.served.realm.policy.max_lifetime + 1) * 1000);
            prop_assert!(matches!(world.say_of(&minted), jwtkeeper_testkit::world::Said::Invalid(_)));
        }
    }

    #[test]
    fn noise_is_no_token(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[A-Za-z0-9_.=-]{0,200}") {
        let world = jwtkeeper_testkit::world::plain();
        for token in [&bytes[..], text.as_bytes()] {
            let mut buffer = Vec::new();
            let verdict = world.keeper.validate(&world.served, world.now, token, Some(&text), &mut buffer, &mut Effort::default());
            prop_assert!(matches!(verdict, Verdict::Invalid(_)));
        }
    }

    #[test]
    fn noise_under_a_good_signature_is_no_panic(header in "\\PC{0,60}", claims in value()) {
        let world = jwtkeeper_testkit::world::plain();
        let said = world.say(&world.forge(&header, &claims));
        prop_assert!(matches!(said, jwtkeeper_testkit::world::Said::Invalid(_)));
        let said = world.say(&world.forge_claims(&claims));
        prop_assert!(matches!(said, jwtkeeper_testkit::world::Said::Invalid(_)));
    }
}
