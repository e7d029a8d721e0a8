//! Size, segments and base64url: a token has exactly one text.

use jwtkeeper_core::jwt::{Algorithm, encode_base64url};
use jwtkeeper_core::keeper::{Flag, Refusal};
use jwtkeeper_wire::Reason::{BadSignature, Malformed};
use serde_json::json;

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, JUST_NOW, VALID, World, fewest, plain, refused};

const HEADER: &str = r#"{"alg":"HS256"}"#;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Signs two segments as they are, canonical or not, and hangs `tail` on the signature.
fn sign_segments(world: &World, header: &str, claims: &str, tail: &str) -> String {
    let input = format!("{header}.{claims}");
    let signature = world.key().signer().sign(input.as_bytes()).unwrap();
    format!("{input}.{}{tail}", encode_base64url(&signature))
}

#[test]
fn the_longest_token_is_taken_and_one_byte_more_is_not() {
    let token = plain().forge(HEADER, &fewest());
    for (cap, said) in [
        (token.len() - 1, refused(Malformed)),
        (token.len(), VALID),
        (token.len() + 1, VALID),
    ] {
        let world = Builder::signing(&key(Algorithm::HS256))
            .with(|policy| policy.max_token = cap)
            .serve();
        assert_eq!(world.say(&token), said, "cap {cap}, token {}", token.len());
    }
}

#[test]
fn what_validate_would_find_too_long_is_not_minted_nor_what_could_not_be_rotated() {
    for algorithm in Algorithm::ALL {
        let roomy = Builder::signing(&key(algorithm)).serve();
        // The longest successor is one of a session that is spared by a flag.
        let token = roomy.issue(json!({"a": 1, "sub": "u"}));
        roomy.flag(Flag::Subject("u", JUST_NOW));
        let size = roomy.rotate(&token).token.len();
        for (cap, fits) in [(size - 1, false), (size, true), (size + 1, true)] {
            let world = Builder::signing(&key(algorithm))
                .with(|policy| policy.max_token = cap)
                .serve();
            match world.try_issue(json!({"a": 1, "sub": "u"}), None) {
                Ok(token) => {
                    assert!(fits, "{algorithm}, cap {cap}");
                    assert_eq!(world.say(&token.token), VALID);
                    world.flag(Flag::Subject("u", JUST_NOW));
                    let next = world.rotate(&world.rotate(&token));
                    assert_eq!(world.say(&next.token), VALID, "{algorithm}, cap {cap}");
                }
                Err(Refusal::TokenTooLarge { size: said, max }) => {
                    assert!(
                        !fits && said == size && max == cap,
                        "{algorithm}, cap {cap}, size {said}"
                    );
                }
                Err(other) => panic!("{algorithm}: {other}"),
            }
        }
    }
    // New claims of a rotation may not make it too long.
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.max_token = 1000)
        .serve();
    let old = world.issue(json!({}));
    let refusal = world.try_rotate(&old.token, None, Some(&json!({"pad": "p".repeat(1000)})));
    assert!(matches!(refusal, Err(Refusal::TokenTooLarge { max: 1000, .. })));
    assert_eq!(world.say(&old.token), VALID, "and nothing has happened");
}

#[test]
fn exactly_three_segments() {
    let world = plain();
    let token = world.forge(HEADER, &fewest());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three segments")
    };
    for other in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        format!("{header}.{claims}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}.{signature}.{signature}"),
        format!("{header}..{claims}.{signature}"),
        format!("..{signature}"),
        format!(".{claims}.{signature}"),
        ".".repeat(8000),
        format!(r#"{{"payload":"{claims}","protected":"{header}","signature":"{signature}"}}"#),
    ] {
        assert_eq!(world.say(&other), refused(Malformed), "{other:.80}");
    }
    // An empty segment is canonical: what it lacks is said by the check that misses it.
    assert_eq!(world.say(&format!("{header}.{claims}.")), refused(BadSignature));
    assert_eq!(world.say(&format!("{header}..{signature}")), refused(BadSignature));
    assert_eq!(world.say(&sign_segments(&world, header, "", "")), refused(Malformed));
}

#[test]
fn of_all_final_characters_of_a_signature_one_is_right() {
    for algorithm in Algorithm::ALL {
        let world = Builder::signing(&key(algorithm)).serve();
        let token = world.forge_claims(&fewest());
        let (stem, last) = token.split_at(token.len() - 1);
        let right: Vec<_> = ALPHABET
            .iter()
            .filter(|end| world.say(&format!("{stem}{}", **end as char)) == VALID)
            .map(|end| (*end as char).to_string())
            .collect();
        assert_eq!(right, [last], "{algorithm}");
    }
}

