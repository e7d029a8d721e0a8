//! The store in state_dir.

use std::path::Path;
use std::sync::Arc;

use nix::sys::statfs::{NFS_SUPER_MAGIC, statfs};

use super::{Failure, clock};
use crate::config::{Settings, StoreSettings};
use jwtkeeper_core::denylist::Denylist;
use jwtkeeper_core::types::Millis;
use jwtkeeper_redis::{Redis, Terms};
use jwtkeeper_store::Embedded;

/// Makes a new one; refuses where there is one.
pub(super) fn init(settings: &Settings) -> Result<(), Failure> {
    std::fs::create_dir_all(&settings.state_dir).map_err(Failure::system("make the state_dir"))?;
    check_local(&settings.state_dir)?;
    Ok(Embedded::create(&settings.state_dir)?)
}

/// Opens it and loads it.
pub(super) fn open(settings: &Settings, now: Millis) -> Result<Embedded, Failure> {
    check_local(&settings.state_dir)?;
    Ok(Embedded::open(&settings.state_dir, now, skew_ms(settings))?)
}

/// Checks that it can be opened, and changes nothing; returns the number of cutoffs that lie in the future.
pub(super) fn examine(settings: &Settings, now: Millis) -> Result<u64, Failure> {
    check_local(&settings.state_dir)?;
    Ok(Embedded::examine(&settings.state_dir, now, skew_ms(settings))?)
}

fn skew_ms(settings: &Settings) -> u64 {
    let skews = settings.realms.values().map(|realm| realm.policy.clock_skew_ms);
    skews.max().unwrap_or(0)
}

/// The store that requests are answered by: the one in state_dir, or Redis with that one behind it.
pub(super) fn shared(settings: &Settings, local: &Arc<Embedded>) -> Result<Arc<dyn Denylist>, Failure> {
    let StoreSettings::Redis(redis) = &settings.store else {
        return Ok(local.clone());
    };
    // The crypto of TLS, for the whole process; that it is there already is as well.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let terms = Terms {
        clock_skew_ms: skew_ms(settings),
        ..redis.terms.clone()
    };
    Ok(Arc::new(Redis::start(
        local.clone(),
        redis.servers()?,
        terms,
        clock::now,
    )))
}

/// A directory that is not there is for the store to speak of.
fn check_local(state_dir: &Path) -> Result<(), Failure> {
    match statfs(state_dir) {
        Ok(found) if found.filesystem_type() == NFS_SUPER_MAGIC => Err(Failure::OnNfs(state_dir.display().to_string())),
        _ => Ok(()),
    }
}
