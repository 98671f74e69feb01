//! What the hive knows and decides, as plain data and plain functions.

mod backoff;
pub mod cgroup;
pub mod device;
mod exit;
mod failure;
pub mod fit_words;
mod life;
mod lines;
pub mod memory;
mod needs;
pub mod placing;
pub mod plan;
mod process_usage;
pub mod rates;
mod refusal;
pub mod report;
mod ring;
pub mod settling;
mod spawn;
mod worker;
pub mod worker_id;

pub use backoff::Backoff;
pub use device::Device;
pub use exit::Exit;
pub use failure::Failure;
pub use life::{Command, Event, Life, State};
pub use lines::LineSplitter;
pub use memory::{Fit, ProcessMemory, Reservation, WorkerMemory};
pub use needs::Needs;
pub use process_usage::ProcessUsage;
pub use refusal::Refusal;
pub use report::Report;
pub use ring::LineRing;
pub use spawn::{LlmSettings, SpawnRequest, SpawnStep};
pub use worker::Worker;
