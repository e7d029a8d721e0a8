//! The claims set: strict JSON, right types, and what must be there.

use jwtkeeper_core::jwt::{Algorithm, Version};
use jwtkeeper_wire::Cause;
use jwtkeeper_wire::Reason::{Expired, LifetimeTooLong, Malformed, WrongAudience, WrongIssuer};

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, NOW, Said, VALID, World, due, plain, refused};

/// Valid claims, but for one that has this value.
fn with(name: &str, value: &str) -> String {
    let exp = (NOW + 60).to_string();
    let mut members = vec![("exp", exp.as_str()), ("jti", r#""a""#)];
    members.retain(|(other, _)| *other != name);
    members.push((name, value));
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!(r#""{name}":{value}"#))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn say(world: &World, claims: &str) -> Said {
    world.say(&world.forge_claims(claims))
}

#[test]
fn no_name_occurs_twice() {
    let world = plain();
    let (exp, past) = (NOW + 60, NOW - 60);
    for claims in [
        format!(r#"{{"exp":{exp},"exp":{exp},"jti":"a"}}"#),
        format!(r#"{{"exp":{exp},"jti":"a","exp":{past}}}"#),
        format!(r#"{{"exp":{past},"jti":"a","exp":{exp}}}"#),
        format!(r#"{{"exp":{exp},"jti":"a","jti":"b"}}"#),
        format!(r#"{{"exp":{exp},"\u0065xp":{exp},"jti":"a"}}"#),
        format!(r#"{{"\u0065\u0078\u0070":{past},"exp":{exp},"jti":"a"}}"#),
        format!(r#"{{"exp":{exp},"jti":"a","aud":"x","aud":"y"}}"#),
        format!(r#"{{"exp":{exp},"jti":"a","x":1,"x":1}}"#),
        format!(r#"{{"exp":{exp},"jti":"a","é":1,"\u00e9":1}}"#),
        format!(r#"{{"exp":{exp},"jti":"a","x":{{"y":1,"y":2}}}}"#),
        format!(r#"{{"exp":{exp},"jti":"a","x":[[{{"y":1,"\u0079":2}}]]}}"#),
        format!(r#"{{"exp":{exp},"jti":"a","":1,"":2}}"#),
    ] {
        assert_eq!(say(&world, &claims), refused(Malformed), "{claims}");
    }
    // Among many names too, where they are no longer compared one by one.
    let many: Vec<_> = (0..40).map(|n| format!(r#""n{n}":{n}"#)).collect();
    let claims = |last: &str| format!(r#"{{"exp":{exp},"jti":"a",{},{last}}}"#, many.join(","));
    assert_eq!(say(&world, &claims(r#""n40":0"#)), VALID);
    for again in ["n0", "n13", "n14", "n15", "n39", "jti"] {
        assert_eq!(
            say(&world, &claims(&format!(r#""{again}":0"#))),
            refused(Malformed),
            "{again}"
        );
    }
    // One name at two depths is two names.
    assert_eq!(
        say(&world, &format!(r#"{{"exp":{exp},"jti":"a","x":{{"exp":1,"jti":2}}}}"#)),
        VALID
    );
}

#[derive(Clone, Copy, PartialEq)]
enum Is {
    Text,
    Texts,
    /// An integer that fits 64 bits.
    Integer,
    /// Any other number.
    Number,
    /// Nothing that a registered claim may be.
    Wrong,
}

const VALUES: [(&str, Is); 28] = [
    ("null", Is::Wrong),
    ("true", Is::Wrong),
    ("false", Is::Wrong),
    (r#""x""#, Is::Text),
    (r#""1700000060""#, Is::Text),
    (r#""9999999999abc""#, Is::Text),
    ("[]", Is::Texts),
    (r#"["a"]"#, Is::Texts),
    (r#"["a","b"]"#, Is::Texts),
    (r#"["a",1]"#, Is::Wrong),
    (r#"["a",null]"#, Is::Wrong),
    (r#"[["a"]]"#, Is::Wrong),
    ("[1700000060]", Is::Wrong),
    ("{}", Is::Wrong),
    (r#"{"a":1}"#, Is::Wrong),
    ("0", Is::Integer),
    ("1", Is::Integer),
    ("-1", Is::Integer),
    ("1700000000", Is::Integer),
    ("9223372036854775807", Is::Integer),
    ("9223372036854775808", Is::Integer),
    ("18446744073709551615", Is::Integer),
    ("18446744073709551616", Is::Number),
    ("-0", Is::Number),
    ("1.5", Is::Number),
    ("-1.5", Is::Number),
    ("1e300", Is::Number),
    ("1e400", Is::Wrong), // no double: the JSON itself is refused
];

#[test]
fn every_registered_claim_has_its_type() {
    let world = plain();
    for (value, is) in VALUES {
        let text = is == Is::Text;
        let number = matches!(is, Is::Integer | Is::Number);
        for (name, right) in [
            ("exp", number),
            ("nbf", number),
            ("iat", number),
            ("iss", text),
            ("jti", text),
            ("aud", text || is == Is::Texts),
            ("sub", text || is == Is::Integer),
        ] {
            let said = say(&world, &with(name, value));
            assert_eq!(said != refused(Malformed), right, "{name}: {value}, {said:?}");
        }
    }
}

#[test]
fn a_value_that_is_no_claim_of_ours_is_anything() {
    let world = plain();
    for (value, _) in VALUES.iter().filter(|(value, _)| *value != "1e400") {
        assert_eq!(say(&world, &with("x", value)), VALID, "{value}");
    }
}

#[test]
fn exp_of_every_size_is_judged_and_never_taken_for_absent() {
    let world = plain();
    for (value, said) in [
        ("0", Expired),
        ("-0", Expired),
        ("-1", Expired),
        ("-9223372036854775808", Expired),
        ("-1e300", Expired),
        ("1.5", Expired),
        ("1700000000.9", Expired), // floored: that second has begun
        ("9223372036854775807", LifetimeTooLong),
        ("9223372036854775808", LifetimeTooLong),
        ("18446744073709551616", LifetimeTooLong),
        ("1e300", LifetimeTooLong),
    ] {
        assert_eq!(say(&world, &with("exp", value)), refused(said), "{value}");
    }
    assert_eq!(say(&world, &with("exp", "1700000001.9")), VALID);
    assert_eq!(say(&world, &with("exp", "1.70000006e9")), VALID);
}

#[test]
fn exp_and_jti_must_be_there() {
    let world = plain();
    for claims in [
        "{}".to_owned(),
        format!(r#"{{"exp":{}}}"#, NOW + 60),
        r#"{"jti":"a"}"#.to_owned(),
        format!(r#"{{"exp":{},"jti":""}}"#, NOW + 60),
        format!(r#"{{"exp":{},"jti":"{}"}}"#, NOW + 60, "j".repeat(1025)),
        format!(r#"{{"EXP":{},"jti":"a"}}"#, NOW + 60),
    ] {
        assert_eq!(say(&world, &claims), refused(Malformed), "{claims:.60}");
    }
    let longest = format!(r#"{{"exp":{},"jti":"{}"}}"#, NOW + 60, "j".repeat(1024));
    assert_eq!(say(&world, &longest), VALID);
}

#[test]
fn the_subject_may_have_another_name() {
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.subject_claim = "uid".to_owned())
        .serve();
    for (value, right) in [
        (r#""u""#, true),
        ("77168", true),
        ("-7", true),
        ("1.5", false),
        ("null", false),
        ("[]", false),
    ] {
        assert_eq!(say(&world, &with("uid", value)) == VALID, right, "uid {value}");
    }
    assert_eq!(say(&world, &with("sub", r#""u""#)), VALID);
    assert_eq!(say(&world, &with("uid", r#""""#)), VALID, "an empty one names nobody");
    assert_eq!(
        say(&world, &with("sub", "[]")),
        refused(Malformed),
        "sub keeps its type (RFC 7519 section 4.1.2)"
    );
}

#[test]
fn issuer_and_audience_are_equal_byte_for_byte() {
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| {
            policy.issuer = Some("https://api.example.com".to_owned());
            policy.audience = vec!["example.com".to_owned(), "exämple".to_owned()];
        })
        .serve();
    let both = |iss: &str, aud: &str| format!(r#"{{"exp":{},"jti":"a"{iss}{aud}}}"#, NOW + 60);
    let (iss, aud) = (r#","iss":"https://api.example.com""#, r#","aud":"example.com""#);
    assert_eq!(say(&world, &both(iss, aud)), VALID);
    for bad in [
        "",
        "http",
        "https://api.example.co",
        "https://api.example.com/",
        "https://API.example.com",
        " https://api.example.com",
    ] {
        let claim = format!(r#","iss":"{bad}""#);
        assert_eq!(say(&world, &both(&claim, aud)), refused(WrongIssuer), "{bad}");
    }
    assert_eq!(say(&world, &both("", aud)), refused(WrongIssuer), "missing");
    for (aud, said) in [
        (r#","aud":"exämple""#, VALID),
        (r#","aud":"ex\u00e4mple""#, VALID),
        (r#","aud":["other","example.com"]"#, VALID),
        (r#","aud":["example.com","example.com"]"#, VALID),
        ("", refused(WrongAudience)),
        (r#","aud":"""#, refused(WrongAudience)),
        (r#","aud":[]"#, refused(WrongAudience)),
        (r#","aud":"example""#, refused(WrongAudience)),
        (r#","aud":"example.com.evil""#, refused(WrongAudience)),
        (r#","aud":"Example.com""#, refused(WrongAudience)),
        (r#","aud":"exa\u0308mple""#, refused(WrongAudience)), // the same letters, composed otherwise
        (r#","aud":["example","com"]"#, refused(WrongAudience)),
    ] {
        assert_eq!(say(&world, &both(iss, aud)), said, "{aud}");
    }
}

#[test]
fn a_version_is_equal_in_value_and_type() {
    let stale = due(Cause::StaleVersion);
    let of = |version: Version<'static>| Builder::signing(&key(Algorithm::HS256)).version(version).serve();
    let table: [(Version<'static>, &[&str], &[&str]); 3] = [
        (
            Version::Number(1),
            &["1"],
            &[r#""1""#, "2", "1.0", "-1", "true", "null", "[1]", "1e0"],
        ),
        (
            Version::Text("1".into()),
            &[r#""1""#, r#""\u0031""#],
            &["1", r#""01""#, r#""1 ""#, r#""""#, "null", "{}"],
        ),
        (Version::None, &[], &["1", r#""1""#, r#""""#, "null"]),
    ];
    for (version, same, other) in table {
        let world = of(version.clone());
        for ver in same {
            assert_eq!(say(&world, &with("ver", ver)), VALID, "{version:?} and {ver}");
        }
        for ver in other {
            assert_eq!(say(&world, &with("ver", ver)), stale, "{version:?} and {ver}");
        }
        let absent = if version == Version::None { VALID } else { stale.clone() };
        assert_eq!(say(&world, &with("x", "1")), absent, "{version:?} and none");
    }
}
