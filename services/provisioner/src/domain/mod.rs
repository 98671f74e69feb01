//! Jobs as plain data and plain functions: no tokio, no prost, no tonic.

pub mod board;
pub mod here;
pub mod imported;
pub mod job;
pub mod plan;
pub mod progress;
pub mod request;
