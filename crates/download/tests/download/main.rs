//! The client and the engine against hubs that speak the protocols and misbehave on command.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod client;
mod faults;
mod killed;
mod limits;
mod parallel;
mod random;
mod resume;
mod support;
mod tls;
mod trust;
