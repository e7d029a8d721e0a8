//! The configuration: read, checked, and printed with all defaults.

pub(crate) mod access;
mod audit;
pub(crate) mod difference;
pub(crate) mod fault;
pub(crate) mod keys;
mod metrics;
mod print;
pub(crate) mod realm;
mod section;
pub(crate) mod settings;
pub(crate) mod shared_keys;
mod socket;
mod sources;
mod store;
pub(crate) mod tree;

use crate::files::Files;
pub use access::{Access, Rule, Who};
pub use audit::{AuditSettings, AuditTo, OnAuditFailure};
pub use fault::{Fault, Faults};
use jwtkeeper_core::realm::Realm;
pub use metrics::MetricsSettings;
pub use print::print;
pub use realm::RealmSettings;
pub use settings::{Limits, LogFormat, ReloadSettings, Settings};
pub use socket::MAX_SOCKET_PATH;
pub use sources::{ForeignSource, KeySource, Located, RetiredSource};
pub use store::{AccessSettings, ReachSettings, RedisSettings, StoreSettings};

/// The configuration as a check finds it.
pub struct Checked {
    /// The settings; `None` where the configuration itself has a fault.
    pub settings: Option<Settings>,
    /// Faults that a start or a reload would refuse.
    pub faults: Faults,
    /// Warnings that it would give.
    pub warnings: Vec<String>,
    /// Conditions in which the daemon would start, and would not be ready.
    pub unready: Vec<String>,
    /// The realms whose keys could be read.
    pub realms: Vec<Realm>,
}

impl Checked {
    /// The settings, if nothing is wrong.
    pub fn into_result(self) -> Result<Settings, Faults> {
        match self.settings {
            Some(settings) => self.faults.into_result(settings),
            None => Err(self.faults),
        }
    }
}

/// Reads the configuration (a file, then `conf.d/*.toml` beside it) and everything that it names, and finds all that is
/// wrong with it.
pub fn check(path: &std::path::Path, files: &mut Files) -> Checked {
    let (settings, mut faults) = match Settings::read_what_is_there(path, files) {
        Ok(read) => read,
        Err(faults) => {
            return Checked {
                settings: None,
                faults,
                warnings: Vec::new(),
                unready: Vec::new(),
                realms: Vec::new(),
            };
        }
    };
    let is_sound = faults.is_empty();
    let mut loaded = Vec::new();
    for realm in settings.realms.values() {
        match keys::load(realm, files, None) {
            keys::Loaded::Keys { keys, .. } => loaded.push((realm, keys)),
            keys::Loaded::Faults(found) => faults.extend(found),
            keys::Loaded::Waits => {} // not at a check
        }
    }
    let parties = loaded.iter().map(|(realm, keys)| shared_keys::Party {
        name: &realm.name,
        denylist: &realm.denylist,
        policy: &realm.policy,
        keyring: &keys.keyring,
    });
    let mut warnings = shared_keys::warnings(parties);
    warnings.extend(loaded.iter().flat_map(|(_, keys)| keys.notes.iter().cloned()));
    let mut unready = Vec::new();
    if let Some((audit, warning)) = settings
        .audit
        .as_ref()
        .and_then(|audit| Some((audit, audit.warning()?)))
    {
        match audit.on_failure {
            OnAuditFailure::Refuse => unready.push(warning),
            OnAuditFailure::Continue => warnings.push(warning),
        }
    }
    let realms = loaded.into_iter().map(|(realm, keys)| Realm {
        name: realm.name.clone(),
        policy: realm.policy.clone(),
        keyring: keys.keyring,
        version: keys.version,
    });
    let realms = realms.collect();
    if let StoreSettings::Redis(redis) = &settings.store
        && let Err(found) = redis.servers()
    {
        faults.extend(found);
    }
    if let Some(message) = settings.audit.as_ref().and_then(AuditSettings::wrong) {
        let (file, line) = (settings.file.clone(), 0);
        faults.push(Fault { file, line, message });
    }
    faults.sort();
    Checked {
        settings: is_sound.then_some(settings),
        faults,
        warnings,
        unready,
        realms,
    }
}
