//! One connection: write, then read until the reply is whole; no event loop.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::inbox::Inbox;
use super::lane::{Lane, Requests};
use crate::dialect::Dialect;
use crate::fault::{Doing, Result};
use crate::measure::Recorder;

/// Runs the loop; whether the requests ran out.
pub(super) fn run(
    dialect: &impl Dialect,
    (index, mut stream): (usize, UnixStream),
    connections: usize,
    requests: Requests<'_>,
    depth: usize,
    recorder: &mut Recorder,
) -> Result<bool> {
    let now = Instant::now();
    let mut lane = Lane::new(requests, index, connections, depth, now);
    let mut inbox = Inbox::new();
    lane.begin(dialect, now);
    while !lane.is_done() {
        if !lane.out.is_empty() {
            stream.write_all(&lane.out).doing("a request cannot be sent")?;
            lane.out.clear();
        }
        if inbox.fill(&mut stream).doing("no reply")?.bytes == 0 {
            return Err("the peer closed the connection".into());
        }
        let taken = lane.replies(dialect, inbox.bytes(), recorder)?;
        inbox.take(taken);
    }
    Ok(lane.is_exhausted())
}
