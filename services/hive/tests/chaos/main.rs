//! Chaos on real processes: a catalog, a hive and scripted workers, to which random things happen in a row while
//! clients chat. Afterwards nothing is left that should not be, everybody agrees on what there is, and every call
//! ended with an answer or a documented reason.
//!
//! The actions come from a fixed seed. `RBEE_CHAOS_SEED` and `RBEE_CHAOS_ACTIONS` choose another seed and
//! another number of actions.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod actions;
mod calls;
#[path = "../cluster/harness.rs"]
#[allow(dead_code, reason = "the other tests of a whole hive need more of it")]
mod harness;
mod processes;
mod random;
mod relay;
mod settled;
mod stage;

use random::Random;
use stage::Stage;

/// Enough that each action meets each other one, in about 40 s on two busy cores.
const ACTIONS: u64 = 500;

const SEED: u64 = 20_261_123;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_nothing_is_left_and_everybody_is_answered() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap())
    };
    let seed = number("RBEE_CHAOS_SEED").unwrap_or(SEED);
    let count = number("RBEE_CHAOS_ACTIONS").unwrap_or(ACTIONS);
    println!("seed {seed}, {count} actions");
    let mut stage = Stage::set().await;
    let mut random = Random::new(seed);
    for number in 0..count {
        stage.act(number, &mut random).await;
    }
    stage.settle().await;
}
