//! The work of judging one token: how many signatures were checked with keys of which algorithm. What it cost is
//! charged.

use crate::jwt::Algorithm;

/// Signature checks, by algorithm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effort([u32; Algorithm::ALL.len()]);

impl Effort {
    /// Counts a check.
    pub(super) fn count(&mut self, algorithm: Algorithm) {
        if let Some(checks) = self.0.get_mut(algorithm as usize) {
            *checks = checks.saturating_add(1);
        }
    }

    /// The algorithms with the number of their checks.
    pub fn checks(&self) -> impl Iterator<Item = (Algorithm, u32)> {
        let all = Algorithm::ALL.into_iter().zip(self.0);
        all.filter(|(_, checks)| *checks > 0)
    }
}
