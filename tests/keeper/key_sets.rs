//! JWK Sets with odd keys (RFC 7517 section 5): each is skipped by itself, with a warning that names it.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keyring::{PublicFile, load_private, load_public};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::configured::Directory;
use jwtkeeper_testkit::world::VALID;
use jwtkeeper_testkit::world::keys::{key, stranger};

/// A modulus of 1024 bits.
fn short_modulus(modulus: &Value) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(modulus.as_str().unwrap()).unwrap();
    json!(BASE64_URL_SAFE_NO_PAD.encode(&bytes[..128]))
}

fn public(algorithm: Algorithm) -> Value {
    serde_json::to_value(key(algorithm).verifying().public).unwrap()
}

fn change(mut key: Value, member: &str, value: Value) -> Value {
    key[member] = value;
    key
}

fn without(mut key: Value, member: &str) -> Value {
    key.as_object_mut().unwrap().remove(member);
    key
}

fn load(keys: &Value, algorithm: Algorithm) -> Result<PublicFile, String> {
    let set = json!({"keys": keys}).to_string();
    load_public(set.as_bytes(), algorithm).map_err(|fault| fault.to_string())
}

/// Odd RSA keys, and what the warning says of each.
fn odd() -> Vec<(Value, &'static str)> {
    let rsa = change(public(Algorithm::RS256), "kid", json!("odd"));
    vec![
        (without(rsa.clone(), "n"), "the JWK has no n"),
        (
            change(rsa.clone(), "n", short_modulus(&rsa["n"])),
            "RSA key has 1024 bits; the minimum is 2048 (RFC 7518 section 3.3)",
        ),
        (change(rsa.clone(), "kid", json!(7)), "its kid is not a string"),
        (without(rsa.clone(), "kty"), "it has no kty"),
        (change(rsa.clone(), "kty", json!(null)), "its kty is not a string"),
        (
            change(rsa.clone(), "n", json!("AA==")),
            "a member of the JWK is not base64url",
        ),
        (
            change(rsa.clone(), "n", json!(5)),
            "a member of the JWK is not a string",
        ),
        (change(rsa.clone(), "alg", json!(256)), "its alg is not a string"),
        (change(rsa.clone(), "use", json!(["sig"])), "its use is not a string"),
        (
            change(rsa.clone(), "key_ops", json!("verify")),
            "the JWK's key_ops are not a list of strings",
        ),
        (
            change(rsa, "alg", json!("ES256")),
            "the JWK's kty is not what the algorithm takes",
        ),
        (
            json!({"kty": "oct", "kid": "odd", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}),
            "it is a shared secret among public keys",
        ),
        (json!({"kty": "EC", "kid": "odd", "x": "AAAA"}), "it has no crv"),
        (json!("a key"), "it is not an object"),
        (json!(null), "it is not an object"),
    ]
}

