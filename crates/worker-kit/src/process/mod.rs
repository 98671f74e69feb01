//! The worker as a process: what it agrees on with the hive that started it.
//!
//! - [`lifeline`]: the token is the first line on stdin; the end of stdin means that the hive is gone.
//! - [`announcer`]: lines on stdout tell how far loading is.
//! - [`parent`]: the kernel ends the worker when its parent dies.
//! - [`exit`]: what the exit code says.

pub mod announcer;
pub mod exit;
pub mod lifeline;
pub mod parent;
