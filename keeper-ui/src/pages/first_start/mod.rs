//! From nothing to the first running worker: what is there, what is missing, and the one thing to do next.

use dioxus::prelude::*;

use crate::app::{Session, use_session};
use crate::client::failure::Failure;
use crate::client::local::{self, Found};
use crate::components::{Button, ButtonVariant, ControlSize, FailureNotice, Icon, IconName, Spinner};
use crate::model::connection::ConnectionState;
use crate::model::models::ModelState;
use crate::model::overlay::Overlay;
use crate::model::workspace::Page;

mod connect;

pub use connect::ConnectForm;

/// How far one is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// How the window stands with a cluster.
    pub connection: ConnectionState,
    /// The address that it is about; empty for none yet.
    pub address: String,
    /// What was found on this machine; `None` while it is being looked for.
    pub found: Option<Found>,
    /// Whether a cluster is being started here.
    pub starting: bool,
    /// Models that a worker can serve.
    pub usable_models: usize,
    /// Models that are on their way.
    pub coming_models: usize,
    /// What went wrong last.
    pub failure: Option<Failure>,
}

impl Progress {
    fn connected(&self) -> bool {
        self.connection.is_connected()
    }
}

/// What one does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Start a cluster on this machine.
    StartCluster,
    /// Connect to the cluster that was found here.
    Connect(String),
    /// Look again.
    LookAgain,
    /// Find a model.
    FindModel,
    /// Start a worker.
    StartWorker,
    /// See the downloads.
    SeeModels,
}

/// The first start of this window.
#[component]
pub fn FirstStart() -> Element {
    let session = use_session();
    let stores = session.stores;
    let mut found = use_signal(|| None::<Found>);
    let starting = use_signal(|| false);
    let mut failure = use_signal(|| None::<Failure>);
    let look = use_callback(move |()| {
        found.set(None);
        spawn(async move {
            let program = stores.settings.peek().program.clone();
            found.set(Some(local::find(program.as_deref()).await));
        });
    });
    use_hook(|| look.call(()));
    let progress = {
        let models = stores.models.read();
        let usable = |state: &ModelState| *state == ModelState::Available;
        let serving = || {
            models.models.values().filter(|model| {
                model.model_type.worker_kind().is_some() || model.state == ModelState::Downloading
            })
        };
        let connection = stores.connection.read().clone();
        Progress {
            connection,
            address: session.address().unwrap_or_default(),
            found: found(),
            starting: starting(),
            usable_models: serving().filter(|model| usable(&model.state)).count(),
            coming_models: serving()
                .filter(|model| model.state == ModelState::Downloading)
                .count(),
            failure: failure(),
        }
    };
    let onnext = move |next: Next| {
        failure.set(None);
        act(&session, next, starting, failure, look);
    };
    rsx! { FirstStartView { progress, onnext } }
}

fn act(
    session: &Session,
    next: Next,
    mut starting: Signal<bool>,
    mut failure: Signal<Option<Failure>>,
    look: Callback<()>,
) {
    let mut overlay = session.stores.overlay;
    match next {
        Next::Connect(address) => session.connect(&address, None),
        Next::LookAgain => look.call(()),
        Next::FindModel => session.open(Page::Marketplace),
        Next::SeeModels => session.open(Page::Models),
        Next::StartWorker => overlay.set(Some(Overlay::Spawn {
            kind: None,
            model: None,
        })),
        Next::StartCluster => {
            let session = session.clone();
            starting.set(true);
            spawn(async move {
                match session.start_local().await {
                    Ok(()) => {
                        let mut settings = session.stores.settings;
                        settings.write().starts_cluster = true;
                    }
                    Err(reason) => failure.set(Some(reason)),
                }
                starting.set(false);
            });
        }
    }
}

