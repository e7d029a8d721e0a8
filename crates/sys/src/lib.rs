//! System calls that safe crates do not offer. With the C ABI the only place for
//! unsafe code: every block says why it is needed and why it is sound.

mod locked;
mod memory;
mod peer;
mod stack;
#[cfg(feature = "testing")]
pub mod testing;

pub use locked::{Locked, LockedBytes};
pub use memory::return_freed_memory;
pub use peer::peer_groups;
pub use stack::{with_scrubbed_stack, with_scrubbed_stack_of};
