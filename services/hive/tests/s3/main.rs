//! A hive whose store is in a bucket: it fetches what its workers need, once, and keeps it within bounds.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[allow(dead_code, unreachable_pub, reason = "shared with the tests of clusters")]
#[path = "../cluster/harness.rs"]
mod harness;

mod broken;
mod fetching;
mod room;
mod scene;
