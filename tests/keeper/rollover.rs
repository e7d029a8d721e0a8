//! A planned rollover as it is configured: from the gem's own lock on HS512 to ES256, with no one logged out.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use jwtkeeper::config::Settings;
use jwtkeeper::files::Files;
use jwtkeeper::reload::SnapshotStore;
use jwtkeeper_core::denylist::{Denylist, Memory};
use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::{Keeper, Verdict};
use jwtkeeper_core::keyring::{Effort, LockKey};
use jwtkeeper_core::realm::CookieLock;
use jwtkeeper_wire::Cause;
use serde_json::json;

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, MOMENT};

fn secret_file(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(bytes).unwrap();
}

#[tokio::test]
async fn tokens_locked_the_gems_way_survive_a_rollover_to_a_curve() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    secret_file(&at("secret"), &key(Algorithm::HS512).file());
    secret_file(&at("key"), &key(Algorithm::ES256).file());
    let gems_way = |algorithm: Algorithm| {
        Builder::signing(&key(algorithm)).with(|policy| {
            policy.cookie_lock = CookieLock::Required;
            policy.lock_key = LockKey::Concat;
        })
    };
    let old = gems_way(Algorithm::HS512).serve().issue(json!({"sub": "u"}));

    let config = |accept: &str, retired: &str| {
        let (key, secret) = (at("key"), at("secret"));
        let text = format!(
            "[realms.default]\nalgorithm = \"ES256\"\nkey_file = {key:?}\ncookie_lock = \"required\"\n{accept}\n\
             [[realms.default.retired_keys]]\nalgorithm = \"{retired}\"\nfile = {secret:?}\n"
        );
        std::fs::write(at("jwtkeeper.toml"), text).unwrap();
        Settings::read(&at("jwtkeeper.toml"), &mut Files::new())
    };
    let settings = config("accept_lock_keys = [\"concat\"]", "HS512").unwrap_or_else(|faults| panic!("{faults}"));
    let denylist: Arc<dyn Denylist> = Arc::new(Memory::default());
    let live = SnapshotStore::start(settings, &mut Files::new(), denylist.clone(), 0, MOMENT)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let keeper = Keeper::new(denylist);
    let mut buffer = Vec::new();
    let cookie = old.cookie.as_ref().map(|cookie| cookie.as_str());
    let snapshot = live.snapshot();
    let served = snapshot.realm("").unwrap();
    let verdict = keeper.validate(
        served,
        MOMENT,
        old.token.as_bytes(),
        cookie,
        &mut buffer,
        &mut Effort::default(),
    );
    assert!(
        matches!(
            verdict,
            Verdict::Valid {
                rotation: Cause::RetiredKey,
                ..
            }
        ),
        "{verdict:?}"
    );

    // Where no key is an HMAC's, a lock by key means nothing and is refused.
    assert!(config("accept_lock_keys = [\"concat\"]", "ES384").is_err());
    assert!(config("", "ES384").is_ok());
}
