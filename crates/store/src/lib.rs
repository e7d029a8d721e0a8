//! The embedded store: a denylist in one file on this host's disk, committed with fsync before a change is
//! acknowledged.

mod backend;
mod compaction;
mod embedded;
mod examine;
mod high_water;
mod journal;
mod row;
mod sweep;
mod unfinished;
mod upkeep;
mod writer;

pub use backend::{Backend, Watch};
pub use embedded::Embedded;
pub use journal::{Journal, OpenError, Written};
