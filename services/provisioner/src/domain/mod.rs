//! Jobs as plain data and plain functions: no tokio, no prost, no tonic.

pub mod board;
pub mod imported;
pub mod job;
pub mod progress;
pub mod request;
