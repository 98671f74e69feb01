//! Spawns and pictures against a real `rbee up` with a real image worker: what the wizard is told of a model, the six
//! steps, and a picture through all its phases, with a LoRA, from another picture, and cancelled.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says no by panicking"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rbee_keeper::client::cluster::Cluster;
use rbee_keeper::client::failure::Failure;
use rbee_keeper::client::image::{Painter, paint, read_facts};
use rbee_keeper::client::local::{self, LocalCluster};
use rbee_keeper::client::server::Server;
use rbee_keeper::client::shelf::Shelf;
use rbee_keeper::client::spawn::{check_models, spawn_worker};
use rbee_keeper::client::watch::{self, Told};
use rbee_keeper::model::cluster::{ClusterView, Hive};
use rbee_keeper::model::image::from_picture::read_file;
use rbee_keeper::model::image::{Family, Phase, Point, Session, Settings, Size, Source};
use rbee_keeper::model::models::{Model, ModelState, ModelsView};
use rbee_keeper::model::wizard::spawn::Outcome;
use rbee_keeper::model::wizard::{Page, SpawnStep, StepState, Verdict, Wizard};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

/// A program beside the tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join(name);
    assert!(program.is_file(), "{} is not built", program.display());
    program
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/sd")
        .join(name)
}

/// Brings a file in as the command line does.
fn import(cluster: &LocalCluster, file: &Path, name: &str) {
    let done = std::process::Command::new(program("rbee"))
        .args(["model", "import", "--name", name, "--server", &cluster.address])
        .arg(file)
        .status()
        .unwrap();
    assert!(done.success(), "{} could not be imported", file.display());
}

/// The hives and the models, once the models are there.
async fn known(server: &Server, models: usize) -> (Vec<Hive>, Vec<Model>) {
    let (told, mut heard) = mpsc::channel(watch::WAITING);
    let stop = CancellationToken::new();
    let running = tokio::spawn(watch::run(server.clone(), told, stop.clone()));
    let (mut cluster, mut known) = (ClusterView::default(), ModelsView::default());
    let is_here = |model: &&Model| model.state == ModelState::Available;
    let found = tokio::time::timeout(PATIENCE, async {
        while cluster.hives.is_empty() || known.models.values().filter(is_here).count() < models {
            match heard.recv().await.expect("the watches go on") {
                Told::Cluster(change) => cluster.apply(change),
                Told::Models(change) => known.apply(change),
                _ => {}
            }
        }
        let hives = cluster.hives.values().cloned().collect();
        (hives, known.models.values().cloned().collect())
    });
    let found = found.await.expect("hives and models are told");
    stop.cancel();
    running.await.unwrap();
    found
}

/// Starts a worker of a model as the wizard does from a model's row.
async fn start(client: &Cluster, hives: &[Hive], model: &Model) -> Painter {
    let mut wizard = Wizard::<Failure>::for_model(model);
    let mut goes_on = false;
    check_models(client, vec![model.clone()], hives, |model, answer| {
        assert!(matches!(answer.verdict(), Verdict::Fits(_)), "{answer:?}");
        goes_on |= wizard.answered(model, answer);
    })
    .await;
    assert!(goes_on, "what fits starts by itself");
    let place = wizard.place().unwrap().clone();
    wizard.begin();
    let mut spawning = spawn_worker(client.clone(), model.id.clone(), place.clone());
    while let Some(event) = tokio::time::timeout(PATIENCE, spawning.next())
        .await
        .expect("it goes on")
    {
        wizard.apply(event);
    }
    let spawn = wizard.spawn.unwrap();
    assert_eq!(
        (wizard.page, &spawn.outcome),
        (Page::Starting, &Some(Outcome::Ready))
    );
    for step in SpawnStep::ALL {
        assert!(
            matches!(spawn.steps[step as usize], StepState::Done(_)),
            "{step:?} of {spawn:?}"
        );
    }
    Painter {
        worker: spawn.worker.unwrap(),
        hive_address: place.hive_address,
    }
}

fn settings() -> Settings {
    let mut settings = Settings {
        prompt: "a bee".into(),
        size: Some(Size {
            width: 64,
            height: 64,
        }),
        ..Settings::default()
    };
    settings.set_steps(3);
    settings
}

