//! The one client that asks every peer: a closed loop on one connection or many.

mod inbox;
mod lane;
mod many;
mod single;

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

pub(crate) use lane::Requests;

use crate::dialect::Dialect;
use crate::fault::{Fault, Result};
use crate::measure::{Measured, Recorder};
use crate::shape::{Driver, Shape};

/// One run: a shape of load for a time.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// The shape.
    pub(crate) shape: Shape,
    /// Load before anything is counted.
    pub(crate) warm_up: Duration,
    /// What is counted.
    pub(crate) counted: Duration,
    /// Threads of the client where it is driven by event loops.
    pub(crate) loops: usize,
}

/// Who is asked.
pub(crate) trait Asked {
    /// A connection that requests may be sent on.
    fn connect(&self) -> Result<UnixStream>;

    /// How long its processors have worked by now.
    fn cpu(&self) -> Result<Duration>;
}

/// Asks `peer` until the time or the requests are over, and waits for every reply.
pub(crate) fn run(load: Load, peer: &impl Asked, dialect: &impl Dialect, requests: Requests<'_>) -> Result<Measured> {
    let Shape { connections, depth, .. } = load.shape;
    let threads = match load.shape.driver {
        Driver::Threads => connections,
        Driver::Loops => load.loops.clamp(1, connections),
    };
    let mut shares: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
    for index in 0..connections {
        let stream = peer.connect()?;
        if let Some(share) = shares.get_mut(index % threads) {
            share.push((index, stream));
        }
    }
    let worked = peer.cpu()?;
    let from = Instant::now() + load.warm_up;
    let until = from + load.counted;
    let one = |mut share: Vec<(usize, _)>| {
        let mut recorder = Recorder::new(from, until)?;
        let exhausted = match (share.len(), share.pop()) {
            (1, Some(only)) => single::run(dialect, only, connections, requests, depth, &mut recorder)?,
            (_, last) => {
                share.extend(last);
                many::run(dialect, share, connections, requests, depth, &mut recorder)?
            }
        };
        Ok::<_, Fault>((recorder, exhausted))
    };
    let mut all = Recorder::new(from, until)?;
    let mut exhausted = false;
    std::thread::scope(|scope| -> Result<()> {
        let running: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| one(share))).collect();
        for thread in running {
            let (recorder, ran_out) = thread.join().map_err(|_| "a client thread panicked")??;
            all.add(recorder)?;
            exhausted |= ran_out;
        }
        Ok(())
    })?;
    all.finish(exhausted, peer.cpu()?.saturating_sub(worked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Expect, Frames};
    use crate::shape::{C1, C50X32, C50X32_LOOPS};
    use std::io::{Read, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const BODY: usize = 20;

    fn load(shape: Shape) -> Load {
        Load {
            shape,
            warm_up: Duration::ZERO,
            counted: Duration::from_millis(100),
            loops: 2,
        }
    }

    /// Sends everything back, changed by `change`, and counts the bytes.
    struct Mirror {
        counter: Arc<AtomicUsize>,
        change: fn(&mut [u8]),
    }

    impl Mirror {
        fn new(change: fn(&mut [u8])) -> Self {
            let counter = Arc::default();
            Self { counter, change }
        }

        fn asked(&self) -> usize {
            self.counter.load(Ordering::Relaxed) / (4 + BODY)
        }
    }

    impl Asked for Mirror {
        fn connect(&self) -> Result<UnixStream> {
            let (near, mut far) = UnixStream::pair()?;
            let (counter, change) = (self.counter.clone(), self.change);
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = far.read(&mut bytes) {
                    counter.fetch_add(count, Ordering::Relaxed);
                    change(&mut bytes[..count]);
                    far.write_all(&bytes[..count]).unwrap();
                }
            });
            Ok(near)
        }

        fn cpu(&self) -> Result<Duration> {
            Ok(Duration::ZERO)
        }
    }

    fn requests(count: usize) -> Vec<Vec<u8>> {
        let mut frame = vec![0; 4 + BODY];
        frame[0] = BODY as u8;
        vec![frame; count]
    }

    #[test]
    fn every_shape_asks_until_the_time_is_over() {
        let list = requests(7);
        for shape in [C1, C50X32, C50X32_LOOPS] {
            let (peer, dialect) = (Mirror::new(|_| ()), Frames(Expect::Echo(BODY)));
            let measured = run(load(shape), &peer, &dialect, Requests::repeated(&list)).unwrap();
            let (asked, flying) = (peer.asked() as u64, (shape.connections * shape.depth) as u64);
            assert!(measured.count > flying && measured.count <= asked, "{measured:?}");
            assert!(asked <= measured.count + flying, "{asked} asked: {measured:?}");
        }
    }

    #[test]
    fn what_can_be_sent_once_is_sent_once() {
        let list = requests(1234);
        let (peer, dialect) = (Mirror::new(|_| ()), Frames(Expect::Echo(BODY)));
        let long = Load {
            counted: Duration::from_secs(60), // over when the requests are
            ..load(C50X32)
        };
        let measured = run(long, &peer, &dialect, Requests::once(&list)).unwrap();
        assert_eq!((measured.count, peer.asked()), (1234, 1234));
    }

    #[test]
    fn a_wrong_reply_or_another_request_s_reply_ends_the_run() {
        let list = requests(3);
        let repeated = || Requests::repeated(&list);
        let (right, wrong) = (Frames(Expect::Echo(BODY)), Frames(Expect::Echo(BODY + 1)));
        let error = run(load(C50X32), &Mirror::new(|_| ()), &wrong, repeated()).unwrap_err();
        assert!(error.to_string().contains("replies were wrong"), "{error}");
        let swapped = Mirror::new(|bytes| bytes[6] ^= 1);
        let error = run(load(C1), &swapped, &right, repeated()).unwrap_err();
        assert!(error.to_string().contains("not in flight"), "{error}");
    }
}
