//! What the catalog knows, as plain data and plain functions: no tokio, no prost, no tonic.

pub mod cluster;
pub mod entry;
pub mod filter;
pub mod history;
pub mod limits;
pub mod page;
pub mod registry;
pub mod requests;