/// Paints to the end.
async fn painted(client: &Cluster, painter: &Painter, shelf: &Shelf, settings: Settings) -> Session<Failure> {
    let mut session = Session::default();
    session.settings = settings.clone();
    let run = session.begin();
    let mut painting = paint(client.clone(), painter.clone(), settings, shelf.clone());
    while let Some(event) = tokio::time::timeout(PATIENCE, painting.next())
        .await
        .expect("it goes on")
    {
        session.apply(run, event, Instant::now());
    }
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_started_and_paints() {
    let folder = tempfile::tempdir().unwrap();
    // Its presence beside `rbee` is what makes it an installed program.
    program("sd-worker-rbee-cpu");
    let cluster = local::start(&program("rbee"), Some(&folder.path().join("data")), "127.0.0.1:0")
        .await
        .expect("it starts");
    import(&cluster, &fixture("sd15-tiny/model.safetensors"), "painter");
    import(&cluster, &fixture("sd15-tiny/lora.safetensors"), "honey");
    let server = Server::at(&cluster.address, None);
    let client = Cluster::connect(&server).await.unwrap();
    let (hives, models) = known(&server, 2).await;
    let model = models
        .iter()
        .find(|model| model.id.as_str() == "local:painter")
        .unwrap();
    let painter = start(&client, &hives, model).await;
    let shelf = Shelf::default();

    let facts = read_facts(&client, &painter).await.unwrap();
    assert_eq!(facts.family, Family::V1);
    assert!(!facts.schedules(None).is_empty() && facts.default_sampler.is_some());

    // Two pictures with a LoRA, which the worker is given first.
    let mut wanted = settings();
    wanted.set_count(2);
    wanted.add_lora("local:honey".into(), 0.5);
    let session = painted(&client, &painter, &shelf, wanted).await;
    let run = session.current().unwrap();
    assert!(
        matches!(run.phase, Phase::Done(timings) if timings.worked().is_some()),
        "{:?}",
        run.phase
    );
    assert_eq!(session.gallery.items().len(), 2);
    let seeds: Vec<_> = session
        .gallery
        .items()
        .iter()
        .filter_map(|item| item.seed)
        .collect();
    assert_eq!(seeds[0], seeds[1] + 1, "the newest comes first");
    let picture = session.gallery.items()[0].picture.clone();
    let read = read_file(picture.bytes().unwrap(), &["local:honey".into()]).unwrap();
    assert_eq!(
        (read.settings.prompt.as_str(), read.settings.steps),
        ("a bee", Some(3))
    );
    assert_eq!(read.settings.loras.len(), 1);
    assert_eq!(read.notes, Vec::<String>::new());

    // Again with what the file says: the same picture to the last byte.
    let again = painted(&client, &painter, &shelf, read.settings).await;
    assert_eq!(again.gallery.items()[0].picture.bytes(), picture.bytes());

    // From it, within a mask.
    let mut source = Source::new(picture, "bee.png".into()).unwrap();
    source.mask.begin(Point { x: 0.5, y: 0.5 }, 0.3, false);
    let mut wanted = settings();
    wanted.set_source(source, None);
    wanted.size = Some(Size {
        width: 64,
        height: 64,
    });
    let session = painted(&client, &painter, &shelf, wanted).await;
    assert!(
        matches!(session.current().unwrap().phase, Phase::Done(_)),
        "{:?}",
        session.failed()
    );

    // What the worker refuses is told by its reason.
    let mut wanted = settings();
    wanted.add_lora("local:nowhere".into(), 1.0);
    let session = painted(&client, &painter, &shelf, wanted).await;
    let (_, failure) = session.failed().expect("there is no such LoRA");
    assert!(failure.is("MODEL_NOT_FOUND"), "{failure:?}");

    cancelled_at_once(&client, &painter, &shelf).await;
    drop(cluster);
}

/// A long run that is dropped leaves the worker free for the next one.
async fn cancelled_at_once(client: &Cluster, painter: &Painter, shelf: &Shelf) {
    let mut wanted = settings();
    wanted.set_steps(200);
    wanted.set_count(16);
    let mut painting = paint(client.clone(), painter.clone(), wanted, shelf.clone());
    assert!(painting.next().await.is_some());
    drop(painting);
    let begun = Instant::now();
    let session = painted(client, painter, shelf, settings()).await;
    assert!(
        matches!(session.current().unwrap().phase, Phase::Done(_)),
        "{:?}",
        session.failed()
    );
    assert!(
        begun.elapsed() < PATIENCE / 2,
        "the worker went on with what nobody wanted"
    );
}
