//! Text generation: one worker, one model, one device.
//!
//! ```text
//! hive ── stdin, stdout ──▶ process ─┐
//!                                    ├─▶ service ── load ──▶ model ─▶ kernels
//! clients ── Unix socket ──▶ grpc ───┘                         ▲
//!                             │                                │ logits
//!                         generator ── text ──▶ engine ── thread ── sampling
//! ```
//!
//! - [`config`], [`service`], [`mod@load`]: the process, whose life is every worker's ([`rbee_worker_kit`]).
//! - [`grpc`], [`domain`]: the contract. Requests are checked field by field before anything is done.
//! - [`generator`]: from words to words. [`text`] makes tokens of words by the model's own chat template
//!   and tokenizer, and words of tokens.
//! - [`engine`]: queue, scheduler and cancellation, on a thread of its own. [`sampling`] chooses tokens.
//!   [`constraint`] says which may be chosen where an answer must look a certain way.
//! - [`model`], [`kernels`]: from a GGUF file to logits.
//! - [`fidelity`]: whether all of that says the same as the references.
//!
//! What holds: nothing is computed on the threads of the runtime; queues are bounded; a client that
//! leaves stops its answer within one token; no log line holds a prompt or a token of access.

pub mod config;
pub mod constraint;
pub mod domain;
pub mod engine;
pub mod fidelity;
pub mod generator;
pub mod grpc;
pub mod kernels;
pub mod load;
pub mod model;
pub mod program;
pub mod sampling;
pub mod service;
pub mod text;
