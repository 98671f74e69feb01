//! Spawns by the id of the request that asked for them.

use std::collections::VecDeque;
use std::sync::Arc;

use rbee_artifacts::WorkerId;

use super::record::SpawnRecord;
use crate::domain::SpawnRequest;

/// Requests that are remembered after their spawn is over.
const REMEMBERED: usize = 256;

/// What a request id stands for.
#[derive(Debug)]
pub(super) enum Known {
    /// Nothing yet.
    New,
    /// The same request came before: this is its spawn.
    Joined(Arc<SpawnRecord>),
    /// Another request came with this id before.
    Conflict,
}

/// The latest spawns by request id, which may be empty, oldest first.
#[derive(Debug, Default)]
pub(super) struct Requests {
    records: VecDeque<(String, Arc<SpawnRecord>)>,
}

impl Requests {
    pub(super) fn find(&self, request_id: &str, request: &SpawnRequest) -> Known {
        match self
            .records
            .iter()
            .find(|(id, _)| id == request_id && !id.is_empty())
        {
            None => Known::New,
            Some((_, record)) if record.request() == request => Known::Joined(record.clone()),
            Some(_) => Known::Conflict,
        }
    }

    /// The spawn that a worker came out of, if it is remembered.
    pub(super) fn of_worker(&self, id: &WorkerId) -> Option<Arc<SpawnRecord>> {
        let mut records = self.records.iter();
        records
            .find(|(_, record)| record.worker_id() == id)
            .map(|(_, record)| record.clone())
    }

    pub(super) fn remember(&mut self, request_id: String, record: Arc<SpawnRecord>) {
        self.records.push_back((request_id, record));
        while self.records.len() > REMEMBERED {
            // Those that still run are never forgotten.
            let Some(oldest) = self.records.iter().position(|(_, record)| record.is_over()) else {
                break;
            };
            self.records.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::{DeviceId, ModelId, WorkerType};

    use super::*;
    use crate::domain::{LlmSettings, SdSettings};
    use crate::spawn::{SpawnError, SpawnEvent};

    fn request(name: &str) -> SpawnRequest {
        SpawnRequest {
            model_id: ModelId::local(name).unwrap(),
            worker_type: WorkerType::CpuLlm,
            device_id: Some(DeviceId::CPU),
            llm: LlmSettings::default(),
            sd: SdSettings::default(),
            force: false,
            evict: false,
        }
    }

    fn record(name: &str) -> Arc<SpawnRecord> {
        Arc::new(SpawnRecord::new("w-1".parse().unwrap(), request(name)))
    }

    #[test]
    fn a_repeated_request_joins_and_another_one_conflicts() {
        let mut requests = Requests::default();
        assert!(matches!(requests.find("a", &request("qwen")), Known::New));
        requests.remember("a".into(), record("qwen"));
        assert!(matches!(requests.find("a", &request("qwen")), Known::Joined(_)));
        assert!(matches!(requests.find("a", &request("gemma")), Known::Conflict));
    }

    #[test]
    fn only_what_is_over_is_forgotten() {
        let mut requests = Requests::default();
        requests.remember("running".into(), record("qwen"));
        for number in 0..REMEMBERED + 10 {
            let over = record("qwen");
            over.write(SpawnEvent::Failed(Arc::new(SpawnError::Stopped)));
            requests.remember(number.to_string(), over);
        }
        assert_eq!(requests.records.len(), REMEMBERED);
        assert!(matches!(
            requests.find("running", &request("qwen")),
            Known::Joined(_)
        ));
        assert!(matches!(requests.find("0", &request("qwen")), Known::New));
    }
}
