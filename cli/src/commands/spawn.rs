//! `rbee worker spawn`.

use rbee_proto::hive::v1::hive_service_client::HiveServiceClient;
use rbee_proto::hive::v1::spawn_worker_response::Event;
use rbee_proto::hive::v1::{SpawnWorkerRequest, SpawnWorkerResponse};
use rbee_proto::types::v1::{Hive, HiveState, Worker, WorkerType};
use tonic::Streaming;

use super::Session;
use super::everywhere::{self, Everywhere};
use super::interrupt::{Outcome, or_ctrl_c};
use crate::args::{SpawnArgs, to_proto};
use crate::connect::{Cluster, choose_hive};
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::note;
use crate::render::check::{Place, fits_nowhere};
use crate::render::steps::Steps;
use crate::render::{plain_text, views};

/// Starts a worker and shows the steps until it is ready. The worker's id is all that goes to
/// stdout, for scripts: `id=$(rbee worker spawn …)`.
pub(super) async fn run(arguments: &SpawnArgs, cluster: &Cluster, session: &Session) -> Result<(), Failure> {
    let wants = &arguments.wants;
    let hives = cluster.all_hives().await?;
    let (hive, device) = place(arguments, cluster, &hives).await?;
    let mut client = HiveServiceClient::new(cluster.hive_channel(&hive.address).await?);
    let request = SpawnWorkerRequest {
        model_id: wants.model.clone(),
        worker_type: WorkerType::from(wants.worker_type) as i32,
        device_id: device,
        request_id: uuid::Uuid::now_v7().to_string(),
        settings: wants.settings().map(Into::into),
        force: arguments.force,
        evict: arguments.evict,
        pinned: arguments.keeping.pin,
        idle_ttl: arguments.keeping.idle_ttl.map(to_proto),
    };
    let doing = || format!("can't start a worker for {}", wants.model);

    let output = session.output;
    let mut steps = (!output.json).then(|| Steps::new(output.remark_paint, output.remarks_on_terminal));
    let mut worker_id = String::new();
    let outcome = or_ctrl_c(async {
        let mut events = client.spawn_worker(request).await.doing(doing)?.into_inner();
        follow(&mut events, &mut steps, &mut worker_id, session, doing).await
    })
    .await;
    match outcome {
        Outcome::Done(Ok(worker)) => {
            if let Some(steps) = &mut steps {
                steps.end();
                let model = plain_text::one_line(&worker.model_id);
                let use_it = if wants.worker_type.makes_pictures() {
                    format!("`rbee image {model} \"…\" -o out.png` has it paint")
                } else {
                    format!("`rbee chat {model}` talks to it")
                };
                note(&format!(
                    "{model} is ready on {}: {use_it}",
                    plain_text::one_line(&worker.device_id),
                ));
                output.line(&plain_text::one_line(&worker.id))?;
            }
            Ok(())
        }
        Outcome::Done(Err(failure)) => {
            if let Some(steps) = &mut steps {
                steps.failed();
            }
            Err(failure)
        }
        Outcome::Interrupted => {
            if let Some(steps) = &mut steps {
                steps.end();
            }
            Err(left(&worker_id))
        }
    }
}

/// Chooses a hive and a device: those that were named, or the best of the cluster. A device that is left out on
/// the only hive is left to that hive, which looks and reserves in one step.
async fn place<'a>(
    arguments: &SpawnArgs,
    cluster: &Cluster,
    hives: &'a [Hive],
) -> Result<(&'a Hive, String), Failure> {
    let wants = &arguments.wants;
    let named = || wants.device.clone().unwrap_or_default();
    let reachable = hives.iter().filter(|hive| hive.state == HiveState::Ready as i32);
    if wants.hive.is_some() || reachable.count() < 2 {
        return Ok((choose_hive(hives, wants.hive.as_deref())?, named()));
    }
    let Everywhere { places, .. } = everywhere::check(cluster, wants, hives).await?;
    let best = if arguments.evict {
        least_evictions(&places)
    } else {
        &places[0]
    };
    let may_evict = arguments.evict && !best.evictable.is_empty();
    if best.fits == Some(false) && !arguments.force && !may_evict {
        return Err(fits_nowhere(&wants.model, &places));
    }
    note(&format!(
        "on {}, {}: it {}",
        plain_text::one_line(&best.hive.name),
        plain_text::one_line(&best.device.id),
        plain_text::one_line(&best.sentence),
    ));
    Ok((best.hive, best.device.id.clone()))
}

