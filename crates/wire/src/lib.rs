//! `rbee-artifacts` types to and from `rbee-proto` messages.
//!
//! What the domain knows is written with `…_to_wire`, which always can be done; a message is read with
//! `…_from_wire`, which names what is wrong with it by the field's path ([`InvalidField`]). What a field
//! may hold at most, and what an error is to the one who asked, is for each service to say.
//!
//! A message is read with the paths that its fields have in it (`files[2].sha256`); the reader of what it
//! stands in puts the rest in front with [`InvalidField::within`]. What is one field, such as a time or a
//! worker type, is read with that field's path.

mod device;
mod error;
mod model;
mod timestamp;
mod worker_binary;
mod worker_type;

#[cfg(test)]
mod arbitrary;

pub use device::{device_kind_to_wire, platform_from_wire, platform_to_wire};
pub use error::InvalidField;
pub use model::{
    add_on_kind_to_wire, model_from_wire, model_to_wire, model_type_to_wire,
    stable_diffusion_version_from_wire, stable_diffusion_version_to_wire, vendor_from_wire, vendor_to_wire,
};
pub use timestamp::{timestamp_from_wire, timestamp_to_wire};
pub use worker_binary::{worker_binary_from_wire, worker_binary_to_wire};
pub use worker_type::{required_worker_type, worker_type_from_wire, worker_type_to_wire};
