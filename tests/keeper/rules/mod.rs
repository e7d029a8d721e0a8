//! Each rule of validation, in the order in which they are stated, with the reason that each gives.

mod claims;
mod examine;
mod form;
mod header;
mod kid;
mod order;
mod signature;
mod times;
