//! Two hives and one catalog on three hosts, as processes: what a client sees when a link is cut or a host dies.
//!
//! The hosts are three loopback addresses with relays between them, or, where the system allows it, three
//! network namespaces with cables between them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![cfg(target_os = "linux")]

mod away;
mod client;
mod cluster;
mod copied;
mod full;
mod namespaces;
mod network;
mod programs;
