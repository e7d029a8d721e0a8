//! Keys in the daemon's memory: on locked pages, and nowhere once they are replaced. Looked for is all that can sign: not
//! the text of a secret alone.

mod private_keys;
mod scan;
mod shared_secrets;
mod traces;
