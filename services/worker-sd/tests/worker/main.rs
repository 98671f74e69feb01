//! The image worker as its hive and its clients meet it: a process, a socket, a contract.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod files;
mod harness;

mod add_ons;
mod endurance;
mod leaving;
mod loading;
mod pictures;
mod refusals;
mod together;
mod waiting;
