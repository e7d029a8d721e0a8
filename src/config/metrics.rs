//! The section `[metrics]`: where health and metrics are served over HTTP. There is no TLS and no password there: who
//! may ask is decided by the socket's mode, or is everyone on this host.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::section::Section;
use super::socket::{MAX_SOCKET_PATH, read_mode};

/// The address of health and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsSettings {
    /// A Unix socket.
    Socket {
        /// The path.
        path: PathBuf,
        /// The mode.
        mode: u32,
    },
    /// A loopback address.
    Listen(SocketAddr),
}

/// Nowhere, unless told. `main` is the daemon's own socket.
pub(super) fn read_metrics(top: &Section<'_>, main: &Path) -> Option<MetricsSettings> {
    let section = top.section("metrics")?;
    let socket = section.path("socket");
    let listen = section.text("listen");
    let has_mode = section.node("socket_mode");
    let mode = read_mode(&section);
    let metrics = match (socket, listen) {
        (Some((path, place)), None) => {
            if path.as_os_str().len() > MAX_SOCKET_PATH {
                let message = format!("metrics.socket has more than {MAX_SOCKET_PATH} bytes; choose a shorter path");
                section.fault(&place, message);
            }
            if path == main {
                section.fault(&place, "metrics.socket is the daemon's own socket; choose another path");
            }
            Some(MetricsSettings::Socket { path, mode })
        }
        (None, Some((text, place))) => {
            if let Some(node) = has_mode {
                section.fault(&node.place, "metrics.socket_mode is for metrics.socket; remove it");
            }
            match text.parse::<SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => Some(MetricsSettings::Listen(address)),
                Ok(_) => {
                    let message = format!(
                        "metrics.listen must be a loopback address such as \"127.0.0.1:9464\", not \"{text}\": there is no TLS \
                         and no password on it; put a proxy before it that has them"
                    );
                    section.fault(&place, message);
                    None
                }
                Err(_) => {
                    let message = format!(
                        "metrics.listen must be an address and a port such as \"127.0.0.1:9464\", not \"{text}\""
                    );
                    section.fault(&place, message);
                    None
                }
            }
        }
        (Some(_), Some(_)) => {
            section.fault(
                &section.culprit(&["listen", "socket"]),
                "metrics.socket and metrics.listen cannot both be set; choose one",
            );
            None
        }
        (None, None) => {
            let message = "[metrics] says nowhere to serve; set metrics.socket or metrics.listen, or remove it";
            section.fault(section.place(), message);
            None
        }
    };
    section.finish();
    metrics
}
