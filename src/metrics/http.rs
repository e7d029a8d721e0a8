//! The HTTP server (RFC 9112): `/metrics`, `/livez`, `/readyz`, by GET and HEAD, one request a connection. It has room
//! for a few peers: one more takes the place of the oldest, who has had time to ask.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::page::Pages;
use crate::health::Condition;
use crate::server::Context;
use crate::server::descriptors::Trouble;
use jwtkeeper_log_limit::limited;

/// Peers at a time.
const PEERS: usize = 16;

/// The deadlines of a peer's request, and of a whole exchange.
const TO_ASK: Duration = Duration::from_secs(5);
const IN_ALL: Duration = Duration::from_secs(20);

/// The limit of a request's head.
const MOST_BYTES: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The listener.
pub enum HttpListener {
    /// On a Unix socket.
    Unix(tokio::net::UnixListener),
    /// On an address.
    Tcp(tokio::net::TcpListener),
}

impl HttpListener {
    /// On a Unix socket that listens. In a runtime.
    pub fn unix(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(listener).map(Self::Unix)
    }

    /// On an address. In a runtime.
    pub fn tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener).map(Self::Tcp)
    }

    /// Waits for the next peer; its conversation is a task of its own.
    async fn accept(&self, site: &Arc<Site>) -> io::Result<AbortHandle> {
        let site = site.clone();
        let task = match self {
            Self::Unix(listener) => tokio::spawn(converse(listener.accept().await?.0, site)),
            Self::Tcp(listener) => tokio::spawn(converse(listener.accept().await?.0, site)),
        };
        Ok(task.abort_handle())
    }
}

/// Serves until `stop`.
pub async fn serve_http(listener: HttpListener, context: Arc<Context>, stop: CancellationToken) {
    let site = Arc::new(Site {
        pages: Pages::new(context.clone()),
        context,
    });
    let mut peers: VecDeque<AbortHandle> = VecDeque::new();
    let mut trouble = Trouble::new("a connection for metrics");
    let accepting = async {
        loop {
            let Some(peer) = trouble.judge(listener.accept(&site).await).await else {
                continue;
            };
            peers.retain(|peer| !peer.is_finished());
            if peers.len() >= PEERS
                && let Some(oldest) = peers.pop_front()
            {
                oldest.abort();
            }
            peers.push_back(peer);
        }
    };
    stop.run_until_cancelled(accepting).await;
    peers.iter().for_each(AbortHandle::abort);
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, site: Arc<Site>) {
    let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(site.answer(&request))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TO_ASK)
        .keep_alive(false)
        .max_buf_size(MOST_BYTES)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), answer);
    match tokio::time::timeout(IN_ALL, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a metrics connection ended"),
        Err(_) => tracing::debug!("a metrics connection timed out"),
    }
}

/// The site that is served.
struct Site {
    pages: Pages,
    context: Arc<Context>,
}

type Page = Response<Full<Bytes>>;

impl Site {
    fn answer(&self, request: &Request<Incoming>) -> Page {
        let page = match request.uri().path() {
            "/metrics" => Self::metrics,
            "/livez" => |_: &Self, _: &Request<Incoming>| page(StatusCode::OK, TEXT, "alive\n"),
            "/readyz" => Self::readiness,
            _ => return page(StatusCode::NOT_FOUND, TEXT, "there are /metrics, /livez and /readyz\n"),
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = page_of(StatusCode::METHOD_NOT_ALLOWED, "it can be read by GET and HEAD alone\n");
            refused
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        if !request.body().is_end_stream() {
            return page_of(StatusCode::BAD_REQUEST, "a request has no body here\n");
        }
        page(self, request)
    }

    fn metrics(&self, request: &Request<Incoming>) -> Page {
        let mut accepted = request.headers().get_all(ACCEPT).iter();
        let open = accepted.any(|accept| {
            accept
                .to_str()
                .is_ok_and(|text| text.contains("application/openmetrics-text"))
        });
        let (kind, text) = if open {
            (OPEN_METRICS, self.pages.open_metrics())
        } else {
            (PROMETHEUS_TEXT, self.pages.prometheus_text())
        };
        match text {
            Ok(text) => page(StatusCode::OK, kind, text),
            Err(error) => {
                limited!(error, "metrics not written", %error, "the metrics could not be written");
                page_of(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n")
            }
        }
    }

    fn readiness(&self, _: &Request<Incoming>) -> Page {
        #[derive(Serialize)]
        struct Readiness {
            ready: bool,
            generation: u64,
            faults: Vec<String>,
            warnings: Vec<String>,
        }
        let snapshot = self.context.live.snapshot();
        let condition = Condition::of(&self.context, &snapshot);
        let (faults, warnings) = condition.texts();
        let readiness = Readiness {
            ready: condition.is_ready(),
            generation: snapshot.generation,
            faults,
            warnings,
        };
        let mut text = serde_json::to_string(&readiness).unwrap_or_default(); // strings and numbers always serialise
        text.push('\n');
        let status = if readiness.ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        page(status, JSON, text)
    }
}

fn page_of(status: StatusCode, text: &'static str) -> Page {
    page(status, TEXT, text)
}

fn page(status: StatusCode, kind: HeaderValue, text: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(text.into()));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, kind);
    page.headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page
}
