//! Values beyond all bounds that somebody else wrote: they stand in nobody's way, and are written over.

use std::sync::Arc;

use jwtkeeper_core::denylist::{Denylist, Kind, Level, Outcome};

use crate::redis::host;
use crate::support::{apply, cutoff, entries, hard, id, moment, realm, record, revoke_jti, rotate, until, uuid};
use jwtkeeper_testkit::servers::Server;

/// A time to live that Redis takes, and that no double holds.
const ENDLESS: &str = "9000000000000000000";
const BEYOND_U64: &str = r#"{"revoked":{"steps":[[99999999999999999999999,1]],"until":9999999999}}"#;
const ENDLESS_DEADLINE: &str = r#"{"revoked":{"steps":[[1600000000000,1]],"until":9223372036854775807}}"#;

#[test]
fn endless_time_to_live_is_written_over() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    for (number, before) in ["soft", "hard"].into_iter().enumerate() {
        let (jti, old) = (format!("jti{number}"), format!("old{number}"));
        for name in [&jti, &old] {
            let key = format!("JWTKeeper:{name}");
            let value = if name == &old { "soft" } else { before };
            server.ask::<()>(&["SET", &key, value]);
            server.ask::<u64>(&["PEXPIRE", &key, ENDLESS]);
        }
        apply(&store, &realm, revoke_jti(&id(&jti))).unwrap();
        apply(&store, &realm, rotate(&id(&old), &uuid(7), 0)).unwrap();
        for name in [&jti, &old] {
            let key = format!("JWTKeeper:{name}");
            assert_eq!(server.ask::<String>(&["GET", &key]), "hard");
            let left: i64 = server.ask(&["PTTL", &key]);
            assert!(left < 4_000_000_000_000, "{left}");
        }
    }
}

#[test]
fn cutoff_beyond_all_bounds_blocks_no_revocation() {
    for poison in [BEYOND_U64, ENDLESS_DEADLINE] {
        let server = Arc::new(Server::start());
        let (store, _place) = host(&server);
        let realm = realm(store.index());
        server.ask::<()>(&["SET", "JWTKeeper:~r", poison]);
        // The daemon holds what it cannot read for a cutoff of the moment, and puts that in its place.
        until("it is read", || realm.realm_cutoff().start() == moment(0));
        apply(
            &store,
            &realm,
            entries(vec![cutoff(Kind::Realm, &uuid(0), Level::Hard, moment(-9))]),
        )
        .unwrap();
        until("it is written over, and all of it is known", || {
            let value: String = server.ask(&["GET", "JWTKeeper:~r"]);
            value != poison && store.health().shared.unwrap().pending == 0
        });
        let settled = realm.realm_cutoff();
        assert_eq!(settled.start(), moment(0));
        let value: String = server.ask(&["GET", "JWTKeeper:~r"]);
        assert!(value.len() < 200, "{value}");
    }
}

#[test]
fn anything_at_a_record_key_blocks_no_change() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    for (number, words) in [
        &["RPUSH", "KEY", "x"][..],
        &["SET", "KEY", "junk"],
        &["SET", "KEY", ""],
        &["SETRANGE", "KEY", "5000000", "x"],
    ]
    .into_iter()
    .enumerate()
    {
        let [revoked, rotated] = ["revoked", "rotated"].map(|what| format!("{what}{number}"));
        for jti in [&revoked, &rotated] {
            let key = format!("jwtkeeper-rotation:{{JWTKeeper:{jti}}}");
            let words: Vec<_> = words
                .iter()
                .map(|word| if *word == "KEY" { key.as_str() } else { word })
                .collect();
            server.ask::<redis::Value>(&words);
        }
        apply(&store, &realm, revoke_jti(&id(&revoked))).unwrap();
        assert_eq!(realm.token(&id(&revoked)), Some(Level::Hard));
        let outcome = apply(&store, &realm, rotate(&id(&rotated), &uuid(number as u64), 0)).unwrap();
        assert_eq!(outcome, Outcome::First(record(&uuid(number as u64))), "{words:?}");
        until("nothing is pending", || store.health().shared.unwrap().pending == 0);
    }
}

/// What is lost is put back though something else lies in its place.
#[test]
fn rotation_is_repaired_over_anything() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    apply(&store, &realm, rotate(&id("old"), &uuid(1), 0)).unwrap();
    let key = "jwtkeeper-rotation:{JWTKeeper:old}";
    for words in [["SET", key, "junk"], ["RPUSH", key, "x"]] {
        // At once: only the token's own entry is tracked.
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("DEL").arg(key).arg("JWTKeeper:old");
        pipeline.cmd(words[0]).arg(&words[1..]);
        pipeline.exec(&mut server.client().get_connection().unwrap()).unwrap();
        until("the record is back", || {
            let value: String = server.try_ask(&["GET", key]).unwrap_or_default();
            value.starts_with('{')
        });
        until("nothing is pending", || store.health().shared.unwrap().pending == 0);
    }
}

/// Long values are read in part: a daemon becomes ready all the same.
#[test]
fn long_values_are_read_in_part() {
    let server = Arc::new(Server::start());
    for number in 0..20 {
        let key = format!("JWTKeeper:long{number}");
        server.ask::<u64>(&["SETRANGE", &key, "20000000", "x"]);
    }
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    until("they are hard", || realm.token(&id("long19")) == Some(Level::Hard));
    until("they are written over", || {
        let lengths = (0..20).map(|number| server.ask::<u64>(&["STRLEN", &format!("JWTKeeper:long{number}")]));
        lengths.sum::<u64>() == 20 * 4
    });
    apply(&store, &realm, entries(vec![hard(Kind::Token, &id("long0"))])).unwrap();
}
