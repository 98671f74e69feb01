//! The contract's services: thin handlers over the domain.

mod convert;
mod models;
mod registry;
mod status;
mod stream;
mod worker_binaries;

pub(crate) use models::Models;
pub(crate) use registry::Registry;
pub(crate) use worker_binaries::WorkerBinaries;
