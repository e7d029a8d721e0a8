//! Health and metrics over HTTP, where the configuration asks for them. Trouble with their address never stops the
//! token service: it is a fault of health, and the daemon tries again each second.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::MetricsSettings;
use crate::metrics::{HttpListener, serve_http};
use crate::server::{Context, SocketFile};

/// The time between two attempts to listen.
const RETRY: Duration = Duration::from_secs(1);

/// Serves health and metrics until `stop`. The task removes the file of their socket when it ends.
pub(super) fn serve(settings: MetricsSettings, context: Arc<Context>, stop: CancellationToken) -> JoinHandle<()> {
    let mut opened = open(&settings, &context);
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            match opened.take() {
                Some(opened) => serve_while_in_place(opened, &context, &stop).await,
                None => {
                    stop.run_until_cancelled(tokio::time::sleep(RETRY)).await;
                }
            }
            if !stop.is_cancelled() {
                opened = open(&settings, &context);
            }
        }
    })
}

/// Serves until `stop`, or until the socket's file was removed or replaced: then nobody can connect any more.
async fn serve_while_in_place(opened: Opened, context: &Arc<Context>, stop: &CancellationToken) {
    let Opened { listener, file, place } = opened;
    let gone = async {
        match &file {
            Some(file) => {
                while file.is_in_place() {
                    tokio::time::sleep(RETRY).await;
                }
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = serve_http(listener, context.clone(), stop.clone()) => {}
        () = gone => tracing::warn!(at = %place, "the socket for metrics was removed or replaced; opening it again"),
    }
}

struct Opened {
    listener: HttpListener,
    /// The file of a Unix socket, removed when dropped.
    file: Option<SocketFile>,
    /// The socket or the address, for the log.
    place: String,
}

/// Opens the listener, or leaves the fault where health finds it. Logs each change of either.
fn open(settings: &MetricsSettings, context: &Context) -> Option<Opened> {
    match listen(settings) {
        Ok(opened) => {
            context.set_metrics_fault(None);
            tracing::info!(at = %opened.place, "serving metrics and health over HTTP");
            Some(opened)
        }
        Err(cause) => {
            let fault = format!("metrics and health are not served over HTTP: {cause}");
            if context.set_metrics_fault(Some(fault.clone())) {
                tracing::error!("{fault}");
            }
            None
        }
    }
}

fn listen(settings: &MetricsSettings) -> Result<Opened, String> {
    match settings {
        MetricsSettings::Socket { path, mode } => {
            let (file, listener) = SocketFile::listen(path, *mode).map_err(|error| error.to_string())?;
            Ok(Opened {
                listener: HttpListener::unix(listener).map_err(|error| error.to_string())?,
                file: Some(file),
                place: path.display().to_string(),
            })
        }
        MetricsSettings::Listen(address) => listen_on(*address).map_err(|error| refused(*address, &error)),
    }
}

fn listen_on(address: SocketAddr) -> io::Result<Opened> {
    let listener = TcpListener::bind(address)?;
    let place = listener.local_addr()?.to_string();
    Ok(Opened {
        listener: HttpListener::tcp(listener)?,
        file: None,
        place,
    })
}

/// Names the cause and the remedy.
pub(super) fn refused(address: SocketAddr, error: &io::Error) -> String {
    let remedy = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => "stop the program that uses this address, or set another metrics.listen",
        Some(Errno::EAFNOSUPPORT | Errno::EACCES | Errno::EPERM) => {
            "the sandbox forbids it: install the drop-in metrics.conf of jwtkeeperd.service.d, or set metrics.socket"
        }
        _ => "set another metrics.listen, or metrics.socket",
    };
    format!("cannot listen on metrics.listen {address}: {error}; {remedy}")
}
