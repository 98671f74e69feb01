//! Which worker answers: by model or by its own id.

use rbee_proto::catalog::v1::GetModelRequest;
use rbee_proto::types::v1::{Model, Worker, WorkerState};
use tonic::Code;

use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::identify::{self, NotOne};
use crate::render::workers::{self, serves};
use crate::render::{human, words};

/// What the workers of the cluster say to a wish.
#[derive(Debug, PartialEq)]
enum Choice<'a> {
    /// This one answers.
    Worker(&'a Worker),
    /// There are workers, none of them ready.
    NotReady(Vec<&'a Worker>),
    /// The id begins like those of several workers.
    Several(Vec<String>),
    /// No worker has to do with it: it may be a model without workers.
    None,
}

/// A ready worker for a model id, a worker id, or the beginning of a worker id.
pub(super) async fn find(cluster: &Cluster, wanted: &str) -> Result<Worker, Failure> {
    let workers = cluster.all_workers().await?;
    let (lost, reachable): (Vec<Worker>, Vec<Worker>) =
        workers.into_iter().partition(|worker| worker.unreachable);
    match choose(&reachable, wanted) {
        Choice::Worker(worker) => Ok(worker.clone()),
        Choice::NotReady(workers) => Err(not_ready(wanted, &workers)),
        Choice::Several(ids) => Err(NotOne::Several {
            wanted: wanted.to_owned(),
            ids,
        }
        .failure("worker")),
        Choice::None
            if lost
                .iter()
                .any(|worker| worker.model_id == wanted || worker.id == wanted) =>
        {
            Err(Failure::new(
                Exit::TryLater,
                format!("no worker of {wanted} can be reached now"),
            )
            .because("the catalog has not heard lately from its hive")
            .hint("`rbee hive ls` shows the hives"))
        }
        Choice::None if cluster.is_settling().await => Err(settling(wanted)),
        Choice::None => Err(nobody(cluster, wanted).await),
    }
}

/// The worker for a wish. The oldest ready one, so that scripts get the same one each time; if all answer
/// somebody already, the oldest of these.
fn choose<'a>(workers: &'a [Worker], wanted: &str) -> Choice<'a> {
    let is_ready = |worker: &&Worker| worker.state == WorkerState::Ready as i32;
    let answers = |worker: &&Worker| serves(worker.state);
    let of_model: Vec<&Worker> = workers
        .iter()
        .filter(|worker| worker.model_id == wanted)
        .collect();
    if !of_model.is_empty() {
        let mut all = of_model.iter().copied();
        return match all.clone().find(is_ready).or_else(|| all.find(answers)) {
            Some(worker) => Choice::Worker(worker),
            None => Choice::NotReady(of_model),
        };
    }
    match identify::one(wanted, workers, |worker| &worker.id) {
        Ok(worker) if answers(&worker) => Choice::Worker(worker),
        Ok(worker) => Choice::NotReady(vec![worker]),
        Err(NotOne::Several { ids, .. }) => Choice::Several(ids),
        Err(NotOne::None { .. }) => Choice::None,
    }
}

fn not_ready(wanted: &str, workers: &[&Worker]) -> Failure {
    let coming = workers.iter().any(|worker| is_coming(worker));
    // Who is on its way serves the same command later by itself.
    let exit = if coming { Exit::TryLater } else { Exit::Refused };
    let mut failure = Failure::new(exit, format!("no worker is ready for {wanted}"));
    let now = human::now();
    for worker in workers {
        failure = failure.because(format!(
            "worker {} is {}",
            worker.id,
            workers::state(worker, &now)
        ));
    }
    if coming {
        return failure.hint("try again in a moment; `rbee worker ls` shows how far it is");
    }
    let rests =
        |worker: &&&Worker| [WorkerState::Failed, WorkerState::CrashLooping].contains(&worker.state());
    match workers.iter().find(rests) {
        Some(failed) => failure.hint(format!(
            "`rbee worker show {}` shows why; `rbee worker restart {}` tries again",
            failed.id, failed.id
        )),
        None => failure.hint("`rbee worker spawn` starts another"),
    }
}

/// Whether it will serve without anybody's doing.
fn is_coming(worker: &Worker) -> bool {
    matches!(
        worker.state(),
        WorkerState::Pending
            | WorkerState::Validating
            | WorkerState::Fetching
            | WorkerState::Starting
            | WorkerState::Loading
    )
}

/// The error for what a catalog that was just started does not know yet.
fn settling(wanted: &str) -> Failure {
    Failure::new(Exit::TryLater, format!("no worker of {wanted} is known yet"))
        .because("the catalog was just started, and hives tell it of their workers within seconds")
        .hint("try again")
}

/// Why nobody answers for something that no worker has to do with.
async fn nobody(cluster: &Cluster, wanted: &str) -> Failure {
    let answer = cluster
        .models()
        .get_model(GetModelRequest {
            id: wanted.to_owned(),
        })
        .await;
    match answer {
        Ok(answer) => no_worker(&answer.into_inner().model.unwrap_or_default()),
        Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
            let failure = Failure::new(
                Exit::NotFound,
                format!("no model and no worker has the id {wanted}"),
            )
            .hint("`rbee model ls` lists the models, `rbee worker ls` the workers");
            match cluster.all_models().await {
                Ok(models) => match models.iter().find(|model| alike(model, wanted)) {
                    Some(model) => failure.hint(format!("did you mean {}?", model.id)),
                    None => failure,
                },
                Err(_) => failure,
            }
        }
        Err(status) => {
            let looked_up: Result<(), Failure> =
                Err(status).doing(|| format!("can't look {wanted} up in the catalog"));
            looked_up.expect_err("it was an error")
        }
    }
}

