//! The whole hive against a real catalog, with workers that do what their model file says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod add_ons;
mod cgroup;
mod harness;
mod keeping;
mod killed;
mod life;
mod logs;
mod memory;
mod proxy;
mod registry;
mod spawn;
mod telemetry;