#[test]
fn an_alias_of_a_signature_is_malformed() {
    // 32 bytes leave two spare bits in the last character: four texts, one of them canonical.
    let world = plain();
    let token = world.forge(HEADER, &fewest());
    let (stem, last) = token.split_at(token.len() - 1);
    let place = ALPHABET
        .iter()
        .position(|character| last.as_bytes() == [*character])
        .unwrap();
    for alias in 1..4 {
        let alias = ALPHABET[place + alias] as char;
        assert_eq!(world.say(&format!("{stem}{alias}")), refused(Malformed), "{alias}");
    }
}

#[test]
fn aliases_of_header_and_claims_are_malformed_though_signed() {
    let world = plain();
    let [header, claims] = [HEADER.replace(':', ": "), fewest()].map(|text| encode_base64url(text.as_bytes()));
    assert_eq!(world.say(&sign_segments(&world, &header, &claims, "")), VALID);
    assert_ne!(header.len() % 4, 0, "a header with spare bits");
    for (name, good) in [("header", &header), ("claims", &claims)] {
        let mut bad = vec![
            format!("{good}="),
            format!("{good}=="),
            format!("{good} "),
            format!("{good}\n"),
            format!(" {good}"),
            format!("{}\n{}", &good[..4], &good[4..]),
            format!("{}+{}", &good[..4], &good[5..]),
            format!("{}/{}", &good[..4], &good[5..]),
            format!("{}\0{}", &good[..4], &good[4..]),
            format!("{good}A"),
        ];
        if good.len() % 4 != 0 {
            let last = ALPHABET
                .iter()
                .position(|character| good.as_bytes().last() == Some(character))
                .unwrap();
            bad.push(format!("{}{}", &good[..good.len() - 1], ALPHABET[last + 1] as char));
        }
        for bad in bad {
            let token = match name {
                "header" => sign_segments(&world, &bad, &claims, ""),
                _ => sign_segments(&world, &header, &bad, ""),
            };
            let said = world.say(&token);
            // One more character can be canonical again: then it is another text, and no JSON.
            assert_eq!(said, refused(Malformed), "{name} {bad:?}");
        }
    }
    for tail in ["=", "==", "\n", " ", "\r\n", "\0", "A", "AA=="] {
        let token = sign_segments(&world, &header, &claims, tail);
        assert_ne!(world.say(&token), VALID, "signature with {tail:?}");
        if tail != "A" {
            assert_eq!(world.say(&token), refused(Malformed), "signature with {tail:?}");
        }
    }
}

#[test]
fn segments_that_are_no_strict_json_objects() {
    let world = plain();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mac = |header: &[u8], claims: &[u8]| {
        let input = format!("{}.{}", encode_base64url(header), encode_base64url(claims));
        let signature = world.key().signer().sign(input.as_bytes()).unwrap();
        format!("{input}.{}", encode_base64url(&signature))
    };
    let with =
        |member: &str| format!(r#"{{"exp":{},"jti":"a",{member}}}"#, jwtkeeper_testkit::world::NOW + 60).into_bytes();
    let broken: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"a\"".to_vec(),
        b"{".to_vec(),
        [fewest().as_bytes(), b"x"].concat(),
        [fewest().as_bytes(), b"\0"].concat(),
        [b"\xef\xbb\xbf", fewest().as_bytes()].concat(),
        fewest().encode_utf16().flat_map(u16::to_le_bytes).collect(),
        with("\"a\":\"\u{1}\""),
        with(r#""a":"\ud800""#),
        with(r#""a":01"#),
        with(r#""a":.5"#),
        with(r#""a":NaN"#),
        with(r#""a":'x'"#),
        with(&format!(r#""a":{}"#, nested(200))),
        with(&format!(r#""a":{}"#, nested(2900))),
        [&with(r#""a":""#)[..], b"\xff\"}"].concat(),
    ];
    for claims in broken {
        let shown = String::from_utf8_lossy(&claims).into_owned();
        assert_eq!(
            world.say(&mac(HEADER.as_bytes(), &claims)),
            refused(Malformed),
            "{shown:.80}"
        );
    }
    assert_eq!(
        world.say(&mac(HEADER.as_bytes(), &with(&format!(r#""a":{}"#, nested(100))))),
        VALID
    );
}
