//! Programs: where they are found, what they may touch, how they end, what they print.

mod lines;
mod marked;
mod process;
mod room;
mod sandbox;
mod tools;

pub use sandbox::{Confinement, ConfinementPolicy};

pub(crate) use lines::Output;
pub(crate) use marked::{Mark, VARIABLE as MARK_VARIABLE, end_all};
pub(crate) use process::{Ended, Patience, StandardOutput, run};
pub(crate) use room::Room;
pub(crate) use sandbox::Access;
pub(crate) use tools::Tools;

/// The first line of what a program said, as much as a message can bear.
pub(crate) fn first_line(said: &str) -> String {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or_default()
        .chars()
        .filter(|letter| !letter.is_control())
        .take(300)
        .collect()
}
