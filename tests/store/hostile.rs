//! A server that sends without end: a host's memory stays bounded, whatever it is sent.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::redis::stranger;
use crate::support::{directory, pace};

/// How long it is looked at.
const TIME: Duration = Duration::from_secs(8);
/// The most that memory may grow by. Debug builds need more than the daemon.
const MOST: u64 = 400 << 20;

/// Begins of endless replies, and what goes on.
const FLOODS: [(&[u8], &[u8]); 4] = [
    (b"*1000000000\r\n", b":1\r\n"),
    (b"$1000000000000\r\n", b"xxxx"),
    (b"", b">2\r\n$10\r\ninvalidate\r\n*1\r\n$12\r\nJWTKeeper:aa\r\n"),
    (b"+", b"xxxx"),
];

/// Bytes of memory that this process has.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Says hello, and then sends one flood after the other, a connection each.
fn serve(mut stream: UnixStream, number: usize, over: &AtomicBool) {
    let mut asked = [0; 4096];
    if !matches!(stream.read(&mut asked), Ok(1..)) {
        return;
    }
    let _ = stream.write_all(b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n"); // it may be gone already
    let (begin, more) = FLOODS[number % FLOODS.len()];
    let chunk = more.repeat(1 + 256 * 1024 / more.len());
    let _ = stream.write_all(begin); // as above
    while !over.load(Ordering::Relaxed) && stream.write_all(&chunk).is_ok() {}
}

#[test]
fn memory_is_bounded_whatever_a_server_sends() {
    let place = directory();
    let socket = place.path().join("hostile.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (ends, counts) = (over.clone(), count.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (number, over) = (counts.fetch_add(1, Ordering::Relaxed), ends.clone());
            std::thread::spawn(move || serve(stream, number, &over));
        }
    });
    let before = memory();
    let (store, place) = stranger(format!("redis+unix://{}", socket.display()));
    let (began, mut most) = (Instant::now(), 0);
    while began.elapsed() < TIME {
        most = most.max(memory().saturating_sub(before));
        pace(Duration::from_millis(5));
    }
    over.store(true, Ordering::Relaxed);
    drop((store, place));
    println!(
        "{} connections; memory grew by {} MiB",
        count.load(Ordering::Relaxed),
        most >> 20
    );
    assert!(count.load(Ordering::Relaxed) >= 2, "it was not flooded");
    assert!(most < MOST, "memory grew by {} MiB", most >> 20);
}
