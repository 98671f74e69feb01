//! The hive over gRPC: thin handlers, conversions and errors.

pub(crate) mod convert;
mod hive;
mod logs;
pub(crate) mod status;
mod telemetry;

pub(crate) use hive::HiveHandler;
