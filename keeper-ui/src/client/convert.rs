//! Where the contract's messages become what the window knows. No prost type goes beyond.

pub mod cluster;
pub mod image;
pub mod models;
pub mod narration;
pub mod provisioner;
pub mod spawn;
pub mod telemetry;
pub mod text;
pub mod time;
