//! Brings artifacts in: models and worker programs, as jobs that can be followed and cancelled.
//!
//! A job has a task of its own and outlives the client that asked for it: streams attach and detach,
//! only `CancelJob` cancels. It is written down too, and outlives the program: what had not ended is begun anew
//! by the next start, where it was. At most one job is about one model at a time. A job has the files of a model
//! (downloaded, or on this host), finds out by their headers what it is, makes them blobs of the store, and has the
//! catalog create the entry: the blobs first, the entry last, so that at no instant the catalog lists what isn't
//! there. What a job is and may become is plain data and functions ([`domain`]).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rbee_provisioner::{Provisioner, ProvisionerConfig};
//! use rbee_service_kit::{Auth, Lifecycle, ServerBuilder, Target};
//!
//! let lifecycle = Lifecycle::new();
//! let config = ProvisionerConfig {
//!     store: Some("/var/lib/rbee/store".into()),
//!     work_dir: Some("/var/lib/rbee/provisioner".into()),
//!     ..ProvisionerConfig::default()
//! };
//! let catalog = Target { address: "http://127.0.0.1:7220".into(), token: None, ..Target::default() };
//! let provisioner = Provisioner::start(config, catalog, &lifecycle).await?;
//! let mut server = ServerBuilder::new(Auth::Open);
//! provisioner.mount(&mut server);
//! # Ok(())
//! # }
//! ```

mod collect;
mod config;
mod credentials;
mod disk;
pub mod domain;
mod entry;
mod error;
mod grpc;
mod hub;
mod import;
mod install;
mod jobs;
mod provision;
mod service;
mod source;
mod verify;
mod work;
mod work_dir;

pub use config::{
    CivitAiArguments, CivitAiConfig, HuggingFaceArguments, HuggingFaceConfig, ProvisionerConfig,
};
pub use hub::{EndpointError, HubSetupError};
pub use install::{InstallSetupError, PackagesConfig};
pub use service::{Provisioner, StartError};
pub use work_dir::WorkDirError;
