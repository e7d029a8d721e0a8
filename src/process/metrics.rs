//! Health and metrics over HTTP, where the configuration asks for them.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::config::MetricsSettings;
use crate::server::{Context, HttpListener, SocketFile, serve_http};

/// Serves them until `stop`; the file of their socket, if they have one, goes when what this gives is dropped.
pub(super) fn serve(
    settings: &MetricsSettings,
    context: Arc<Context>,
    stop: CancellationToken,
) -> Result<Option<SocketFile>, Failure> {
    let failed = Failure::system;
    let (file, listener) = match settings {
        MetricsSettings::Socket { path, mode } => {
            let (file, listener) = SocketFile::listen(path, *mode)?;
            tracing::info!(socket = %path.display(), "metrics and health are served");
            (Some(file), HttpListener::unix(listener))
        }
        MetricsSettings::Listen(address) => {
            let listener = std::net::TcpListener::bind(address).map_err(failed("listen on metrics.listen"))?;
            let address = listener.local_addr().map_err(failed("listen on metrics.listen"))?;
            tracing::info!(%address, "metrics and health are served");
            (None, HttpListener::tcp(listener))
        }
    };
    let listener = listener.map_err(failed("serve metrics"))?;
    tokio::spawn(serve_http(listener, context, stop));
    Ok(file)
}
