//! The models against the reference's numbers.

mod fixtures;
mod golden;
mod loading;
