//! Why the bench cannot go on: a text for people, with its remedy where there is one.

/// A fault that ends the run.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What may end in a fault.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// Puts what was being done before what went wrong.
pub(crate) trait Doing<T> {
    /// Names what was being done.
    fn doing(self, what: impl std::fmt::Display) -> Result<T>;
}

impl<T, E: std::fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl std::fmt::Display) -> Result<T> {
        self.map_err(|error| format!("{what}: {error}").into())
    }
}
