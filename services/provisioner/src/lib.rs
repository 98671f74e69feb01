//! Brings artifacts in: models and worker programs, as jobs that can be followed and cancelled.
//!
//! A job has a task of its own and outlives the client that asked for it: streams attach and detach,
//! only `CancelJob` cancels. At most one job is about one model at a time. A job inspects the file,
//! makes it a blob of the store, and has the catalog create the entry: the blob first, the entry last,
//! so that at no instant the catalog lists what isn't there. What a job is and may become is plain data
//! and functions ([`domain`]).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rbee_provisioner::{Provisioner, ProvisionerConfig};
//! use rbee_service_kit::{Auth, Lifecycle, ServerBuilder, Target};
//!
//! let lifecycle = Lifecycle::new();
//! let config =
//!     ProvisionerConfig { store: Some("/var/lib/rbee/store".into()), ..ProvisionerConfig::default() };
//! let catalog = Target { address: "http://127.0.0.1:7220".into(), token: None };
//! let provisioner = Provisioner::start(config, catalog, &lifecycle).await?;
//! let mut server = ServerBuilder::new(Auth::Open);
//! provisioner.mount(&mut server);
//! # Ok(())
//! # }
//! ```

mod config;
pub mod domain;
mod grpc;
mod import;
mod jobs;
mod service;
mod source;

pub use config::ProvisionerConfig;
pub use service::{Provisioner, StartError};
