//! The program: from its command line to its end.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use rbee_proto::worker::v1::text_service_server::TextServiceServer;
use rbee_proto::worker::v1::worker_service_server::WorkerServiceServer;
use rbee_service_kit::{Auth, Lifecycle, Listener, ServerBuilder};

use super::answers::Desk;
use super::perform::{Behaviour, THREADS, flood, report};
use super::services::ScriptedWorker;
use super::{Act, Script, fleeing};

/// The program, as it was built beside the tests that run now. Cargo builds it with all tests of a
/// crate or of the workspace, but not with a single one (`--test name`).
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let folder = test.ancestors().nth(2).expect("a test lies in <profile>/deps");
    // A binary of this crate, or an example of the crate that is tested: the newest counts.
    [
        folder.join("scripted-worker"),
        folder.join("examples/scripted-worker"),
    ]
    .into_iter()
    .filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)))
    .max()
    .map(|(_, path): (SystemTime, PathBuf)| path)
    .expect("run `cargo build -p rbee-testkit` first: the scripted worker is not built")
}

/// What the command line says.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) worker_id: String,
    pub(super) model_id: String,
    pub(super) model: PathBuf,
    pub(super) device: String,
    pub(super) socket: PathBuf,
    pub(super) slots: Option<u32>,
    pub(super) queue: Option<u32>,
}

fn options() -> Options {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match name.as_str() {
            "--version" => {
                println!("llm-worker-rbee-cpu 0.1.0-scripted");
                std::process::exit(0);
            }
            "--worker-id" => options.worker_id = value(),
            "--model-id" => options.model_id = value(),
            "--model" => options.model = value().into(),
            "--device" => options.device = value(),
            "--socket" => options.socket = value().into(),
            "--slots" => options.slots = value().parse().ok(),
            "--queue" => options.queue = value().parse().ok(),
            // What there is more of does not matter to made-up text.
            _ => drop(value()),
        }
    }
    options
}

/// The program's `main`.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(code) = fleeing::run() {
        return code;
    }
    let options = options();
    let mut token = String::new();
    if std::io::stdin().lock().read_line(&mut token).is_err() || token.trim().is_empty() {
        eprintln!("a token was expected on the standard input");
        return ExitCode::from(64);
    }
    std::thread::spawn(|| {
        // The end of the standard input means that the hive is gone.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build();
    let served = runtime
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(serve(options, token.trim().to_owned())));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options, token: String) -> Result<(), Box<dyn std::error::Error>> {
    let script = Script::begin(&options.model)?;
    let life = Lifecycle::new();
    if script.ignore_term {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        life.spawn(async move { while term.recv().await.is_some() {} });
    } else {
        life.shut_down_on_signals()?;
    }
    let behaviour = Behaviour::default();
    behaviour.listen(tokio::runtime::Handle::current());
    if script.fork {
        behaviour.perform(vec![Act::Fork]).await;
    }
    let listener = Listener::unix(&options.socket).await?;
    let desk = Desk::new(&script, &options, behaviour.clone());
    let worker = ScriptedWorker::new(desk, options);
    let mut server = ServerBuilder::new(Auth::Token(token.into()));
    server
        .add_service(WorkerServiceServer::new(worker.clone()))
        .add_service(TextServiceServer::new(worker));
    let readiness = server.readiness();
    tokio::spawn(async move {
        load(&script, &behaviour).await;
        if !script.ready_without_health {
            readiness.set_ready().await;
        }
        report(&serde_json::json!({"event": "ready"}));
        behaviour.perform(script.ready).await;
    });
    server.serve(listener, &life, Duration::from_millis(500)).await?;
    Ok(())
}

async fn load(script: &Script, behaviour: &Behaviour) {
    flood(script.log_lines);
    println!("loading a model that is made up");
    for step in 1..=10_u8 {
        tokio::time::sleep(Duration::from_millis(script.load_ms / 10)).await;
        report(&serde_json::json!({"event": "loading", "fraction": f32::from(step) / 10.0}));
        if step == 5 {
            behaviour.perform(script.acts_loading()).await;
            if script.never_ready {
                std::future::pending::<()>().await;
            }
        }
    }
}
