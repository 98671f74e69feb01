//! What happens.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::hive::v1::{
    DrainRequest, RestartWorkerRequest, ResumeRequest, SpawnWorkerRequest, StopWorkerRequest,
};
use rbee_service_kit::reason;
use rbee_testkit::scripted_worker::Act;
use tonic::Status;

use crate::harness::request;
use crate::processes::worker_processes;
use crate::random::Random;
use crate::stage::{Known, Stage};

/// More workers than this are not wanted at once: the machine is small.
const MANY: usize = 8;

/// Calls of ours that run at once.
const CALLS: usize = 12;

/// The workers of a killed hive leave within this long; the contract says so.
const LEAVES: Duration = Duration::from_secs(2);

impl Stage {
    /// One more thing happens, and perhaps a little time passes.
    pub(crate) async fn act(&mut self, number: u64, random: &mut Random) {
        let wanted = self.ids(|known| known != Known::Stopped);
        let name = match random.below(100) {
            0..28 if wanted.len() < MANY => {
                let model = random.pick(&self.models).unwrap().clone();
                self.spawn(model);
                "spawn"
            }
            0..42 => {
                let grace = Duration::from_millis(random.below(3) * 400);
                if let Some(id) = random.pick(&wanted).cloned() {
                    self.stop(id, grace);
                }
                "stop"
            }
            42..50 => {
                if let Some(id) = random.pick(&wanted).cloned() {
                    self.restart(id);
                }
                "restart"
            }
            50..62 => {
                self.kill_a_process(random);
                "kill worker"
            }
            62..72 => {
                self.have_one_misbehave(random);
                "misbehave"
            }
            72..78 => {
                self.kill_the_hive(random).await;
                "kill hive"
            }
            78..86 => {
                self.catalog_goes_or_comes(random).await;
                "stop or start catalog"
            }
            86..96 => {
                self.calls.cut();
                self.relay.cut();
                "drop connections"
            }
            96..98 => {
                self.drain_and_resume();
                "drain and resume"
            }
            _ => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                "rest"
            }
        };
        *self.done.entry(name).or_default() += 1;
        // It is away for a while, and there for most of the time.
        if !self.catalog.is_up() && random.below(4) == 0 {
            self.catalog.start().await;
        }
        self.hive.check();
        self.catalog.check();
        while self.running.len() > CALLS {
            self.running.join_next().await.unwrap().unwrap();
        }
        if number % 50 == 49 {
            println!("{} actions", number + 1);
        }
        tokio::time::sleep(Duration::from_millis(random.below(80))).await;
    }

    fn ids(&self, which: impl Fn(Known) -> bool) -> Vec<String> {
        let known = self.known.lock();
        let ids = known.iter().filter(|(_, known)| which(**known));
        ids.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn spawn(&mut self, model: String) {
        let (calls, known) = (self.calls.clone(), self.known.clone());
        let mut client = HiveServiceClient::new(self.channel());
        self.running.spawn(async move {
            let mut spawned = None;
            let spawn = async {
                let request = SpawnWorkerRequest {
                    force: true,
                    ..request(&model)
                };
                let mut events = client.spawn_worker(request).await?.into_inner();
                while let Some(response) = events.message().await? {
                    let id = response.worker_id;
                    if let Some(Event::Ready(_)) = response.event {
                        // Unless somebody has asked to stop it meanwhile.
                        if let Some(known @ Known::Spawning) = known.lock().get_mut(&id) {
                            *known = Known::Wanted;
                        }
                        return Ok(());
                    }
                    known.lock().entry(id.clone()).or_insert(Known::Spawning);
                    spawned = Some(id);
                }
                Err(Status::internal("the stream ended without a result"))
            };
            let end = calls.make("spawn", spawn).await;
            // A spawn that fails leaves nothing behind.
            let failed = [reason::WORKER_EXITED, reason::CATALOG_UNAVAILABLE];
            if let (Err(Some(fault)), Some(id)) = (end, spawned)
                && failed.iter().any(|reason| fault.is(reason))
            {
                known.lock().insert(id, Known::Stopped);
            }
        });
    }

    pub(crate) fn stop(&mut self, id: String, grace: Duration) {
        let (calls, known) = (self.calls.clone(), self.known.clone());
        let mut client = HiveServiceClient::new(self.channel());
        // Before it is said: from now on it may be gone.
        known.lock().insert(id.clone(), Known::Stopping);
        self.running.spawn(async move {
            let request = StopWorkerRequest {
                worker_id: id.clone(),
                drain_grace: Some(grace.try_into().unwrap()),
            };
            match calls.make("stop", client.stop_worker(request)).await {
                Ok(_) => drop(known.lock().insert(id, Known::Stopped)),
                // Its spawn had failed, or another call had stopped it.
                Err(Some(fault)) if fault.is(reason::WORKER_NOT_FOUND) => {
                    known.lock().insert(id, Known::Stopped);
                }
                Err(_) => {}
            }
        });
    }

    fn restart(&mut self, id: String) {
        let calls = self.calls.clone();
        let mut client = HiveServiceClient::new(self.channel());
        self.running.spawn(async move {
            let request = RestartWorkerRequest {
                worker_id: id,
                drain_grace: Some(Duration::from_millis(200).try_into().unwrap()),
            };
            let _ = calls.make("restart", client.restart_worker(request)).await;
        });
    }

    /// Empties the hive and fills it again.
    fn drain_and_resume(&mut self) {
        let calls = self.calls.clone();
        let mut client = HiveServiceClient::new(self.channel());
        self.running.spawn(async move {
            let request = DrainRequest {
                drain_grace: Some(Duration::from_millis(200).try_into().unwrap()),
            };
            let _ = calls.make("drain", client.drain(request)).await;
            let _ = calls.make("resume", client.resume(ResumeRequest {})).await;
        });
    }

    /// `kill -9` of any process of any worker.
    fn kill_a_process(&self, random: &mut Random) {
        let processes = worker_processes(&self.workers_folder());
        if let Some((id, _)) = random.pick(&processes) {
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
        }
    }

    fn have_one_misbehave(&self, random: &mut Random) {
        let acts = [
            Act::Exit(0),
            Act::Exit(1),
            Act::Signal(11),
            Act::Fail(reason::MODEL_CORRUPT.to_owned()),
            Act::Hang,
            Act::Fork,
            Act::Flee,
            Act::Flood(Some(5000)),
            Act::Leak {
                mib_per_second: 100,
                up_to_mib: 20,
            },
        ];
        let act = random.pick(&acts).unwrap();
        let processes = worker_processes(&self.workers_folder());
        if let Some((id, _)) = random.pick(&processes) {
            // It may be gone by now, or be one that a worker forked, which does not listen.
            let _ = act.put(Path::new(&format!("/proc/{id}/cwd")));
        }
    }

    async fn kill_the_hive(&mut self, random: &mut Random) {
        let workers = worker_processes(&self.workers_folder());
        let leaders: Vec<_> = workers
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| leads(*id))
            .collect();
        self.calls.away(true);
        self.hive.kill().await;
        let killed = tokio::time::Instant::now();
        if random.below(2) == 0 {
            while leaders.iter().any(|id| is_alive(*id)) {
                if killed.elapsed() > LEAVES {
                    let words = format!("workers outlive their hive for {:?}", killed.elapsed());
                    return self.calls.wrong(words);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        self.hive.start().await;
        self.calls.away(false);
    }

    async fn catalog_goes_or_comes(&mut self, random: &mut Random) {
        if !self.catalog.is_up() {
            self.catalog.start().await;
        } else if random.below(2) == 0 {
            self.catalog.stop().await;
        } else {
            self.catalog.kill().await;
        }
    }
}

/// Whether a process is the worker itself and not what it forked.
fn leads(id: u32) -> bool {
    let pid = Pid::from_raw(id.cast_signed());
    let arguments = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let forked = arguments
        .split(|byte| *byte == 0)
        .any(|argument| argument == b"--fled" || argument == b"--forked");
    nix::unistd::getpgid(Some(pid)) == Ok(pid) && !forked
}

/// Whether a process runs; a zombie does not.
fn is_alive(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
