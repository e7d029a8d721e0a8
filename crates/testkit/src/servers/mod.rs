//! Real redis-servers for tests, each in a temporary directory, with what stands between them and their clients. None
//! outlives the test: each is killed when dropped, and by the kernel when the thread that started it ends. So start
//! them on the test's own thread.

pub mod cluster;
pub mod one;
pub mod process;
pub mod proxy;
pub mod sentinel;
pub mod tls;

pub use cluster::Cluster;
pub use one::Server;
pub use process::{Process, free_port, free_ports, knows_setting, speaks_tls};
pub use proxy::{Flow, Proxy};
pub use sentinel::Sentinels;
pub use tls::Authority;
