//! The contract's messages as JSON documents. These shapes are part of the command's interface:
//! fields are added, never renamed.

mod artifacts;
mod hosts;
mod hubs;
pub(crate) mod images;
mod jobs;
mod packages;
mod streams;
mod telemetry;
mod workers;

use prost_types::Timestamp;
use serde::Serialize;

use super::human;

pub(crate) use artifacts::{Model, WorkerBinary};
pub(crate) use hosts::{Device, Hive, HiveDetails, devices};
pub(crate) use hubs::{Credential, Login, Resolution, Search};
pub(crate) use jobs::{Collected, Job, JobUpdate};
pub(crate) use packages::WorkerPackage;
pub(crate) use streams::{Drain, Event, LogLine, Spawn};
pub(crate) use telemetry::Telemetry;
pub(crate) use workers::{Worker, WorkerDetails};

/// The whole cluster.
#[derive(Debug, Serialize)]
pub(crate) struct Status<'a> {
    /// Address of the server that was asked.
    pub(crate) server: &'a str,
    /// The hives with their devices.
    pub(crate) hives: Vec<Hive<'a>>,
    /// The models.
    pub(crate) models: Vec<Model<'a>>,
    /// The workers.
    pub(crate) workers: Vec<Worker<'a>>,
    /// The jobs that have not ended.
    pub(crate) jobs: Vec<Job<'a>>,
}

fn time(timestamp: Option<&Timestamp>) -> Option<String> {
    timestamp.and_then(human::timestamp)
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
