//! The store in state_dir.

use std::path::Path;

use nix::sys::statfs::{NFS_SUPER_MAGIC, statfs};

use super::Failure;
use crate::config::Settings;
use crate::denylist::Embedded;
use crate::words::Millis;

/// Makes a new one; refuses where there is one.
pub(super) fn init(settings: &Settings) -> Result<(), Failure> {
    std::fs::create_dir_all(&settings.state_dir).map_err(Failure::system("make the state_dir"))?;
    check_local(&settings.state_dir)?;
    Ok(Embedded::create(&settings.state_dir)?)
}

/// Opens it and loads it.
pub(super) fn open(settings: &Settings, now: Millis) -> Result<Embedded, Failure> {
    check_local(&settings.state_dir)?;
    let skew_ms = settings
        .realms
        .values()
        .map(|realm| realm.policy.clock_skew_ms)
        .max()
        .unwrap_or(0);
    Ok(Embedded::open(&settings.state_dir, now, skew_ms)?)
}

/// A directory that is not there is for the store to speak of.
fn check_local(state_dir: &Path) -> Result<(), Failure> {
    match statfs(state_dir) {
        Ok(found) if found.filesystem_type() == NFS_SUPER_MAGIC => Err(Failure::OnNfs(state_dir.display().to_string())),
        _ => Ok(()),
    }
}
