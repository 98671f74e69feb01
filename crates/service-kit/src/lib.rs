//! What every rbee service does alike, so that each service is only about its own work.
//!
//! - [`config`]: defaults, file, environment and flags merged in one place.
//! - [`telemetry`]: logs, traces and narration; W3C trace context across every hop.
//! - [`fault`] and [`reason`]: errors that clients can match and people can act on.
//! - [`server`]: health, reflection, events, authentication and tracing around a service's own RPCs.
//! - [`tls`]: certificates that are renewed while a server serves, and whom a client trusts.
//! - [`client`]: channels that carry credentials and trace context.
//! - [`metrics`]: numbers for Prometheus, on a port of their own.
//! - [`probe`]: asking a server whether it is ready.
//! - [`lifecycle`]: one cancellation tree and one task tracker for a process.
//! - [`program`]: arguments and frame of a service that is a program of its own.

pub mod client;
pub mod config;
pub mod fault;
mod keepalive;
pub mod lifecycle;
pub mod metrics;
pub mod probe;
pub mod program;
pub mod reason;
pub mod server;
pub mod telemetry;
pub mod tls;

pub use client::Target;
pub use fault::{Fault, RemoteFault};
pub use lifecycle::Lifecycle;
pub use server::{Auth, Intercept, Intercepted, Listener, Readiness, ServerBuilder};

#[doc(hidden)]
pub use tracing as __tracing;
