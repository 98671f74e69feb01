//! Workers: one task owns one worker from the wish for it to its end, and the table of all of them is
//! what everybody else sees.

mod activity;
pub(crate) mod add_ons;
mod ended;
mod folder;
mod narrate;
mod probe;
mod run;
mod sockets;
mod table;
mod tend;

pub(crate) use activity::Answering;
pub(crate) use folder::{FolderError, WorkerFolder};
pub(crate) use probe::Patience;
pub(crate) use run::Supervision;
pub(crate) use sockets::Sockets;
pub use sockets::SocketsError;
pub(crate) use table::{Change, Link, Route, Workers};
pub(crate) use tend::tend;
