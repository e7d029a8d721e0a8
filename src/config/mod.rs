//! Floor 6: configuration and key files: read, parsed, checked, and made into one immutable snapshot that requests are
//! served from; and the reload that replaces it.

mod access;
mod fault;
mod file;
mod keys;
mod live;
mod print;
mod realm;
mod section;
mod settings;
mod tree;

pub use access::{Access, Right};
pub use fault::{Fault, Faults};
pub use file::{FileKind, read_file};
pub use live::{Live, Reloaded, Snapshot, StartError};
pub use print::print;
pub use realm::{ForeignSource, KeySource, Located, RealmSettings, RetiredSource};
pub use settings::{Limits, MAX_SOCKET_PATH, Settings};

/// Reads the configuration (a file, then `conf.d/*.toml` beside it) and everything that it names, and says all that
/// is wrong with it: what `jwtkeeperd --check` prints is what a start or a reload would refuse.
pub fn check(path: &std::path::Path) -> Result<Settings, Faults> {
    let (settings, mut faults) = Settings::read_what_is_there(path)?;
    for realm in settings.realms.values() {
        if let Err(found) = keys::load(realm) {
            faults.extend(found);
        }
    }
    faults.sort();
    faults.into_result(settings)
}
