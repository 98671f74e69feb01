//! The contract: the provisioner's own service, and the catalog as its client.

mod catalog;
mod convert;
mod provisioner;
mod status;

pub(crate) use catalog::{CatalogClient, CatalogError, Retry};
pub(crate) use provisioner::ProvisionerRpc;
pub(crate) use status::{io_reason, job_failure};
