//! The worker as its hive and its clients meet it: a process, a socket, a contract.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod harness;

mod answers;
mod conversations;
mod embeddings;
mod endurance;
mod folders;
mod leaving;
mod load;
mod loading;
mod outputs;
mod real_model;
mod requests;
mod starting;
mod traces;
