//! What the exit code says. 2 is clap's, for a wrong command line.

/// It was asked to leave, or its hive is gone.
pub const LEFT: u8 = 0;
/// The model could not be loaded; the last status line on stdout says why.
pub const LOAD_FAILED: u8 = 1;
/// It could not start: no token on stdin, a socket that cannot be bound.
pub const START_FAILED: u8 = 3;
/// It stopped while it served: the engine panicked or the server failed.
pub const CRASHED: u8 = 4;
