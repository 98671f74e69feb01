//! Image generation: one worker, one model, one device.
//!
//! ```text
//! hive ── stdin, stdout ──▶ process ─┐
//!                                    ├─▶ service ── load ──▶ model ─▶ kernels
//! clients ── Unix socket ──▶ grpc ───┘                         ▲
//!                             │                                │ latents
//!                          studio ──▶ engine ── thread ──▶ painter ──▶ pipeline ─▶ prompt, schedule, sampler, random
//! ```
//!
//! - [`config`], [`service`], [`mod@load`]: the process, whose life is every worker's ([`rbee_worker_kit`]).
//! - [`grpc`], [`domain`]: the contract. Requests are checked field by field before anything is done.
//! - [`studio`], [`engine`]: what can be refused at once; then a queue and one thread that paints.
//! - [`painter`], [`add_ons`]: a request with a real model: LoRAs, embeddings and VAEs in their place.
//! - [`picture`]: files that come with requests, files that are made, and the settings in them.
//! - [`pipeline`], [`prompt`], [`schedule`], [`sampler`], [`random`]: from a prompt and a seed to latents, as plain
//!   numbers.
//! - [`model`], [`kernels`]: text encoders, UNet and VAE from a file.
//! - [`fidelity`]: whether all of that says the same as the references.
//!
//! What holds: nothing is computed on the threads of the runtime; queues are bounded; a client that leaves stops its
//! pictures within one step; no log line holds a prompt or a token of access; what is no picture is an error and never a
//! black one.

pub mod add_ons;
pub mod config;
pub mod domain;
pub mod engine;
pub mod fidelity;
pub mod grpc;
pub mod kernels;
pub mod load;
pub mod model;
pub mod painter;
pub mod picture;
pub mod pipeline;
pub mod program;
pub mod prompt;
pub mod random;
pub mod sampler;
pub mod schedule;
pub mod service;
pub mod studio;
