//! Spawning workers: six steps, each told as it happens.
//!
//! A [`Spawner`] takes a wish in and has the reconciler start a task for it. That task goes through the steps and writes
//! what happens into a [`SpawnRecord`], which any number of clients can read from the beginning; nobody's leaving ends
//! it. A spawn that does not end with a worker that is ready leaves nothing behind: process, folder, socket and place
//! in the table all belong to values that are dropped.

mod add_ons;
mod announce;
mod binaries;
mod check;
mod error;
mod evict;
mod files;
mod needs;
mod parts;
mod prepare;
mod record;
mod requests;
mod spawner;
mod step;

pub(crate) use binaries::{Binaries, BinaryError};
pub(crate) use check::Check;
pub(crate) use error::SpawnError;
pub(crate) use files::Files;
pub(crate) use parts::Parts;
pub(crate) use prepare::Prepared;
pub(crate) use record::{SpawnEvent, SpawnRecord};
pub(crate) use spawner::Spawner;
