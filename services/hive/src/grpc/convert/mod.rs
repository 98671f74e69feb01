//! Between the contract's messages and the hive's own types. Models and worker programs, which are not
//! its own, are read by `rbee-wire`.

mod add_ons;
mod cluster;
mod keep;
mod spawn;

pub(crate) use add_ons::add_ons_from_wire;
pub(crate) use cluster::{
    Identity, cache_to_wire, device_to_wire, devices_to_wire, hive_to_wire, state_to_wire, worker_to_wire,
};
pub(crate) use keep::{drain_grace_from_wire, idle_ttl_from_wire};
pub(crate) use spawn::{check_from_wire, check_to_wire, spawn_event_to_wire, spawn_from_wire};
