//! The agent of one host: devices, spawning, supervision, and the way to its workers.
//!
//! A spawn goes through six steps (`spawn`) and ends with a process ([`process`]) that one task
//! owns from start to end (`worker`); that task asks a pure state machine what to do
//! ([`domain::Life`]). The table of workers is what everybody else looks at: the gRPC service
//! (`grpc`), the `proxy` that passes calls on to workers' sockets, and the `registrar` that keeps the
//! catalog informed.
//!
//! What holds: no process, folder or socket outlives its worker, no worker outlives its hive, and a
//! spawn that fails leaves nothing.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rbee_hive::{Hive, HiveConfig};
//! use rbee_service_kit::{Auth, Lifecycle, ServerBuilder, Target};
//!
//! let lifecycle = Lifecycle::new();
//! let config = HiveConfig {
//!     folder: Some("/var/lib/rbee/hive".into()),
//!     store: Some("/var/lib/rbee/store".into()),
//!     ..HiveConfig::default()
//! };
//! let catalog = Target { address: "http://127.0.0.1:7220".into(), token: None, ..Target::default() };
//! let hive = Hive::start(config, catalog, "http://127.0.0.1:7221".into(), &lifecycle).await?;
//! let mut server = ServerBuilder::new(Auth::Open);
//! hive.mount(&mut server);
//! # Ok(())
//! # }
//! ```

mod advertise;
mod catalog;
mod config;
pub mod devices;
pub mod domain;
mod folders;
mod grpc;
mod host;
mod ledger;
pub mod log;
pub mod process;
mod proxy;
mod random;
mod reconciler;
mod registrar;
mod service;
mod spawn;
mod telemetry;
mod worker;

pub use advertise::{AdvertiseError, advertised};
pub use config::{HiveConfig, RestartConfig, WorkerConfig};
pub use folders::FoldersError;
pub use ledger::LedgerError;
pub use service::{Hive, StartError, names_of_this_host};
pub use telemetry::METRICS;
pub use worker::SocketsError;
