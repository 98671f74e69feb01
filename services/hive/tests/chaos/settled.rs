//! What must be true once everybody has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rbee_proto::catalog::v1::ListWorkersRequest;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_proto::hive::v1::ResumeRequest;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::types::v1::{Worker, WorkerState};
use tokio::time::Instant;

use crate::harness::entries;
use crate::processes::worker_processes;
use crate::stage::{Known, Stage, channel};

/// How long everything may take to come to rest on a busy machine.
const REST: Duration = Duration::from_secs(90);

impl Stage {
    /// Waits until all is at rest, compares what everybody says, and clears away.
    pub(crate) async fn settle(mut self) {
        self.catalog.start().await;
        self.hive.start().await;
        self.calls.away(false);
        self.finish_running().await;
        self.resume().await;
        self.chatting.cancel();
        while let Some(ended) = self.chats.join_next().await {
            ended.unwrap();
        }
        self.until_true("the workers are at rest", async |stage| stage.differences().await)
            .await;
        println!("at rest: {:?}", states(&self.workers().await));
        self.nobody_is_missing().await;

        for worker in self.workers().await {
            self.stop(worker.id, Duration::ZERO);
        }
        self.finish_running().await;
        self.until_true("nothing is left", async |stage| stage.leftovers().await)
            .await;
        self.hive.stop().await;
        let processes = worker_processes(&self.workers_folder());
        assert_eq!(processes, [], "processes after the hive has left");
        self.catalog.stop().await;
        println!("{:?}", self.done);
        let wrong = self.calls.finish();
        for call in ["chat", "spawn", "stop", "restart"] {
            assert!(
                self.calls.answered(call) > 0,
                "no {call} was answered: nothing was tested"
            );
        }
        assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), self.hive.log());
    }

    /// A drain may have been cut off before its end.
    async fn resume(&self) {
        let address = format!("http://{}", self.hive.listens);
        let mut client = HiveServiceClient::new(channel(&address));
        client.resume(ResumeRequest {}).await.unwrap();
    }

    /// Waits until nothing is said against it.
    async fn until_true(&self, what: &str, against: impl AsyncFn(&Self) -> Vec<String>) {
        let started = Instant::now();
        loop {
            let said = against(self).await;
            if said.is_empty() {
                return;
            }
            assert!(
                started.elapsed() < REST,
                "not within {REST:?}: {what}:\n{}\n{}",
                said.join("\n"),
                self.hive.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where the hive's list, the ledger, the registry, processes, folders and sockets do not agree.
    async fn differences(&self) -> Vec<String> {
        let workers = self.workers().await;
        let mut said = Vec::new();
        for worker in &workers {
            let rests = matches!(
                worker.state(),
                WorkerState::Ready | WorkerState::Failed | WorkerState::CrashLooping
            );
            if !rests {
                said.push(format!("{} is {:?}", worker.id, worker.state()));
            }
        }
        let all: BTreeSet<_> = workers.iter().map(|worker| worker.id.clone()).collect();
        let serving: BTreeSet<_> = workers
            .iter()
            .filter(|worker| worker.state() == WorkerState::Ready)
            .map(|worker| worker.id.clone())
            .collect();
        let mut compare = |what: &str, found: BTreeSet<String>, expected: &BTreeSet<String>| {
            if found != *expected {
                said.push(format!("{what}: {found:?}, and not {expected:?}"));
            }
        };
        compare("the ledger", self.ledger(), &all);
        let sockets = names(&self.data.path().join("bees/sockets"));
        let sockets = sockets
            .iter()
            .map(|name| name.trim_end_matches(".sock").to_owned());
        compare("sockets", sockets.collect(), &serving);
        compare("folders", names(&self.workers_folder()), &serving);
        let processes = worker_processes(&self.workers_folder());
        let belong: BTreeSet<_> = processes.iter().map(|(_, worker)| worker.clone()).collect();
        compare("processes", belong, &serving);
        for worker in &workers {
            let runs = worker.process_id.is_some_and(|id| {
                let own = (id, worker.id.clone());
                processes.contains(&own)
            });
            if runs != serving.contains(&worker.id) {
                said.push(format!("{}: its process: {:?}", worker.id, worker.process_id));
            }
        }
        if let Err(words) = self.registry_agrees(&workers).await {
            said.push(words);
        }
        said
    }

    /// The registry has the hive's workers, each as the hive has it.
    async fn registry_agrees(&self, workers: &[Worker]) -> Result<(), String> {
        let mut client = RegistryServiceClient::new(channel(&format!("http://{}", self.catalog.listens)));
        let request = ListWorkersRequest {
            model_id: String::new(),
        };
        let listed = client
            .list_workers(request)
            .await
            .map_err(|status| status.to_string())?;
        let told = |workers: &[Worker]| -> BTreeMap<String, (WorkerState, Option<u32>, u32)> {
            let facts = |worker: &Worker| (worker.state(), worker.process_id, worker.restart_count);
            workers
                .iter()
                .map(|worker| (worker.id.clone(), facts(worker)))
                .collect()
        };
        let (registry, hive) = (told(&listed.into_inner().workers), told(workers));
        if registry == hive {
            Ok(())
        } else {
            Err(format!("the registry says {registry:?}, the hive {hive:?}"))
        }
    }

    /// The ids in the ledger.
    fn ledger(&self) -> BTreeSet<String> {
        let file = std::fs::read(self.data.path().join("bees/ledger.json")).unwrap();
        let ledger: serde_json::Value = serde_json::from_slice(&file).unwrap();
        let workers = ledger["workers"].as_array().unwrap().iter();
        workers
            .map(|worker| worker["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What the clients were told holds: who was ready and never stopped is there, who was stopped is not.
    async fn nobody_is_missing(&self) {
        let listed: BTreeSet<_> = self.workers().await.into_iter().map(|worker| worker.id).collect();
        for (id, known) in &*self.known.lock() {
            let there = listed.contains(id);
            match known {
                Known::Wanted if !there => self.calls.wrong(format!("{id} is missing")),
                Known::Stopped if there => self.calls.wrong(format!("{id} is there again")),
                _ => {}
            }
        }
    }

    /// What is left of workers, now that none is wanted.
    async fn leftovers(&self) -> Vec<String> {
        let mut left = self.differences().await;
        left.extend(self.workers().await.into_iter().map(|worker| worker.id));
        left.extend(entries(&self.workers_folder()));
        left.extend(entries(&self.data.path().join("bees/sockets")));
        left.extend(self.control_groups());
        // What a few connections more or less hold open.
        let descriptors = self.hive.descriptors();
        if descriptors > self.descriptors + 6 {
            left.push(format!(
                "{descriptors} descriptors, {} at first",
                self.descriptors
            ));
        }
        left
    }

    /// Control groups that are named after a worker.
    fn control_groups(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut folders = vec![Path::new("/sys/fs/cgroup").to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                let name = entry.file_name().to_string_lossy().into_owned();
                if self.known.lock().keys().any(|id| name.contains(id.as_str())) {
                    left.push(format!("control group {}", entry.path().display()));
                }
                folders.push(entry.path());
            }
        }
        left
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

fn states(workers: &[Worker]) -> BTreeMap<&'static str, usize> {
    let mut states = BTreeMap::new();
    for worker in workers {
        *states.entry(worker.state().as_str_name()).or_default() += 1;
    }
    states
}
