//! Connections to Redis over sockets of our own, read no faster than an honest server needs: a hostile one must not
//! make us allocate without bound.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use redis::aio::{AsyncStream, ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisFuture,
    TlsCertificates, Value,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::servers::PATIENCE;

/// The memory that a parsed value takes beside its bytes. Each value ends a line.
const VALUE: usize = 64;
/// The most that is received at once, in bytes of memory.
const BURST: usize = 32 << 20;
/// The most that is received in a second beyond that: a million entries in five seconds.
const PER_SECOND: usize = 64 << 20;

/// A server, and the way to it.
pub(super) struct Target {
    pub(super) info: ConnectionInfo,
    pub(super) tls: Option<TlsCertificates>,
}

/// A connection for many requests at a time. What it still has to read is dropped with its last clone.
#[derive(Clone)]
pub(super) struct Connection {
    requests: MultiplexedConnection,
    _driver: Arc<AbortOnDropHandle<()>>,
}

impl Target {
    /// Connects, and logs in.
    pub(super) async fn connect(&self, config: AsyncConnectionConfig) -> Result<Connection, RedisError> {
        let connect = async {
            let stream = Throttled::new(self.stream().await?);
            let (requests, driver) =
                MultiplexedConnection::new_with_config(self.info.redis_settings(), stream, config).await?;
            let driver = AbortOnDropHandle::new(tokio::spawn(driver));
            Ok(Connection {
                requests,
                _driver: Arc::new(driver),
            })
        };
        let late = || Err((ErrorKind::Io, "it did not answer in time").into());
        timeout(PATIENCE, connect).await.unwrap_or_else(|_| late())
    }

    async fn stream(&self) -> Result<Pin<Box<dyn AsyncStream + Send + Sync>>, RedisError> {
        Ok(match self.info.addr() {
            ConnectionAddr::Unix(path) => Box::pin(UnixStream::connect(path).await?),
            ConnectionAddr::Tcp(host, port) => Box::pin(tcp(host, *port).await?),
            ConnectionAddr::TcpTls { host, port, .. } => {
                let name = ServerName::try_from(host.clone()).map_err(std::io::Error::other)?;
                let connector = TlsConnector::from(Arc::new(self.tls_config()?));
                Box::pin(connector.connect(name, tcp(host, *port).await?).await?)
            }
            _ => return Err((ErrorKind::InvalidClientConfig, "no such address is known").into()),
        })
    }

    fn tls_config(&self) -> Result<ClientConfig, RedisError> {
        let (root, client) = self
            .tls
            .as_ref()
            .map_or((None, None), |tls| (tls.root_cert.as_deref(), tls.client_tls.as_ref()));
        let mut roots = RootCertStore::empty();
        match root {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    roots.add(certificate.map_err(unfit)?).map_err(unfit)?;
                }
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let Some(client) = client else {
            return Ok(config.with_no_client_auth());
        };
        let chain = CertificateDer::pem_slice_iter(&client.client_cert).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(&client.client_key).map_err(unfit)?;
        config.with_client_auth_cert(chain.map_err(unfit)?, key).map_err(unfit)
    }
}

fn unfit(error: impl std::fmt::Display) -> RedisError {
    (ErrorKind::InvalidClientConfig, "its certificates", error.to_string()).into()
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.requests.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.requests.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.requests.get_db()
    }
}

/// A stream that is read no faster than [`PER_SECOND`] after a [`BURST`]: what a server sends unasked, or too much of,
/// takes longer than it is waited for.
struct Throttled<S> {
    stream: S,
    /// The bytes received that may still be in memory.
    level: usize,
    /// The moment of that level.
    at: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Throttled<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            level: 0,
            at: Instant::now(),
            pause: None,
        }
    }

    /// Charges for what was received; returns the time to pause for.
    fn charge(&mut self, received: &[u8], now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.at).as_micros();
        let drained = usize::try_from(passed * PER_SECOND as u128 / 1_000_000).unwrap_or(usize::MAX);
        let cost = received.len() + VALUE * memchr::memchr_iter(b'\n', received).count();
        (self.level, self.at) = (self.level.saturating_sub(drained) + cost, now);
        let beyond = self.level.checked_sub(BURST).filter(|beyond| *beyond > 0)?;
        Some(Duration::from_micros(
            (beyond as u64).saturating_mul(1_000_000) / PER_SECOND as u64,
        ))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Throttled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let received = buffer.filled().get(before..).unwrap_or_default();
        self.pause = self.charge(received, Instant::now()).map(|time| Box::pin(sleep(time)));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Throttled<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_are_charged_by_the_memory_they_take() {
        let mut throttled = Throttled::new(());
        let began = Instant::now();
        // Two million values of four bytes take a hundred times as much memory.
        let flood = b":1\r\n".repeat(1 << 19);
        assert!(throttled.charge(&flood, began).is_some());
        assert!(throttled.charge(b"+OK\r\n", began + Duration::from_secs(1)).is_none());
    }

    #[test]
    fn steady_traffic_is_not_slowed() {
        let mut throttled = Throttled::new(());
        let began = Instant::now();
        for second in 0..100 {
            let entries = vec![0; PER_SECOND / 2];
            assert_eq!(throttled.charge(&entries, began + Duration::from_secs(second)), None);
        }
    }
}
