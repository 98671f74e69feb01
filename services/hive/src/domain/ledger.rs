//! The workers that are wanted on this host.

use std::time::Duration;

use jiff::Timestamp;
use rbee_artifacts::{DeviceId, ModelEntry, WorkerBinary, WorkerId};
use serde::{Deserialize, Serialize};

use super::{Failure, Keep, SpawnRequest};

/// A worker that is wanted, with what the hive must remember to start it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Its id.
    pub id: WorkerId,
    /// What was asked for.
    pub request: SpawnRequest,
    /// The id of that request; empty if it had none.
    pub request_id: String,
    /// How long it is kept.
    pub keep: Keep,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// What it was when it was ready; `None` until it was.
    pub proof: Option<Proof>,
    /// Why it was started anew last.
    pub failure: Option<Failure>,
    /// What its requests can use beside its model.
    #[serde(default)]
    pub add_ons: Vec<ModelEntry>,
}

impl Desired {
    /// Makes these usable by its requests; one with the same id is replaced.
    pub fn attach(&mut self, add_ons: Vec<ModelEntry>) {
        for add_on in add_ons {
            match self.add_ons.iter_mut().find(|other| other.id == add_on.id) {
                Some(other) => *other = add_on,
                None => self.add_ons.push(add_on),
            }
        }
    }
}

/// What a worker was made of when it became ready. With it a worker can be started again while the catalog is away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Its model.
    pub model: ModelEntry,
    /// Its program.
    pub binary: WorkerBinary,
    /// Its device.
    pub device_id: DeviceId,
}

/// What is wanted of a hive. Its generation counts the changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Changes since the first.
    pub generation: u64,
    /// Whether the hive is to be empty for now.
    pub draining: bool,
    /// The workers, oldest first.
    pub workers: Vec<Desired>,
}

impl Ledger {
    /// A worker that is wanted.
    #[must_use]
    pub fn get(&self, id: &WorkerId) -> Option<&Desired> {
        self.workers.iter().find(|desired| desired.id == *id)
    }

    /// Wants a worker; one with the same id is replaced.
    pub fn want(&mut self, desired: Desired) {
        self.workers.retain(|other| other.id != desired.id);
        self.workers.push(desired);
        self.generation += 1;
    }

    /// Wants a worker no more. Answers whether it was wanted.
    pub fn drop_wish(&mut self, id: &WorkerId) -> bool {
        let before = self.workers.len();
        self.workers.retain(|desired| desired.id != *id);
        let changed = self.workers.len() != before;
        self.generation += u64::from(changed);
        changed
    }

    /// Changes what is known or wanted of a worker. Answers whether that was a change.
    pub fn change(&mut self, id: &WorkerId, change: impl FnOnce(&mut Desired)) -> bool {
        let Some(desired) = self.workers.iter_mut().find(|desired| desired.id == *id) else {
            return false;
        };
        let before = desired.clone();
        change(desired);
        let changed = before != *desired;
        self.generation += u64::from(changed);
        changed
    }

    /// Empties the hive, or fills it again. Spawns that are under way when it is emptied are given up: nobody was
    /// promised a worker yet. Answers whether that was a change.
    pub fn drain(&mut self, draining: bool) -> bool {
        let changed = self.draining != draining;
        self.draining = draining;
        if draining {
            self.workers.retain(|desired| desired.proof.is_some());
        }
        self.generation += u64::from(changed);
        changed
    }
}

/// What a worker's task is to see to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// What is to become of it.
    pub aim: Aim,
    /// How long requests that run may go on when it has to leave.
    pub drain_grace: Duration,
    /// How long it is kept.
    pub keep: Keep,
}

/// What is to become of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// It serves. With each restart by hand the number is another.
    Serve {
        /// Restarts by hand so far.
        restarts: u64,
    },
    /// It waits without a process.
    Rest,
    /// It leaves.
    Leave,
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::{ModelId, WorkerType};

    use super::*;
    use crate::domain::{LlmSettings, SdSettings};

    fn desired(id: &str) -> Desired {
        Desired {
            id: id.parse().unwrap(),
            request: SpawnRequest {
                model_id: ModelId::local("qwen").unwrap(),
                worker_type: WorkerType::CpuLlm,
                device_id: None,
                llm: LlmSettings::default(),
                sd: SdSettings::default(),
                force: false,
                evict: true,
            },
            request_id: "r".into(),
            keep: Keep {
                pinned: true,
                idle_ttl: Some(Duration::from_millis(1500)),
            },
            created_at: Timestamp::UNIX_EPOCH,
            proof: None,
            failure: None,
            add_ons: Vec::new(),
        }
    }

    #[test]
    fn a_ledger_is_read_as_it_was_written() {
        let mut ledger = Ledger::default();
        ledger.want(desired("qwen-1"));
        let text = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
    }

    #[test]
    fn every_change_and_nothing_else_is_a_generation() {
        let mut ledger = Ledger::default();
        let id = "qwen-1".parse().unwrap();
        ledger.want(desired("qwen-1"));
        assert!(!ledger.change(&id, |_| {}));
        assert!(ledger.change(&id, |desired| desired.keep.pinned = false));
        assert_eq!(ledger.generation, 2);
        assert!(ledger.drop_wish(&id) && !ledger.drop_wish(&id));
        assert_eq!(ledger.generation, 3);
    }

    #[test]
    fn an_emptied_hive_gives_up_spawns_that_are_under_way() {
        let mut ledger = Ledger::default();
        ledger.want(desired("qwen-1"));
        assert!(ledger.drain(true) && !ledger.drain(true));
        assert!(ledger.workers.is_empty());
        assert!(ledger.drain(false));
    }
}
