//! What exists: models, worker binaries, hives and live workers.
//!
//! The catalog is the only writer of metadata. Entries of models and worker binaries are documents of
//! the store, all of them in memory too ([`store`]); hives and their workers are held in memory alone,
//! under leases ([`live`]), because hives say anew what they run whenever they register. The rules of
//! both are plain data and functions ([`domain`]).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rbee_catalog::{Catalog, CatalogConfig};
//! use rbee_service_kit::{Auth, Lifecycle, ServerBuilder};
//!
//! let lifecycle = Lifecycle::new();
//! let config = CatalogConfig { store: Some("/var/lib/rbee/store".into()), ..CatalogConfig::default() };
//! let catalog = Catalog::start(config, &lifecycle).await?;
//! let mut server = ServerBuilder::new(Auth::Open);
//! catalog.mount(&mut server);
//! # Ok(())
//! # }
//! ```

mod config;
pub mod domain;
mod front;
mod grpc;
pub mod live;
mod news;
mod service;
pub mod store;

pub use config::CatalogConfig;
pub use front::Front;
pub use service::{Catalog, StartError};
