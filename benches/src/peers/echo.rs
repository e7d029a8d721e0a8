//! The floor: a tokio server that sends every frame back as it came. All complete frames of one read are answered by
//! one write, as the daemon does; whatever the daemon adds to this is its own work.

use std::path::Path;
use std::process::{Command, Stdio};

use jwtkeeper_wire::{LENGTH_BYTES, MAX_FRAME, frame_length};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{Peer, socket_in};
use crate::fault::{Doing, Result};

/// Starts the server: this very program, in a process of its own like every peer.
pub(crate) fn start(dir: &Path) -> Result<Peer> {
    let socket = socket_in(dir, "echo.sock");
    let program = std::env::current_exe().doing("finding this program")?;
    let process = Command::new(program)
        .arg("--echo-server")
        .arg(&socket)
        .stdin(Stdio::null())
        .spawn()
        .doing("starting the echo server")?;
    Peer::started(process, socket, false)
}

/// Serves until the process is ended.
pub(crate) fn serve(socket: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_io()
        .build()
        .doing("the echo server's runtime")?;
    runtime.block_on(async {
        let listener = UnixListener::bind(socket).doing("the echo server's socket")?;
        loop {
            let (stream, _) = listener.accept().await.doing("the echo server")?;
            tokio::spawn(async move {
                let _ = echo(stream).await; // the client went away
            });
        }
    })
}

async fn echo(mut stream: UnixStream) -> Result<()> {
    let mut bytes = Vec::with_capacity(2 * MAX_FRAME);
    while stream.read_buf(&mut bytes).await? > 0 {
        let whole = whole_frames(&bytes)?;
        stream.write_all(bytes.get(..whole).unwrap_or_default()).await?;
        bytes.drain(..whole);
    }
    Ok(())
}

/// How many bytes the complete frames at the start are.
fn whole_frames(bytes: &[u8]) -> Result<usize> {
    let mut end = 0;
    while let Some(length) = frame_length(bytes.get(end..).unwrap_or_default(), MAX_FRAME)? {
        if bytes.len() < end + LENGTH_BYTES + length {
            break;
        }
        end += LENGTH_BYTES + length;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_frames_go_back() {
        let bytes = [1, 0, 0, 0, 9, 2, 0, 0, 0, 8, 8, 3, 0, 0];
        for (end, whole) in [(0, 0), (4, 0), (5, 5), (10, 5), (11, 11), (14, 11)] {
            assert_eq!(whole_frames(&bytes[..end]).unwrap(), whole, "{end}");
        }
        assert!(whole_frames(&[255, 255, 255, 255]).is_err());
    }
}