#[test]
fn odd_keys_are_skipped_with_a_warning_each() {
    let ours = public(Algorithm::RS256);
    for (odd, says) in odd() {
        for keys in [json!([odd, ours]), json!([ours, odd])] {
            let found = load(&keys, Algorithm::RS256).unwrap_or_else(|fault| panic!("{odd}: {fault}"));
            assert_eq!(found.keys.len(), 1, "{odd}");
            let index = usize::from(keys[1] == odd);
            let kid = if odd["kid"] == "odd" { " (kid \"odd\")" } else { "" };
            assert_eq!(found.notes, [format!("key {index}{kid} is skipped: {says}")]);
        }
    }
    let all: Vec<_> = odd().into_iter().map(|(odd, _)| odd).chain([ours]).collect();
    assert_eq!(load(&json!(all), Algorithm::RS256).unwrap().notes.len(), all.len() - 1);
    // Members that occur twice are known in the text alone.
    let twice = format!(
        r#"{{"keys":[{{"kty":"RSA","kty":"RSA"}},{}]}}"#,
        public(Algorithm::RS256)
    );
    let notes = load_public(twice.as_bytes(), Algorithm::RS256).unwrap().notes;
    assert_eq!(
        notes,
        [r#"key 0 is skipped: duplicate name "kty" at byte 13 of the key"#]
    );
}

#[test]
fn set_without_a_usable_key_says_why_of_each() {
    let enc = change(public(Algorithm::RS256), "use", json!("enc"));
    let short = change(
        public(Algorithm::RS256),
        "n",
        short_modulus(&public(Algorithm::RS256)["n"]),
    );
    let keys = json!([enc, change(short, "kid", json!("short")), {"kty": "AKP"}]);
    let fault = load(&keys, Algorithm::RS256).err().unwrap();
    for says in [
        "no key for RS256",
        "its use is not sig",
        "key 1 (kid \"short\"): RSA key has 1024 bits",
        "key 2: its kty or crv is not supported",
    ] {
        assert!(fault.contains(says), "{says}: {fault}");
    }
    assert!(
        load(&json!([]), Algorithm::RS256)
            .err()
            .unwrap()
            .ends_with("it is empty")
    );
    let many: Vec<_> = (0..100).map(|_| json!({})).collect();
    let fault = load(&json!(many), Algorithm::RS256).err().unwrap();
    assert!(fault.ends_with("84 more keys are left out"), "{fault}");
}

#[test]
fn use_and_key_ops_are_honoured() {
    let ours = public(Algorithm::ES256);
    for (member, value, taken) in [
        ("use", json!("sig"), true),
        ("use", json!("enc"), false),
        ("key_ops", json!(["verify"]), true),
        ("key_ops", json!(["verify", "encrypt"]), true),
        ("key_ops", json!(["encrypt"]), false),
        ("key_ops", json!(["sign"]), false),
        ("key_ops", json!([]), false),
    ] {
        let odd = change(without(ours.clone(), "use"), member, value.clone());
        let found = load(&json!([odd, ours]), Algorithm::ES256).unwrap();
        assert_eq!(found.keys.len(), 1 + usize::from(taken), "{member} {value}");
        assert_eq!(found.notes, [""; 0], "for another purpose is no oddity");
    }
}

#[tokio::test]
async fn signing_key_needs_sign_among_its_key_ops() {
    let jwk = |ops: Value| {
        json!({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "key_ops": ops}).to_string()
    };
    let lines = "algorithm = \"HS256\"\nsecret_file = \"secret\"\n";
    for (ops, says) in [
        (json!(["verify"]), "key_ops do not hold sign"),
        (json!(["wrapKey"]), "key_ops hold neither sign nor verify"),
    ] {
        let fault = Directory::new()
            .file("secret", jwk(ops))
            .load(lines)
            .await
            .err()
            .unwrap();
        assert!(fault.contains(says), "{fault}");
    }
    let directory = Directory::new()
        .file("secret", jwk(json!(["sign", "verify"])))
        .file("old", jwk(json!(["verify"])));
    let retired = "[[realms.default.retired_keys]]\nalgorithm = \"HS256\"\nfile = \"old\"";
    directory.load(&format!("{lines}{retired}")).await.unwrap();
}

#[tokio::test]
async fn private_key_among_public_ones_is_used_and_warned_of() {
    // RFC 8037 appendix A.1.
    let private = concat!(
        r#"{"kty":"OKP","crv":"Ed25519","kid":"a","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","#,
        r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
    );
    let signing = load_private(Zeroizing::new(private.as_bytes().to_vec()), Algorithm::EdDSA, false).unwrap();
    let directory = Directory::new()
        .file("set", format!(r#"{{"keys":[{private}]}}"#))
        .file("key", private);
    for (setting, name) in [("jwks_file", "set"), ("public_key_file", "key")] {
        let lines = format!("algorithm = \"EdDSA\"\n{setting} = \"{name}\"");
        let realm = directory.load(&lines).await.unwrap();
        let claims = format!(
            r#"{{"iat":{},"exp":{},"jti":"a"}}"#,
            jwtkeeper_testkit::world::NOW,
            jwtkeeper_testkit::world::NOW + 60
        );
        assert_eq!(realm.say(&signing.signing.sign(&claims, None).unwrap()), VALID);
        let notes = realm.notes();
        assert_eq!(notes.len(), 1);
        assert!(
            notes[0].contains("is a private key in a file of public keys"),
            "{notes:?}"
        );
        assert!(notes[0].contains(setting), "{notes:?}");
    }
}

#[tokio::test]
async fn odd_keys_show_in_health() {
    let set = json!({"keys": [public(Algorithm::ES256), {"kid": 1}]});
    let directory = Directory::new().file("set", set.to_string());
    let realm = directory
        .load("algorithm = \"ES256\"\njwks_file = \"set\"")
        .await
        .unwrap();
    let notes = realm.notes();
    assert!(notes[0].starts_with("realm default: jwks_file "), "{notes:?}");
    assert!(
        notes[0].ends_with("set: key 1 is skipped: its kid is not a string"),
        "{notes:?}"
    );
}

#[test]
fn public_key_is_no_secret_in_any_form() {
    let hmac = |bytes: &[u8]| load_private(Zeroizing::new(bytes.to_vec()), Algorithm::HS256, true);
    let mut ders = vec![BASE64_STANDARD.decode(PSS_ONLY.lines().collect::<String>()).unwrap()];
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        ders.push(spki(algorithm));
        ders.push(key(algorithm).signer().public_key().unwrap().to_vec());
        ders.push(pem::parse(key(algorithm).file()).unwrap().into_contents());
    }
    // One in 256 ends in what is also a newline.
    let mut newline_last = spki(Algorithm::RS256);
    *newline_last.last_mut().unwrap() = b'\n';
    ders.push(newline_last);
    ders.retain(|der| der.len() > 32); // 32 bytes of Ed25519 are like any secret
    for der in ders {
        let base64 = BASE64_STANDARD.encode(&der);
        let wrapped: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let forms: Vec<Vec<u8>> = vec![
            der.clone(),
            [&der[..], b"\n"].concat(),
            base64.clone().into_bytes(),
            format!("{}\r\n", wrapped.join("\r\n")).into_bytes(),
            BASE64_URL_SAFE_NO_PAD.encode(&der).into_bytes(),
            format!("# our key\n-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n").into_bytes(),
            json!({"kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(&der)})
                .to_string()
                .into_bytes(),
            format!("\"{base64}\"\n").into_bytes(),
            format!("data:application/octet-stream;base64,{base64}").into_bytes(),
            hex(&der, "").into_bytes(),
            format!("{}\n", hex(&der, ":").to_uppercase()).into_bytes(),
        ];
        for form in forms {
            let fault = hmac(&form).err().map(|fault| fault.to_string());
            let shown = String::from_utf8_lossy(&form).into_owned();
            assert!(
                fault.is_some_and(|fault| fault.contains("where an HMAC")),
                "{shown:.60}"
            );
        }
    }
    let blob = [b"\0\0\0\x07ssh-rsa".as_slice(), &[0, 0, 0, 3, 1, 0, 1], &[7; 256]].concat();
    let line = format!("ssh-rsa {} user@host\n", BASE64_STANDARD.encode(&blob));
    assert!(hmac(line.as_bytes()).is_err());
    assert!(hmac(BASE64_STANDARD.encode(&blob).as_bytes()).is_err());
    // What the loader does not take for a JWK is still none of a secret.
    let jwk = public(Algorithm::RS256).to_string();
    for form in [
        format!("\u{feff}{jwk}"),
        format!("[{jwk}]"),
        json!(jwk).to_string(),
        BASE64_STANDARD.encode(&jwk),
    ] {
        let fault = hmac(form.as_bytes()).err().map(|fault| fault.to_string());
        assert!(fault.is_some_and(|fault| fault.contains("where an HMAC")), "{form:.60}");
    }

    for secret in [
        stranger(Algorithm::HS256).file(),
        BASE64_STANDARD.encode(stranger(Algorithm::HS256).file()).into_bytes(),
        hex(&stranger(Algorithm::HS256).file(), "").into_bytes(),
        b"MIEA and MIIAAA are no keys, only words of a sentence".to_vec(),
        vec![0x30; 64],
        b"correct horse battery staple, and then some".to_vec(),
    ] {
        assert!(hmac(&secret).is_ok(), "{}", String::from_utf8_lossy(&secret));
    }
}

fn hex(bytes: &[u8], separator: &str) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(separator)
}

/// The public key of this algorithm as SubjectPublicKeyInfo.
fn spki(algorithm: Algorithm) -> Vec<u8> {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use jwtkeeper_core::jwt::Signer;
    let der = match key(algorithm).signer() {
        Signer::Rsa(key, _) => AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()),
        Signer::Ec(key) => AsDer::<PublicKeyX509Der<'_>>::as_der(EcdsaKeyPair::public_key(&key)),
        Signer::Ed(key) => AsDer::<PublicKeyX509Der<'_>>::as_der(Ed25519KeyPair::public_key(&key)),
        Signer::Hmac(_) => panic!("a shared secret has no public key"),
    };
    der.unwrap().as_ref().to_vec()
}

/// `openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 | openssl pkey -pubout`.
const PSS_ONLY: &str = "MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAL1fj4yS2rd4fmbKqZNcnwNX
wqOoUUzeHPhD5CyeIFEwCkWpwX/bv1plFpSxiOXHAW/IkxV1fCLvOBSm1YjQUAic
lrnpaHWAxpIcwg2sVdp2I+BSEQE9VB10254iw0fL7oc2AuntX1VJMIzfeJkiieKU
41oEnxXracjjZnYLhWaXLwDbCLc5Zw2BEexhPeGTdIcGTxlDLZnMMrvMJMVK7GgF
kp+6CoDCVUiBvhsN9Fz2WVqk54jFioZrzePRjvO3w2YZHxMz6qRT0A+h0HpaZt9i
MqnMMe5kiAFmcTceK7BIQFz1ewP4UIKJxwAaymqxz0J2NVaLXTvLByF511bawyUC
AwEAAQ==";

#[test]
fn key_for_pss_alone_is_refused() {
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{PSS_ONLY}\n-----END PUBLIC KEY-----\n");
    for algorithm in [Algorithm::RS256, Algorithm::PS256] {
        let fault = load_public(pem.as_bytes(), algorithm).err().unwrap().to_string();
        assert!(fault.contains("id-RSASSA-PSS"), "{fault}");
    }
}

/// A modulus of two primes k * M + (65537^a mod M), where M is the product of the first 126 primes.
const ROCA: &str = "-H6G8P_UblNt8Xf-hX2bBNMkIJCP5aaBjNHwGVJU4__pJL8bnGABvHAwzhUlBFBtNuN_nVtSkYveM2s-4Y9ZpVijzo4Qo3MUJlhs-\
    D3BmB6_t9faq9n8SneItc82_mBhgGwuloZo-AZyR_yW9ROSeHesJjLunzRF2aKXu6hNb_idsp4mmqo-02xtP-F3cWU8B7_wPXfpHs3XSS6SHnOEAGAl\
    -9kWTNeH5wa3LpRDwDyh7s95iuazb9Sts5_xEWQTga6oxrk4pkquHnZ48aqjfuLwIkBtVakxCd4iH-jsvpQOcdSJU36mbYFFKJzt31H4mTsiFdtDurr\
    Ptn3ndv7XYQ";

#[test]
fn roca_key_is_refused() {
    let weak = change(public(Algorithm::RS256), "n", json!(ROCA));
    let fault = load_public(weak.to_string().as_bytes(), Algorithm::RS256)
        .err()
        .unwrap();
    assert!(fault.to_string().contains("CVE-2017-15361"), "{fault}");
    let found = load(&json!([weak, public(Algorithm::RS256)]), Algorithm::RS256).unwrap();
    assert_eq!((found.keys.len(), found.notes.len()), (1, 1));
}
