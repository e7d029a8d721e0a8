//! Rotation and revocation: state only climbs, and every token leads to one successor.

mod clocks;
mod cutoffs;
mod early;
mod flags;
mod foreign;
mod keys;
mod minting;
mod renewal;
mod retention;
mod reuse;
mod revoke;
mod rotate;
