//! The file that is written for each algorithm, and the message about it.

use std::fs::{self, File};
use std::process::Command;

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{CTL, Place, complained, generate, generate_into, mode, refused, said, text};

const ALL: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

/// A key file is what the algorithm asks for: secrets as long as the hash (RFC 7518 section 3.2), one private key in
/// PEM otherwise.
fn assert_form(algorithm: &str, content: &str) {
    let secret_length = match algorithm {
        "HS256" => 32,
        "HS384" => 48,
        "HS512" => 64,
        _ => return assert_private_key(algorithm, content),
    };
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(content)
        .expect("base64url, unpadded, no newline");
    assert_eq!(bytes.len(), secret_length, "{algorithm}");
}

fn assert_private_key(algorithm: &str, content: &str) {
    assert!(content.ends_with("-----END PRIVATE KEY-----\n") && !content.contains('\r'));
    let blocks = pem::parse_many(content).unwrap();
    let [block] = blocks.as_slice() else {
        panic!("{algorithm}: {} blocks", blocks.len())
    };
    assert_eq!(block.tag(), "PRIVATE KEY");
    let der = block.contents();
    // PrivateKeyInfo (RFC 5208): a SEQUENCE whose length has one byte or two more, then the version, 0.
    let version = match der[1] {
        0x82 => &der[4..7],
        0x81 => &der[3..6],
        _ => &der[2..5],
    };
    assert_eq!(version, [2, 1, 0], "{algorithm}: the version of PKCS#8");
    match algorithm {
        "ES256" => drop(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).unwrap()),
        "ES384" => drop(EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der).unwrap()),
        "EdDSA" => drop(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).unwrap()),
        _ => assert_eq!(rsa::KeyPair::from_pkcs8(der).unwrap().public_modulus_len() * 8, 3072),
    }
}

fn openssl(args: &[&str]) -> Command {
    let there = Command::new("openssl").arg("version").output();
    assert!(
        there.is_ok(),
        "openssl is missing; install it (make test does it as root)"
    );
    let mut command = Command::new("openssl");
    command.args(args);
    command
}

#[test]
fn each_algorithm_has_its_form() {
    let place = Place::new();
    for algorithm in ALL {
        let file = place.path(algorithm);
        let mut command = generate(&["--algorithm", algorithm]);
        command.arg(&file);
        let said = said(command);
        let content = fs::read_to_string(&file).unwrap();
        assert_form(algorithm, &content);
        assert_eq!(mode(&file), 0o600, "{algorithm}");
        let what = if algorithm.starts_with("HS") {
            "a secret"
        } else {
            "a private key"
        };
        assert_eq!(said, format!("wrote {}: {what} for {algorithm}\n", file.display()));
        if !algorithm.starts_with("HS") {
            let output = openssl(&["pkey", "-noout", "-check", "-in"])
                .arg(&file)
                .output()
                .unwrap();
            assert!(output.status.success(), "{algorithm}: {}", text(&output.stderr));
        }
    }
    let mut names = ALL.to_vec();
    names.sort();
    assert_eq!(place.names(), names);
}

#[test]
fn hs512_unless_it_is_said() {
    let place = Place::new();
    said(generate_into(&place.secret()));
    assert_form("HS512", &place.content());
    let help = said(generate(&["--help"]));
    assert!(
        help.contains("[default: /etc/jwtkeeper/secret, or key.pem there"),
        "{help}"
    );
}