/// The page as it is drawn.
#[component]
pub fn FirstStartView(progress: Progress, onnext: EventHandler<Next>) -> Element {
    let connected = progress.connected();
    let has_model = connected && progress.usable_models > 0;
    rsx! {
        div { class: "start",
            header { class: "start__head",
                span { class: "start__mark", Icon { name: IconName::Hive, size: 32 } }
                h1 { if connected { "Start your first worker" } else { "Your machines as one private cluster" } }
                p { class: "start__lead",
                    "A worker is one model on one device. Each has a tab here: text on the left, pictures on the right, both at once."
                }
            }
            if let Some(failure) = &progress.failure {
                FailureNotice {
                    sentence: failure.sentence.clone(),
                    advice: failure.detail.clone(),
                    reason: failure.reason.clone(),
                }
            }
            ol { class: "start__steps",
                li { class: "start__step", "data-state": if connected { "done" } else { "next" },
                    StepMark { number: 1, done: connected }
                    ClusterStep { progress: progress.clone(), onnext }
                }
                li { class: "start__step", "data-state": if has_model { "done" } else if connected { "next" } else { "later" },
                    StepMark { number: 2, done: has_model }
                    ModelStep { progress: progress.clone(), onnext }
                }
                li { class: "start__step", "data-state": if has_model { "next" } else { "later" },
                    StepMark { number: 3, done: false }
                    div { class: "start__words",
                        h2 { "A worker" }
                        p { "Choose the model and the device; what fits is shown first." }
                    }
                    Button {
                        variant: if has_model { ButtonVariant::Primary } else { ButtonVariant::Quiet },
                        disabled: !has_model,
                        onclick: move |_| onnext.call(Next::StartWorker),
                        "Start a worker"
                    }
                }
            }
            if !connected {
                details { class: "start__other",
                    summary { "Connect to a cluster on another machine" }
                    ConnectForm {}
                }
            }
        }
    }
}

#[component]
fn StepMark(number: u8, done: bool) -> Element {
    rsx! {
        span { class: "start__number", "aria-hidden": "true",
            if done { Icon { name: IconName::Check } } else { "{number}" }
        }
        if done { span { class: "sr-only", "Done:" } }
    }
}

#[component]
fn ClusterStep(progress: Progress, onnext: EventHandler<Next>) -> Element {
    let address = progress.address.clone();
    if progress.connected() {
        return rsx! { div { class: "start__words", h2 { "A cluster" } p { "Connected to {address}." } } };
    }
    if progress.starting {
        return rsx! {
            div { class: "start__words", h2 { "A cluster" } p { "Starting it on this machine…" } }
            Spinner {}
        };
    }
    let (words, next) = match (&progress.connection, &progress.found) {
        (ConnectionState::Connecting, _) => (format!("Connecting to {address}…"), None),
        (ConnectionState::Refused { why }, _) => (format!("{address}: {why} Give it below."), None),
        (_, None) => ("Looking for one on this machine…".to_owned(), None),
        (_, Some(Found::Running(found))) => {
            (format!("One runs here, at {found}."), Some(("Connect", Next::Connect(found.clone()))))
        }
        (_, Some(Found::Locked(found))) => (format!("One runs here, at {found}, and wants a token: give it below."), None),
        (ConnectionState::Lost { why, .. }, Some(Found::Startable(_))) => (
            format!("{address} does not answer ({why}). One can be started on this machine."),
            Some(("Start it here", Next::StartCluster)),
        ),
        (_, Some(Found::Startable(_))) => (
            "None runs on this machine. Start one: it ends with this window.".to_owned(),
            Some(("Start it here", Next::StartCluster)),
        ),
        (_, Some(Found::Nothing)) => (
            "None runs on this machine, and the program rbee was not found beside this one or in the search path. \
             Install it, or start “rbee up” yourself."
                .to_owned(),
            Some(("Look again", Next::LookAgain)),
        ),
    };
    rsx! {
        div { class: "start__words", h2 { "A cluster" } p { "{words}" } }
        if let Some((label, next)) = next {
            Button { variant: ButtonVariant::Primary, size: ControlSize::Medium, onclick: move |_| onnext.call(next.clone()), "{label}" }
        } else {
            Spinner {}
        }
    }
}

#[component]
fn ModelStep(progress: Progress, onnext: EventHandler<Next>) -> Element {
    let connected = progress.connected();
    let words = match (connected, progress.usable_models, progress.coming_models) {
        (false, ..) => {
            "Text models and Stable Diffusion, from Hugging Face, CivitAI or a file of your own.".to_owned()
        }
        (true, 0, 0) => "There is none yet. Find one, or drop a file on the Models page.".to_owned(),
        (true, 0, 1) => "One is on its way.".to_owned(),
        (true, 0, coming) => format!("{coming} are on their way."),
        (true, 1, _) => "One is here.".to_owned(),
        (true, usable, _) => format!("{usable} are here."),
    };
    let needs = connected && progress.usable_models == 0;
    let coming = needs && progress.coming_models > 0;
    rsx! {
        div { class: "start__words", h2 { "A model" } p { "{words}" } }
        if coming {
            Button { variant: ButtonVariant::Quiet, onclick: move |_| onnext.call(Next::SeeModels), "Show downloads" }
        } else {
            Button {
                variant: if needs { ButtonVariant::Primary } else { ButtonVariant::Quiet },
                disabled: !connected,
                onclick: move |_| onnext.call(Next::FindModel),
                if progress.usable_models == 0 { "Find a model" } else { "Find another" }
            }
        }
    }
}
