//! What every worker does alike, whatever its model makes.
//!
//! ```text
//! hive ── stdin, stdout ──▶ program ─▶ service ── load ──▶ what is loaded (Served)
//! clients ── Unix socket ──▶ the worker's own gRPC ─────────▲        │
//!                            info (WorkerService) ──────────┘        └─▶ Engine
//! ```
//!
//! - [`process`]: what a worker and its hive agree on: the token on stdin, status lines on stdout, exit codes.
//! - [`arguments`]: the part of the command line that all workers have.
//! - [`program`]: from a command line to an exit code.
//! - [`service`]: listen, load, serve, drain, leave.
//! - [`loaded`], [`info`]: the model once it is loaded, and what `WorkerService` tells of it.
//! - [`violation`], [`refusal`]: what is wrong with a request, and how clients hear it.

pub mod arguments;
pub mod engine;
pub mod info;
pub mod loaded;
pub mod process;
pub mod program;
pub mod refusal;
pub mod service;
pub mod violation;

pub use arguments::{TelemetryArguments, WorkerArguments};
pub use engine::{Engine, EngineExit};
pub use info::Identity;
pub use loaded::{Loaded, Served};
pub use service::{LoadFailure, RunError, Surroundings};
pub use violation::{Violation, Violations};
