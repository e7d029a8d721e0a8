//! Health and metrics over HTTP, for those who watch: Prometheus, load balancers, orchestrators. All of it is read from
//! the shared context when it is asked for; nothing here is waited for by requests.

mod collect;
mod families;
mod http;
mod page;
mod process;

pub use http::{HttpListener, serve_http};