/// Of the places, best first: the first where it fits, else where the fewest workers would have to leave.
fn least_evictions<'a, 'b>(places: &'a [Place<'b>]) -> &'a Place<'b> {
    let fits = places.iter().find(|place| place.fits != Some(false));
    let with_room = || places.iter().filter(|place| !place.evictable.is_empty());
    fits.or_else(|| with_room().min_by_key(|place| place.evictable.len()))
        .unwrap_or(&places[0])
}

/// Shows the events until the worker is ready.
async fn follow(
    events: &mut Streaming<SpawnWorkerResponse>,
    steps: &mut Option<Steps>,
    worker_id: &mut String,
    session: &Session,
    doing: impl Fn() -> String,
) -> Result<Worker, Failure> {
    while let Some(message) = events.message().await.doing(&doing)? {
        worker_id.clone_from(&message.worker_id);
        match steps {
            None => {
                if let Some(line) = views::Spawn::new(&message) {
                    session.output.json_line(&line)?;
                }
            }
            Some(steps) => match &message.event {
                Some(Event::StepStarted(started)) => steps.started(started.step),
                Some(Event::StepFinished(finished)) => steps.finished(finished.step, &finished.detail),
                Some(Event::Loading(loading)) => steps.loading(loading.fraction),
                Some(Event::Fetching(fetching)) => steps.fetching(fetching.done_bytes, fetching.total_bytes),
                Some(Event::Evicted(evicted)) => steps.evicted(&evicted.worker_id, &evicted.model_id),
                Some(Event::Ready(_)) | None => {}
            },
        }
        if let Some(Event::Ready(worker)) = message.event {
            return Ok(worker);
        }
    }
    Err(Failure::new(Exit::Failed, doing())
        .because("the hive stopped telling about it before the worker was ready")
        .hint("`rbee worker ls` shows what became of it"))
}

/// What to say to who leaves a spawn alone.
fn left(worker_id: &str) -> Failure {
    let failure = Failure::new(Exit::Interrupted, "stopped watching");
    if worker_id.is_empty() {
        return failure.hint("`rbee worker ls` shows whether a worker is being started");
    }
    failure
        .because(format!("worker {worker_id} goes on starting"))
        .hint(format!("`rbee worker stop {worker_id}` stops it"))
}

#[cfg(test)]
mod tests {
    use rbee_proto::hive::v1::MemoryEstimate;
    use rbee_proto::types::v1::Device;

    use super::*;

    #[test]
    fn room_is_made_where_the_fewest_have_to_leave_and_not_where_it_fits() {
        let hive = Hive::default();
        let place = |name: &str, fits, evictable: &[&str]| Place {
            hive: &hive,
            device: Device {
                id: name.into(),
                ..Device::default()
            },
            estimate: MemoryEstimate::default(),
            fits,
            fitting_context_length: None,
            files_present: true,
            sentence: String::new(),
            evictable: evictable.iter().map(|id| (*id).to_owned()).collect(),
        };
        let chosen = |places: &[Place<'_>]| least_evictions(places).device.id.clone();
        let none = place("none", Some(false), &[]);
        let two = place("two", Some(false), &["a", "b"]);
        let one = place("one", Some(false), &["c"]);
        let fits = place("fits", Some(true), &[]);
        assert_eq!(chosen(&[none.clone(), two.clone(), one.clone()]), "one");
        assert_eq!(chosen(&[none.clone(), two, one, fits]), "fits");
        assert_eq!(chosen(&[none]), "none");
    }
}
