//! The key that is replaced: never one of another kind by mistake, and kept beside the new one.

use std::fs;

use crate::support::{OLD, Place, chmod, generate, mode, refused, said};

const ALGORITHMS: [(&str, &str); 5] = [
    ("HS256", "an HMAC secret"),
    ("RS256", "an RSA private key"),
    ("ES256", "a private key for ES256"),
    ("ES384", "a private key for ES384"),
    ("EdDSA", "a private key for EdDSA"),
];

#[test]
fn a_key_of_another_kind_is_replaced_by_force_alone() {
    let place = Place::new();
    let file = place.secret();
    let into = |args: &[&str]| {
        let mut command = generate(args);
        command.arg(&file);
        command
    };
    for (old, holds) in ALGORITHMS {
        said(into(&["--force", "--no-backup", "--algorithm", old]));
        let before = place.content();
        for (new, makes) in ALGORITHMS.iter().filter(|(new, _)| *new != old) {
            let complaint = refused(into(&["--algorithm", new]), 78);
            let expected = format!("holds {holds}, which {makes} must not replace; it was left as it is");
            assert!(complaint.contains(&expected), "{complaint}");
            assert!(complaint.contains("--force"), "{complaint}");
        }
        assert_eq!((place.content(), place.names()), (before, vec!["secret".to_owned()]));
    }
}

#[test]
fn what_is_no_private_key_alone_is_replaced_by_force_alone() {
    let place = Place::new();
    let file = place.secret();
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
    for other in [
        public,
        "Bag Attributes\n-----BEGIN CERTIFICATE-----",
        "{\"kty\": \"oct\"}",
    ] {
        fs::write(&file, other).unwrap();
        let mut command = generate(&[]);
        command.arg(&file);
        let complaint = refused(command, 78);
        assert!(complaint.contains("a key of another form"), "{complaint}");
        assert_eq!(place.content(), other);
    }
    fs::write(&file, "\n").unwrap();
    let mut command = generate(&[]);
    command.arg(&file);
    said(command);
}

#[test]
fn every_replaced_key_is_kept_for_its_owner_alone() {
    let place = Place::with_old();
    chmod(&place.secret(), 0o640);
    let mut command = generate(&[]);
    command.arg(place.secret());
    said(command);
    let first = place.backup();
    assert_eq!(fs::read_to_string(&first).unwrap(), OLD);
    assert_eq!((mode(&first), mode(&place.secret())), (0o600, 0o640));
    // In the same second too.
    let mut contents = vec![OLD.to_owned()];
    for _ in 0..3 {
        contents.push(place.content());
        let mut command = generate(&[]);
        command.arg(place.secret());
        said(command);
    }
    let backups = place.names().into_iter().filter(|name| name.starts_with("secret.bak-"));
    let mut kept: Vec<_> = backups
        .map(|name| fs::read_to_string(place.path(&name)).unwrap())
        .collect();
    kept.sort();
    contents.sort();
    assert_eq!(kept, contents);
}

#[test]
fn no_backup_is_kept_where_none_is_wanted() {
    let place = Place::with_old();
    let mut command = generate(&["--no-backup"]);
    command.arg(place.secret());
    let said = said(command);
    assert!(!said.contains("is kept as"), "{said}");
    assert_eq!(place.names(), ["secret"]);
}
