//! A Unix stream that never raises SIGPIPE: tokio's own may write with writev, which does, and a library cannot
//! know what its host does with that signal.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::sys::socket::MsgFlags;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use crate::call::Failure;
use crate::peer::Server;

pub(super) struct Stream(UnixStream);

impl Stream {
    /// Connects, and checks who answers. A full backlog is a broken attempt, to be tried again.
    pub(super) async fn connect(path: &Path, server: &Server) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path).await.map_err(Failure::Broken)?;
        server.check(&stream, path)?;
        Ok(Self(stream))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let flags = MsgFlags::MSG_NOSIGNAL.bits();
        loop {
            ready!(self.0.poll_write_ready(context))?;
            let send = || SockRef::from(&self.0).send_with_flags(bytes, flags);
            match self.0.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