/// Whether somebody who wrote this may have meant the model.
fn alike(model: &Model, wanted: &str) -> bool {
    model.id.split_once(':').is_some_and(|(_, name)| name == wanted) || model.name == wanted
}

/// The error for a model that no worker serves: with the command that starts one.
fn no_worker(model: &Model) -> Failure {
    let failure = Failure::new(Exit::Refused, format!("no worker serves {}", model.id));
    match model.compatible_worker_types.first() {
        Some(worker_type) => {
            let worker_type = words::worker_type(*worker_type);
            let device = worker_type.split('-').next().unwrap_or("cpu");
            failure.hint(format!(
                "start one: rbee worker spawn {} --type {worker_type} --device {device}:0",
                model.id
            ))
        }
        None => failure.because(format!(
            "the model is {}, and no worker type can serve it",
            words::model_state(model.state)
        )),
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1::WorkerType;

    use super::*;

    fn worker(id: &str, model_id: &str, state: WorkerState) -> Worker {
        Worker {
            id: id.into(),
            model_id: model_id.into(),
            state: state as i32,
            ..Worker::default()
        }
    }

    fn workers() -> Vec<Worker> {
        vec![
            worker("w-old", "local:qwen", WorkerState::Failed),
            worker("w-one", "local:qwen", WorkerState::Ready),
            worker("w-two", "local:qwen", WorkerState::Ready),
            worker("x-gem", "local:gemma", WorkerState::Loading),
        ]
    }

    fn chosen(wanted: &str) -> String {
        match choose(&workers(), wanted) {
            Choice::Worker(worker) => worker.id.clone(),
            Choice::NotReady(workers) => format!("{} not ready", workers.len()),
            Choice::Several(ids) => ids.join(" or "),
            Choice::None => "none".into(),
        }
    }

    #[test]
    fn a_model_gets_its_first_ready_worker() {
        assert_eq!(chosen("local:qwen"), "w-one");
        assert_eq!(chosen("local:gemma"), "1 not ready");
    }

    #[test]
    fn a_worker_is_found_by_the_beginning_of_its_id() {
        assert_eq!(chosen("w-two"), "w-two");
        assert_eq!(chosen("w-t"), "w-two");
        assert_eq!(chosen("w-o"), "w-old or w-one");
        assert_eq!(chosen("w-old"), "1 not ready");
        assert_eq!(chosen("local:other"), "none");
    }

    #[test]
    fn without_a_worker_the_error_tells_the_command() {
        let model = Model {
            id: "local:qwen".into(),
            compatible_worker_types: vec![WorkerType::CpuLlm as i32, WorkerType::CudaLlm as i32],
            ..Model::default()
        };
        let failure = no_worker(&model);
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(
            failure.hints,
            ["start one: rbee worker spawn local:qwen --type cpu-llm --device cpu:0"]
        );
    }

    #[test]
    fn a_loading_worker_is_worth_waiting_for() {
        let loading = worker("w1", "local:qwen", WorkerState::Loading);
        let failure = not_ready("local:qwen", &[&loading]);
        assert_eq!(failure.exit, Exit::TryLater);
        assert_eq!(failure.why, ["worker w1 is loading"]);
        assert!(failure.hints[0].contains("try again"));
    }

    #[test]
    fn who_answers_somebody_is_taken_where_nobody_is_free() {
        let busy = worker("w-busy", "local:qwen", WorkerState::Busy);
        let ready = worker("w-ready", "local:qwen", WorkerState::Ready);
        let both = [busy.clone(), ready];
        assert!(matches!(choose(&both, "local:qwen"), Choice::Worker(worker) if worker.id == "w-ready"));
        assert!(matches!(choose(&both, "w-busy"), Choice::Worker(worker) if worker.id == "w-busy"));
        assert!(matches!(choose(&[busy], "local:qwen"), Choice::Worker(worker) if worker.id == "w-busy"));
    }

    #[test]
    fn what_rests_is_restarted_and_what_leaves_is_replaced() {
        let looping = worker("w1", "local:qwen", WorkerState::CrashLooping);
        let failure = not_ready("local:qwen", &[&looping]);
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(failure.why, ["worker w1 is crash looping"]);
        assert!(failure.hints[0].contains("rbee worker restart w1"), "{failure:?}");

        let draining = worker("w1", "local:qwen", WorkerState::Draining);
        let failure = not_ready("local:qwen", &[&draining]);
        assert_eq!(failure.exit, Exit::Refused);
        assert!(failure.hints[0].contains("rbee worker spawn"), "{failure:?}");

        let pending = worker("w1", "local:qwen", WorkerState::Pending);
        assert_eq!(
            not_ready("local:qwen", &[&looping, &pending]).exit,
            Exit::TryLater
        );
    }

    #[test]
    fn a_bare_name_is_recognised() {
        let model = Model {
            id: "local:qwen".into(),
            name: "Qwen".into(),
            ..Model::default()
        };
        assert!(alike(&model, "qwen"));
        assert!(alike(&model, "Qwen"));
        assert!(!alike(&model, "local"));
    }
}
