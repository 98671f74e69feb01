//! The view of `rbee top`. [`model`] is what is known, [`draw`] makes a frame of it: the same for a
//! terminal, a test, and the table of `--once`.

mod cell;
mod devices;
mod frame;
mod grid;
mod model;
mod once;
mod sort;
mod sparkline;
#[cfg(test)]
mod tests;
mod total;
mod workers;

pub(crate) use frame::{View, draw};
pub(crate) use model::{Model, Update};
pub(crate) use once::once;
pub(crate) use sort::{Column, Sort};
