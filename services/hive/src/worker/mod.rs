//! Workers: one task owns one worker from its spawn to its end, and the table of all of them is
//! what everybody else sees.

mod folder;
mod probe;
mod sockets;
mod supervise;
mod table;

pub(crate) use folder::{FolderError, WorkerFolder};
pub(crate) use probe::Patience;
pub(crate) use sockets::Sockets;
pub use sockets::SocketsError;
pub(crate) use supervise::{Assignment, Supervision, supervise};
pub(crate) use table::{Change, Link, Route, Workers};
