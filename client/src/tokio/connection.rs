//! One connection of the async client, shared by all calls: a task writes what is asked and hands out what is
//! answered. It ends when the connection breaks, when a fault is found, or when no client is left.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use jwtkeeper_wire::{Answer, Reply, decode};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, FramedWrite};

use super::frames::Frames;
use super::stream::Stream;
use super::waiting::Waiting;
use crate::call::{Call, Failure};
use crate::config::Config;
use crate::error::Fault;
use crate::greeting;
use crate::lock_cookie::Announced;
use crate::operations::Operation;

/// The number of requests that wait to be written before callers are made to wait.
const OUTBOX: usize = 1024;

type Replies = FramedRead<ReadHalf<Stream>, Frames>;
type Requests = FramedWrite<WriteHalf<Stream>, Frames>;

pub(super) struct Connection {
    outbox: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Waiting>,
    max_frame: usize,
    announced: Announced,
}

impl Connection {
    /// Connects, greets, asking for the lock cookies of these realms, and leaves the connection to a task of the
    /// current runtime.
    pub(super) async fn open(config: &Config, realms: Vec<String>) -> Result<Self, Failure> {
        let stream = Stream::connect(&config.socket, &config.server).await?;
        let (read, write) = split(stream);
        let mut replies = FramedRead::new(read, Frames);
        let mut requests = FramedWrite::new(write, Frames);
        requests.send(greeting::hello(&config.name, &realms)).await?;
        let welcome = replies.next().await.ok_or_else(ended)??;
        let (max_frame, announced) = greeting::welcome(&welcome, realms)?;

        let (outbox, asked) = mpsc::channel(OUTBOX);
        let waiting = Arc::new(Waiting::default());
        tokio::spawn(run(CloseOnDrop(Arc::clone(&waiting)), replies, requests, asked));
        Ok(Self {
            outbox,
            waiting,
            max_frame,
            announced,
        })
    }

    /// Asks, and waits for the reply. Dropped at any moment, it leaves the connection whole.
    pub(super) async fn ask<O: Operation>(&self, call: &Call<'_, O>) -> Result<O::Output, Failure> {
        // From the permit to its use there is no await: a place is made only for what is sent.
        let permit = self.outbox.reserve().await.map_err(|_| {
            self.close(None);
            self.end()
        })?;
        let (id, reply) = self.waiting.register().ok_or_else(|| self.end())?;
        match call.frame(id, self.max_frame, &self.announced) {
            Ok(frame) => permit.send(frame),
            Err(failure) => {
                self.waiting.unregister(id);
                return Err(failure);
            }
        }
        let body = reply.await.map_err(|_| self.end())?;
        call.settle(id, &body)
    }

    pub(super) fn is_open(&self) -> bool {
        self.waiting.is_open()
    }

    /// The lock cookies that its greeting announced.
    pub(super) fn announced(&self) -> &Announced {
        &self.announced
    }

    /// Returns the number of replies that have come.
    pub(super) fn delivered(&self) -> u64 {
        self.waiting.delivered()
    }

    /// Ends the connection for all who use it.
    pub(super) fn close(&self, fault: Option<Fault>) {
        self.waiting.close(fault);
    }

    /// Why it ended.
    fn end(&self) -> Failure {
        self.waiting.fault().map_or_else(ended, Failure::Fault)
    }
}

fn ended() -> Failure {
    Failure::Broken(io::ErrorKind::UnexpectedEof.into())
}

/// However its task ends, with its runtime too, nobody goes on waiting.
struct CloseOnDrop(Arc<Waiting>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(None);
    }
}

/// Reads and writes at once: a daemon that does not read until its replies are read must not stop us reading.
async fn run(waiting: CloseOnDrop, replies: Replies, requests: Requests, asked: mpsc::Receiver<Vec<u8>>) {
    let end = tokio::select! {
        end = hand_out(replies, &waiting.0) => end,
        end = write_out(asked, requests) => end,
        () = waiting.0.closed() => Ok(()),
    };
    if let Err(Failure::Fault(fault)) = end {
        waiting.0.close(Some(fault));
    }
}

async fn hand_out(mut replies: Replies, waiting: &Waiting) -> Result<(), Failure> {
    while let Some(body) = replies.next().await {
        let body = body?;
        let id = body.first_chunk().ok_or(Failure::Fault(Fault::Malformed))?;
        match u64::from_le_bytes(*id) {
            0 => return Err(Failure::Fault(about_the_connection(&body))),
            id => waiting.deliver(id, body).map_err(Failure::Fault)?,
        }
    }
    Ok(())
}

/// Returns the fault in a reply with the id 0: it belongs to no request.
fn about_the_connection(body: &Bytes) -> Fault {
    match decode::<Reply<'_>>(body) {
        Ok(Reply {
            answer: Answer::Error { code, .. },
            ..
        }) => Fault::Connection(code),
        _ => Fault::UnknownId,
    }
}

/// Writes all that is there with one flush.
async fn write_out(mut asked: mpsc::Receiver<Vec<u8>>, mut requests: Requests) -> Result<(), Failure> {
    while let Some(frame) = asked.recv().await {
        requests.feed(frame).await?;
        while let Ok(frame) = asked.try_recv() {
            requests.feed(frame).await?;
        }
        requests.flush().await?;
    }
    Ok(())
}
