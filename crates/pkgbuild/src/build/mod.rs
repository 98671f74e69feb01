//! Builds: bash, the folder, the steps, and the program that comes of them.

mod evaluate;
mod folder;
mod outside;
mod program;
mod shell;
mod steps;

pub(crate) use evaluate::evaluate;
pub(crate) use folder::{BuildFolder, remove_left_behind};
pub(crate) use program::find as find_program;
pub(crate) use shell::Shell;
pub(crate) use steps::Steps;
