//! Accepted connections that wait for room. Their number is bounded: beyond it the newest of the uid with the most is
//! refused, so that one uid cannot take the places of others, and administrators are never refused for anybody else.

use std::collections::{HashMap, VecDeque};

/// Connections that wait at a time.
const MOST: usize = 64;

/// A connection that waits.
pub(super) trait Waiting {
    fn uid(&self) -> u32;

    /// Returns true for root and the daemon's own user.
    fn is_administrator(&self) -> bool;
}

/// The connections that wait, oldest first.
pub(super) struct Door<W>(VecDeque<W>);

impl<W: Waiting> Door<W> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a connection. Returns the one to refuse, if too many wait.
    pub(super) fn push(&mut self, arrived: W) -> Option<W> {
        self.0.push_back(arrived);
        if self.0.len() <= MOST {
            return None;
        }
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for one in &self.0 {
            *counts.entry(one.uid()).or_default() += 1;
        }
        let weight = |one: &W| (!one.is_administrator(), counts.get(&one.uid()).copied());
        // The last of equals: the newest.
        let (refused, _) = self.0.iter().enumerate().max_by_key(|(_, one)| weight(one))?;
        self.0.remove(refused)
    }

    /// Takes the connection that is served next: the oldest, administrators first.
    pub(super) fn pop(&mut self) -> Option<W> {
        let administrator = self.0.iter().position(Waiting::is_administrator);
        self.0.remove(administrator.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Clone, Copy)]
    struct Peer(u32, usize);

    impl Waiting for Peer {
        fn uid(&self) -> u32 {
            self.0
        }

        fn is_administrator(&self) -> bool {
            self.0 == 0
        }
    }

    fn full_of(uid: u32) -> Door<Peer> {
        let mut door = Door::new();
        for number in 0..MOST {
            assert_eq!(door.push(Peer(uid, number)), None);
        }
        door
    }

    #[test]
    fn the_newest_of_the_uid_with_the_most_is_refused() {
        let mut door = full_of(7);
        assert_eq!(door.push(Peer(8, 0)), Some(Peer(7, MOST - 1)));
        assert_eq!(door.push(Peer(7, MOST)), Some(Peer(7, MOST)));
        assert_eq!(door.pop(), Some(Peer(7, 0)), "the oldest is next");
    }

    #[test]
    fn administrators_are_never_refused_for_others_and_come_first() {
        let mut door = full_of(0);
        assert_eq!(door.push(Peer(7, 0)), Some(Peer(7, 0)));
        let mut door = full_of(7);
        assert_eq!(door.push(Peer(0, 0)), Some(Peer(7, MOST - 1)));
        assert_eq!(door.pop(), Some(Peer(0, 0)));
    }

    #[test]
    fn their_number_is_bounded_even_for_administrators() {
        let mut door = full_of(0);
        assert_eq!(door.push(Peer(0, MOST)), Some(Peer(0, MOST)));
    }
}
