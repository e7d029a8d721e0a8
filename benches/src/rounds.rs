//! Peers asked in turn: each ratio is that of neighbouring runs, and the median of all rounds is what counts. A machine
//! that slows down half way slows all of them.

use crate::fault::Result;
use crate::measure::{Measured, median};
use crate::shape::Shape;

/// The runs of one peer in one shape.
pub(crate) struct Series {
    /// The peer's name.
    pub(crate) peer: &'static str,
    /// The shape.
    pub(crate) shape: Shape,
    /// One run a round.
    pub(crate) runs: Vec<Measured>,
}

/// Each peer in each shape.
pub(crate) struct Rounds(pub(crate) Vec<Series>);

impl Rounds {
    /// Runs all rounds; `once` is told the number of the run.
    pub(crate) fn run(
        peers: &[&'static str],
        shapes: &[Shape],
        rounds: usize,
        mut once: impl FnMut(&'static str, Shape, u64) -> Result<Measured>,
    ) -> Result<Self> {
        let mut all = Vec::new();
        for peer in peers {
            all.extend(shapes.iter().map(|shape| Series {
                peer,
                shape: *shape,
                runs: Vec::new(),
            }));
        }
        let mut number = 0;
        for round in 0..rounds {
            for shape in shapes {
                // Another peer goes first in each round.
                for turn in 0..peers.len() {
                    let peer = peers.iter().cycle().nth(round + turn).copied().unwrap_or_default();
                    let measured = once(peer, *shape, number)?;
                    number += 1;
                    let row = all.iter_mut().find(|row| row.peer == peer && row.shape == *shape);
                    row.ok_or("an unknown peer")?.runs.push(measured);
                }
            }
        }
        Ok(Self(all))
    }

    /// The median over the rounds of how many times as fast as `other` is `own`.
    pub(crate) fn ratio(&self, own: &str, other: &str, shape: Shape) -> f64 {
        let rates = |peer: &str| -> Vec<f64> {
            let found = self.0.iter().find(|row| row.peer == peer && row.shape == shape);
            found.map_or_else(Vec::new, |row| row.runs.iter().map(|run| run.rps).collect())
        };
        let pairs = rates(own).into_iter().zip(rates(other));
        median(pairs.map(|(own, other)| own / other).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{C1, C50};

    #[test]
    fn each_peer_goes_first_in_turn_and_neighbours_are_held_against_each_other() {
        let mut asked = Vec::new();
        // A machine that is half as fast with each round.
        let rounds = Rounds::run(&["a", "b"], &[C1, C50], 3, |peer, shape, number| {
            asked.push((peer, shape.name));
            let rps = if peer == "a" { 300.0 } else { 100.0 } / f64::from(1 << (number / 4));
            Ok(Measured {
                rps,
                ..Measured::default()
            })
        });
        let (a, b) = (("a", "c1"), ("b", "c1"));
        assert_eq!(
            (&asked[..2], &asked[4..6], &asked[8..10]),
            (&[a, b][..], &[b, a][..], &[a, b][..])
        );
        let rounds = rounds.unwrap();
        assert_eq!(
            (rounds.ratio("a", "b", C1), rounds.ratio("b", "a", C50)),
            (3.0, 1.0 / 3.0)
        );
        assert!(rounds.0.iter().all(|row| row.runs.len() == 3));
    }
}
