//! Every row of the tables in `docs/workers.md`: workers that misbehave in each state, and what is asked of them
//! there. The tables are data here, and the page has to say the same.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod asked;
mod asked_rows;
mod behaviours;
#[path = "../cluster/harness.rs"]
#[allow(dead_code, reason = "the other tests of a whole hive need more of it")]
mod harness;
mod page;
mod recorder;
mod refused;
mod scene;
mod table;
