//! The unused connections of each process that shares a client's memory by fork.
//!
//! A child must not use its parent's connections, and must not wait for a lock that another thread of the parent
//! held at the moment of the fork: nobody will ever open it. So each process has a slot of its own, found by pid
//! through atomics alone, and locks only the mutex of its own slot.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::connection::Connection;
use crate::config::Config;
use crate::lock_cookie::{Announced, Learned, LockCookie};

/// The number of processes in a line of descent that can have a slot: a child copies its ancestors' slots and takes the
/// next. Later ones connect for each call.
const GENERATIONS: usize = 16;

/// A pid that no process has.
const NOBODY: u32 = 0;

/// The pools of this process and, out of reach, of its ancestors.
#[derive(Default)]
pub(super) struct Pools {
    slots: [Pool; GENERATIONS],
}

/// The unused connections of one process.
#[derive(Default)]
pub(super) struct Pool {
    owner: AtomicU32,
    idle: Mutex<Vec<Connection>>,
    learned: Mutex<Learned>,
}

impl Pools {
    /// The pool of this process; `None` when too many ancestors have one. Takes no lock.
    pub(super) fn mine(&self) -> Option<&Pool> {
        self.of(process::id())
    }

    /// Slots are taken in order, so the last one taken is this process's or its nearest ancestor's. Looking at
    /// no other one keeps a pid that came round again from finding a dead ancestor's connections. What is left is a
    /// process with the very pid of the last ancestor that made a call, as the first one of another pid namespace
    /// can have: such a process must make a client of its own.
    fn of(&self, pid: u32) -> Option<&Pool> {
        let mut last: Option<&Pool> = None;
        for slot in &self.slots {
            if slot.owner.load(Ordering::Acquire) != NOBODY {
                last = Some(slot);
                continue;
            }
            if let Some(mine) = last.filter(|last| last.is_of(pid)) {
                return Some(mine);
            }
            // Where this fails, another thread of this process took it a moment ago.
            let taken = slot
                .owner
                .compare_exchange(NOBODY, pid, Ordering::AcqRel, Ordering::Acquire);
            if let (Ok(_), Some(parent)) = (taken, last) {
                parent.forget();
            }
            return Some(slot);
        }
        last.filter(|last| last.is_of(pid))
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            abandon_if_locked(&mut slot.idle);
            abandon_if_locked(&mut slot.learned);
        }
    }
}

/// Forgets a value that is locked: a thread of an ancestor was changing it when this process was made, and it may be half
/// changed. Dropping it could free memory twice.
fn abandon_if_locked<T: Default>(slot: &mut Mutex<T>) {
    if matches!(slot.try_lock(), Err(TryLockError::WouldBlock)) {
        let value = slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::forget(std::mem::take(value));
    }
}

impl Pool {
    fn is_of(&self, pid: u32) -> bool {
        self.owner.load(Ordering::Acquire) == pid
    }

    /// Closes this process's copies of its parent's unused connections, unless a thread of the parent was at
    /// them. Closing a copy neither shuts the connection down nor is seen by the daemon.
    fn forget(&self) {
        if let Ok(mut idle) = self.idle.try_lock() {
            idle.clear();
        }
    }

    /// The connection that was used last, of those whose greeting announced the lock cookie that is needed.
    pub(super) fn take(&self, lock_realm: Option<&str>) -> Option<Connection> {
        let mut idle = self.lock();
        let Some(realm) = lock_realm else { return idle.pop() };
        let last = idle
            .iter()
            .rposition(|connection| connection.announced().names(realm))?;
        Some(idle.remove(last))
    }

    /// The realms for the next hello to name.
    pub(super) fn names(&self, config: &Config, lock_realm: Option<&str>) -> Vec<String> {
        self.learned().names(config, lock_realm)
    }

    /// Takes note of a greeting.
    pub(super) fn learn(&self, announced: &Announced) {
        self.learned().learn(announced);
    }

    /// The lock cookie of a realm, as the last greeting had it.
    pub(super) fn lock_cookie(&self, realm: &str) -> Option<LockCookie> {
        self.learned().of(realm)
    }

    /// Keeps a connection for the next call, unless there are enough. It takes the place of one that lacks the lock
    /// cookie of a realm which it has: otherwise calls that need that cookie would connect again and again.
    pub(super) fn put(&self, connection: Connection, max_idle: usize) {
        let mut idle = self.lock();
        if idle.len() >= max_idle {
            let lacks = |one: &Connection| !one.announced().includes(connection.announced());
            let Some(poorer) = idle.iter().position(lacks) else {
                return;
            };
            drop(idle.remove(poorer));
        }
        idle.push(connection);
    }

    /// Closes all: one was found broken, and the others are as old.
    pub(super) fn clear(&self) {
        let broken = std::mem::take(&mut *self.lock());
        drop(broken);
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    fn index(pools: &Pools, pid: u32) -> Option<usize> {
        let pool = pools.of(pid)?;
        pools.slots.iter().position(|slot| std::ptr::eq(slot, pool))
    }

    #[test]
    fn a_process_finds_its_slot_again_and_a_child_takes_the_next() {
        let pools = Pools::default();
        assert_eq!(index(&pools, 10), Some(0));
        assert_eq!(index(&pools, 10), Some(0));
        assert_eq!(index(&pools, 20), Some(1));
        assert_eq!(index(&pools, 20), Some(1));
    }

    #[test]
    fn a_pid_that_came_round_again_does_not_find_its_ancestor() {
        let pools = Pools::default();
        assert_eq!(index(&pools, 10), Some(0));
        assert_eq!(index(&pools, 20), Some(1));
        assert_eq!(index(&pools, 10), Some(2));
    }

    #[test]
    fn after_the_last_slot_there_is_none() {
        let pools = Pools::default();
        for pid in 1..=16 {
            assert_eq!(index(&pools, pid), Some(pid as usize - 1));
        }
        assert_eq!(index(&pools, 16), Some(15));
        assert_eq!(index(&pools, 17), None);
    }

    #[test]
    fn a_lock_held_at_the_fork_does_not_stop_the_child() {
        let pools = Pools::default();
        let parent = pools.of(10).unwrap();
        let _held = parent.lock();
        assert!(pools.of(20).unwrap().take(None).is_none());
    }

    #[test]
    fn a_value_that_was_being_changed_at_the_fork_is_not_dropped() {
        let value = std::sync::Arc::new(());
        let slot = || Mutex::new(Some(value.clone()));
        let (mut held, mut free) = (slot(), slot());
        std::mem::forget(held.lock().unwrap());
        for one in [&mut held, &mut free] {
            abandon_if_locked(one);
        }
        drop((held, free));
        assert_eq!(
            std::sync::Arc::strong_count(&value),
            2,
            "that of the locked one is left"
        );
    }

    #[test]
    fn what_was_being_changed_at_the_fork_is_not_touched_when_the_client_ends() {
        let pools = Pools::default();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let parent = pools.of(10).unwrap();
        parent.put(Connection::over(theirs.into()), 1);
        // In a child nobody opens a lock that another thread held.
        std::mem::forget(parent.lock());
        drop(pools);
        let open = (&ours).read(&mut [0]).unwrap_err();
        assert_eq!(open.kind(), std::io::ErrorKind::WouldBlock);
    }
}