/// Slips of the keyboard are usage errors: they would replace a file that nobody meant.
#[test]
fn slips_are_usage() {
    let place = Place::new();
    let file = place.secret();
    let file = file.to_str().unwrap();
    for (args, says) in [
        (&["--realm", "api", "secret", "generate", file][..], "not for a realm"),
        (&["secret", "generate", "ES256"], "--algorithm says"),
        (&["secret", "generate", "hs512"], "--algorithm says"),
    ] {
        let output = assert_cmd::Command::cargo_bin("jwtkeeperctl")
            .unwrap()
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn no_two_are_alike() {
    for algorithm in ["HS256", "HS384", "HS512", "ES256", "ES384", "EdDSA", "PS256"] {
        let one = said(generate(&["--algorithm", algorithm, "-"]));
        let other = said(generate(&["--algorithm", algorithm, "-"]));
        assert_form(algorithm, &one);
        assert_form(algorithm, &other);
        assert_ne!(one, other);
    }
}

/// Stdout holds the key and nothing else, and no file is made.
#[test]
fn stdout_is_a_place_too() {
    let place = Place::new();
    let mut command = generate(&["-"]);
    command.current_dir(place.path(""));
    assert_form("HS512", &said(command));
    assert!(place.names().is_empty());

    let mut command = generate(&["--algorithm", "EdDSA", "-"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    let complaint = complained(&command.output().unwrap(), 69);
    assert!(complaint.contains("No space left"), "{complaint}");
}

#[test]
fn what_it_replaces_is_said() {
    let place = Place::new();
    let file = place.secret();
    said(generate_into(&file));
    let first = place.content();
    let said_next = said(generate_into(&file));
    let expected = format!(
        "wrote {}: a secret for HS512\nit replaces another key: every token that only that one verifies is invalid \
         once the daemon has read this\nthe old one is kept as {}: delete it once nothing needs it\n",
        file.display(),
        place.backup().display()
    );
    assert_eq!(said_next, expected);
    assert_ne!(place.content(), first);
    assert_eq!(fs::read_to_string(place.backup()).unwrap(), first);
}

#[test]
fn with_json_it_is_one_object() {
    let place = Place::new();
    let file = place.secret();
    for replaced in [false, true] {
        let mut command = generate(&["--json", "--algorithm", "ES256"]);
        command.arg(&file);
        let said = said(command);
        assert_eq!(said.lines().count(), 1, "{said}");
        let backup = replaced.then(|| place.backup());
        let shape =
            json!({"file": file.to_str().unwrap(), "algorithm": "ES256", "replaced": replaced, "backup": backup});
        assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), shape);
    }
}

#[test]
fn wrong_usage_is_2() {
    let place = Place::new();
    for args in [
        &["secret"][..],
        &["secret", "make"],
        &["secret", "generate", "--algorithm", "HS1024", "secret"],
        &["secret", "generate", "--algorithm", "hs512", "secret"],
        &["secret", "generate", "--algorithm", "none", "secret"],
        &["secret", "generate", "one", "two"],
        &["secret", "generate", ""],
        &["--json", "secret", "generate", "-"],
    ] {
        let output = Command::new(CTL)
            .args(args)
            .current_dir(place.path(""))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        assert!(place.names().is_empty(), "{args:?}");
        if let Some(named) = args.iter().position(|arg| *arg == "--algorithm") {
            let complaint = text(&output.stderr);
            assert!(complaint.contains(&format!("'{}'", args[named + 1])), "{complaint}");
            assert!(complaint.contains(&ALL.join(", ")), "{complaint}");
        }
    }
}

/// A path that leads nowhere is the user's to put right, and is named with what to do.
#[test]
fn a_path_that_leads_nowhere() {
    let place = Place::with_old();
    let long = "x".repeat(300);
    for (name, advice) in [
        ("missing/secret", "make the directory first"),
        ("secret/below", "nothing was changed"),
        ("missing/", "nothing was changed"),
        (long.as_str(), "nothing was changed"),
    ] {
        let complaint = refused(generate_into(&place.path(name)), 78);
        let named = name.strip_suffix("/secret").unwrap_or(name);
        assert!(complaint.contains(&*place.path(named).to_string_lossy()), "{complaint}");
        assert!(complaint.contains(advice), "{complaint}");
        place.assert_untouched(name);
    }
}
