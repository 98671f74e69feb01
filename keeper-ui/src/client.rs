//! The way to the cluster: the connection, the watches that feed the stores, and the calls.

pub mod album;
pub mod archive;
pub mod authorities;
pub mod cluster;
pub mod convert;
pub mod failure;
pub mod folder;
pub mod hives;
pub mod image;
pub mod local;
pub mod logs;
pub mod provisioner;
pub mod server;
pub mod shelf;
pub mod spawn;
pub mod text;
pub mod tokens;
pub mod watch;
pub mod workers;
