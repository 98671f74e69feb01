//! Spawning workers: six steps, each told as it happens.
//!
//! A [`Spawner`] runs every spawn as a task of its own, so that nobody's leaving ends it, and
//! writes what happens into a [`SpawnRecord`](record::SpawnRecord), which any number of clients can
//! read from the beginning. A spawn that does not end with a worker that is ready leaves nothing
//! behind: process, folder, socket and place in the table all belong to values that are dropped.

mod binaries;
mod check;
mod error;
mod model_files;
mod needs;
mod prepare;
mod record;
mod requests;
mod spawner;

pub(crate) use binaries::{Binaries, BinaryError};
pub(crate) use check::Check;
pub(crate) use error::SpawnError;
pub(crate) use record::SpawnEvent;
pub(crate) use spawner::{Parts, Spawner};
