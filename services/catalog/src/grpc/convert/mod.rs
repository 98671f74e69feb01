//! Between the contract's messages and the domain. Prost types stop here.
//!
//! Models, worker binaries and their parts are read by `rbee-wire`; here is what the catalog asks of a
//! request beyond that.

mod cluster;
mod filter;
mod model;
mod worker_binary;

pub(super) use cluster::{
    cluster_change, devices_from_wire, hive_facts_from_wire, hive_id_from_wire, hive_to_wire,
    instance_from_wire, synced, worker_from_wire, worker_to_wire,
};
pub(super) use filter::filter_from_wire;
pub(super) use model::model_from_wire;
pub(super) use worker_binary::worker_binary_from_wire;

use crate::domain::limits::InvalidField;

/// The domain knows no crate of messages, so that its error is its own.
impl From<rbee_wire::InvalidField> for InvalidField {
    fn from(error: rbee_wire::InvalidField) -> Self {
        Self::new(error.field, error.problem)
    }
}

fn missing(field: &str) -> InvalidField {
    rbee_wire::InvalidField::missing(field).into()
}
