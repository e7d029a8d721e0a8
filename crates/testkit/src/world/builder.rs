//! Makes realms.

use std::sync::Arc;

use futures_util::FutureExt;
use jwtkeeper_core::denylist::{Change, Denylist, Memory};
use jwtkeeper_core::jwt::Version;
use jwtkeeper_core::keeper::{Keeper, RealmState};
use jwtkeeper_core::keyring::{Keyring, Role};
use jwtkeeper_core::realm::{Policy, Realm};

use super::keys::Key;
use super::{MOMENT, World};

/// A realm in the making.
pub struct Builder {
    pub policy: Policy,
    pub version: Version<'static>,
    keyring: Keyring,
    key: Option<Key>,
}

impl std::fmt::Debug for Builder {
    /// Without its keys, which have no Debug; the algorithm tells them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let algorithm = self.key.as_ref().map(|key| key.algorithm);
        write!(f, "{algorithm:?}, {:?}, {:?}", self.version, self.policy)
    }
}

impl Builder {
    /// A realm that signs with `key`.
    pub fn signing(key: &Key) -> Self {
        let mut keyring = Keyring::default();
        keyring.add_signing(key.private());
        Self {
            policy: policy(),
            version: Version::None,
            keyring,
            key: Some(key.clone()),
        }
    }

    /// A realm that signs with `key` under this name.
    pub fn named(key: &Key, kid: &str) -> Self {
        let mut file = key.private();
        file.signing.rename(kid).unwrap();
        let mut keyring = Keyring::default();
        keyring.add_signing(file);
        let mut builder = Self::with_keys(keyring);
        builder.key = Some(key.clone());
        builder
    }

    /// A realm that has only the public half of `key`.
    pub fn validating(key: &Key) -> Self {
        let mut keyring = Keyring::default();
        keyring.add_verifying(Role::Current, key.verifying());
        Self {
            policy: policy(),
            version: Version::None,
            keyring,
            key: Some(key.clone()),
        }
    }

    /// A realm with these keys, for whoever signs elsewhere.
    pub fn with_keys(keyring: Keyring) -> Self {
        Self {
            policy: policy(),
            version: Version::None,
            keyring,
            key: None,
        }
    }

    /// Changes its policy.
    pub fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    pub fn version(mut self, version: Version<'static>) -> Self {
        self.version = version;
        self
    }

    /// A retired key whose private half is still at hand.
    pub fn retired(mut self, key: &Key) -> Self {
        self.keyring.add_retired(key.private());
        self
    }

    /// The key of the foreign issuer of this index.
    pub fn foreign(mut self, index: usize, key: &Key) -> Self {
        self.keyring.add_verifying(Role::Foreign(index), key.verifying());
        self
    }

    /// RealmState over a new denylist.
    pub fn serve(self) -> World {
        let denylist: Arc<dyn Denylist> = Arc::new(Memory::default());
        let keeper = Arc::new(Keeper::new(denylist));
        self.serve_by(&keeper)
    }

    /// RealmState by a keeper that serves others too: the same realm on another host, or after a reload.
    pub fn serve_by(self, keeper: &Arc<Keeper>) -> World {
        let max_lifetime = self.policy.max_lifetime;
        let realm = Realm {
            name: "default".to_owned(),
            policy: self.policy,
            keyring: Arc::new(self.keyring),
            version: self.version,
        };
        let index = keeper.denylist().index().realm(&realm.name);
        keeper
            .denylist()
            .apply(
                &index,
                Change::Lifetime {
                    max_lifetime,
                    now: MOMENT,
                },
            )
            .now_or_never()
            .expect("memory answers at once")
            .unwrap();
        World {
            keeper: keeper.clone(),
            served: RealmState { realm, index },
            now: MOMENT,
            hands_out: true,
            key: self.key,
        }
    }
}

/// The defaults, but for tokens of few claims.
fn policy() -> Policy {
    Policy {
        require_iat: false,
        ..Policy::default()
    }
}
