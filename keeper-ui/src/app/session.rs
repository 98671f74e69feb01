//! What the window does of itself: connects, watches, keeps what was chosen, and carries out actions.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use dioxus::prelude::*;
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::client::failure::{Action, Failure};
use crate::client::folder::Folder;
use crate::client::local::{self, LocalCluster};
use crate::client::server::{DEFAULT_ADDRESS, Server};
use crate::client::tokens;
use crate::client::watch::{self, Told};
use crate::model::cluster::{ClusterView, WorkerState};
use crate::model::connection::ConnectionState;
use crate::model::ids::WorkerId;
use crate::model::models::ModelsView;
use crate::model::narration::NarrationView;
use crate::model::overlay::Overlay;
use crate::model::telemetry::TelemetryView;
use crate::model::toasts::{ToastAction, ToastTone};
use crate::model::workspace::{Page, Workspace};
use crate::stores::Stores;

use super::keep;

/// How the window was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// The server to connect to; `None` for the last one.
    pub server: Option<String>,
    /// The file with its token.
    pub token_file: Option<PathBuf>,
    /// Where the window keeps what is its own; `None` to keep nothing.
    pub folder: Option<PathBuf>,
}

/// Changes that are taken in at once, so that a snapshot of a large cluster draws the window once and not a thousand
/// times.
const BATCH: usize = 512;

/// What the session holds besides the stores.
#[derive(Default)]
struct Held {
    server: Option<Server>,
    watching: Option<CancellationToken>,
    local: Option<LocalCluster>,
}

/// The window's session. Cheap to clone; clones are the same session.
#[derive(Clone)]
pub struct Session {
    /// The stores that it feeds.
    pub stores: Stores,
    folder: Option<Folder>,
    held: Rc<RefCell<Held>>,
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.held, &other.held)
    }
}

/// The session of this window.
///
/// # Panics
/// Outside of the window's [`App`](super::App).
#[must_use]
pub fn use_session() -> Session {
    use_context()
}

impl Session {
    /// A session over stores; nothing is connected yet.
    #[must_use]
    pub fn new(stores: Stores, folder: Option<Folder>) -> Self {
        let mut settings = stores.settings;
        if let Some(kept) = folder.as_ref().and_then(keep::settings) {
            settings.set(kept);
        }
        Self {
            stores,
            folder,
            held: Rc::default(),
        }
    }

    /// Where the window keeps what is its own.
    #[must_use]
    pub fn folder(&self) -> Option<&Folder> {
        self.folder.as_ref()
    }

    /// The address of the server that the window is about.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        self.held
            .borrow()
            .server
            .as_ref()
            .map(|server| server.address.clone())
    }

    /// Whether the cluster was started by this window and ends with it.
    #[must_use]
    pub fn owns_cluster(&self) -> bool {
        self.held.borrow().local.is_some()
    }

    /// Connects as the window was told at its start: to the named server, the last one, or one that runs here. Where
    /// there is none, the first start shows.
    pub async fn begin(&self, launch: Launch) {
        let named = launch.server.clone();
        let last = self.stores.settings.peek().last_server().map(str::to_owned);
        if let Some(address) = named.or(last.clone()) {
            let token = launch.token_file.as_deref().and_then(|file| {
                rbee_service_kit::server::read_token(file)
                    .map_err(|error| {
                        self.toast(
                            ToastTone::Bad,
                            "The token file can't be used",
                            &error.to_string(),
                            None,
                        );
                    })
                    .ok()
            });
            let is_local = address == DEFAULT_ADDRESS && self.stores.settings.peek().starts_cluster;
            if !is_local || launch.server.is_some() {
                return self.connect(&address, token);
            }
        }
        let program = self.stores.settings.peek().program.clone();
        match local::find(program.as_deref()).await {
            local::Found::Running(address) => self.connect(&address, None),
            local::Found::Startable(_) if self.stores.settings.peek().starts_cluster => {
                if let Err(failure) = self.start_local().await {
                    self.complain(&failure);
                }
            }
            local::Found::Locked(address) => self.connect(&address, None),
            local::Found::Startable(_) | local::Found::Nothing => {}
        }
    }

    /// Starts a cluster on this machine and connects to it.
    ///
    /// # Errors
    /// If there is no program for it, or it does not start.
    pub async fn start_local(&self) -> Result<(), Failure> {
        let (program, data_dir) = {
            let settings = self.stores.settings.peek();
            (settings.program.clone(), settings.data_dir.clone())
        };
        let program = local::find_program(program.as_deref()).ok_or_else(|| {
            Failure::new("The program rbee is not on this machine, or not where the settings say.")
                .with(Action::OpenSettings)
        })?;
        let cluster = local::start(&program, data_dir.as_deref(), local::LISTEN).await?;
        let address = cluster.address.clone();
        self.held.borrow_mut().local = Some(cluster);
        self.connect(&address, None);
        Ok(())
    }

    /// Connects to a server, with the token that is given or else the one that is kept for it. What was known of
    /// another server goes.
    pub fn connect(&self, address: &str, token: Option<SecretString>) {
        let kept = || {
            self.folder
                .as_ref()
                .and_then(|folder| tokens::of(folder, &Server::at(address, None).address))
        };
        let server = Server::at(address, token.or_else(kept)).with_known_ca(self.folder.as_ref());
        let same = self.address().as_deref() == Some(server.address.as_str());
        if !same {
            self.forget_all(&server.address);
        }
        self.held.borrow_mut().server = Some(server);
        self.reconnect();
    }

    /// Connects anew to the same server at once.
    pub fn reconnect(&self) {
        let (server, stop) = {
            let mut held = self.held.borrow_mut();
            let Some(server) = held.server.clone() else { return };
            if let Some(before) = held.watching.take() {
                before.cancel();
            }
            let stop = CancellationToken::new();
            held.watching = Some(stop.clone());
            (server, stop)
        };
        let (told, heard) = mpsc::channel(watch::WAITING);
        tokio::spawn(watch::run(server, told, stop.clone()));
        let session = self.clone();
        dioxus::core::spawn_forever(async move { session.listen(heard, stop).await });
    }

    /// Takes in what the watches tell, many changes at once.
    async fn listen(&self, mut heard: mpsc::Receiver<Told>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        while heard.recv_many(&mut batch, BATCH).await > 0 {
            // Another connection has taken over: what is left of this one is of no interest.
            if stop.is_cancelled() {
                return;
            }
            let connected = batch
                .iter()
                .any(|told| matches!(told, Told::Connection(ConnectionState::Connected)));
            super::take_in::batch(self.stores, batch.drain(..));
            if connected {
                self.remember_server();
            }
        }
    }

    /// The server answered and took the token: both are kept for the next start.
    fn remember_server(&self) {
        let Some(server) = self.held.borrow().server.clone() else {
            return;
        };
        let mut settings = self.stores.settings;
        if settings.peek().last_server() != Some(server.address.as_str()) {
            settings.write().used_server(&server.address);
        }
        if let (Some(folder), Some(token)) = (&self.folder, &server.token)
            && let Err(error) = tokens::keep(folder, &server.address, Some(token))
        {
            self.toast(
                ToastTone::Bad,
                "The token can't be kept",
                &error.to_string(),
                None,
            );
        }
    }

    /// Forgets a server and its token.
    pub fn forget_server(&self, address: &str) {
        let mut settings = self.stores.settings;
        settings.write().forget_server(address);
        if let Some(folder) = &self.folder
            && let Err(error) = tokens::keep(folder, address, None)
        {
            self.toast(
                ToastTone::Bad,
                "The token can't be removed",
                &error.to_string(),
                None,
            );
        }
    }

    /// Another server: nothing of the last one is shown, and the window looks as it did when it was last there.
    fn forget_all(&self, address: &str) {
        let Stores {
            mut client,
            mut cluster,
            mut models,
            mut narration,
            mut telemetry,
            mut workspace,
            ..
        } = self.stores;
        client.set(None);
        cluster.set(ClusterView::default());
        models.set(ModelsView::default());
        narration.set(NarrationView::default());
        telemetry.set(TelemetryView::default());
        let kept = self
            .folder
            .as_ref()
            .and_then(|folder| keep::workspace(folder, address));
        workspace.set(kept.map(Workspace::restored).unwrap_or_default());
    }

    /// Shows a message for a while.
    pub fn toast(&self, tone: ToastTone, title: &str, text: &str, action: Option<(String, ToastAction)>) {
        self.stores.toast(tone, title, text, action);
    }

    /// Shows a failure for as long as it takes to read it.
    pub fn complain(&self, failure: &Failure) {
        let action = failure
            .action
            .and_then(page_of)
            .map(|page| (page.label().to_owned(), ToastAction::Open(page)));
        self.toast(
            ToastTone::Bad,
            &failure.sentence,
            failure.detail.as_deref().unwrap_or_default(),
            action,
        );
    }

    /// Carries out what a failure's button says, where that is the window's to do. Answers whether it was: what concerns
    /// one worker or one request is for who showed the failure.
    pub fn act(&self, action: Action) -> bool {
        let mut overlay = self.stores.overlay;
        match action {
            Action::Reconnect => self.reconnect(),
            Action::SpawnWorker => overlay.set(Some(Overlay::Spawn {
                kind: None,
                model: None,
            })),
            other => match page_of(other) {
                Some(page) => self.open(page),
                None => return false,
            },
        }
        true
    }

    /// Shows a page.
    pub fn open(&self, page: Page) {
        let mut workspace = self.stores.workspace;
        workspace.write().open(page);
    }

    /// Shows a worker's pane; one whose tab was closed has it again.
    pub fn reveal(&self, worker: &WorkerId) {
        let mut workspace = self.stores.workspace;
        workspace.write().reveal(worker, &self.stores.cluster.peek());
    }

    /// Closes a worker's tab; asks before that where it is at work.
    pub fn close_tab(&self, worker: &WorkerId) {
        let busy = {
            let cluster = self.stores.cluster.peek();
            self.stores.image.is_busy(worker)
                || self.stores.chat.is_busy(worker)
                || cluster
                    .workers
                    .get(worker)
                    .is_some_and(|worker| worker.state == WorkerState::Busy)
        };
        let mut overlay = self.stores.overlay;
        if busy {
            overlay.set(Some(Overlay::CloseTab(worker.clone())));
        } else {
            self.close_tab_now(worker);
        }
    }

    /// Closes a worker's tab without asking; the worker goes on.
    pub fn close_tab_now(&self, worker: &WorkerId) {
        let mut workspace = self.stores.workspace;
        workspace.write().close(worker);
        if self.stores.cluster.peek().workers.contains_key(worker) {
            let reopen = Some(("Reopen".to_owned(), ToastAction::ReopenTab));
            self.toast(ToastTone::Info, "Tab closed", "Its worker goes on.", reopen);
        }
    }

    /// Opens the tab that was closed last.
    pub fn reopen_tab(&self) {
        let mut workspace = self.stores.workspace;
        workspace.write().reopen(&self.stores.cluster.peek());
    }
}

/// The page that an action leads to.
fn page_of(action: Action) -> Option<Page> {
    Some(match action {
        Action::OpenWorkers => Page::Workers,
        Action::OpenModels => Page::Models,
        Action::OpenMarketplace => Page::Marketplace,
        Action::OpenHives => Page::Hives,
        Action::OpenActivity => Page::Activity,
        Action::OpenSettings => Page::Settings,
        Action::Retry
        | Action::Reconnect
        | Action::RestartWorker
        | Action::SpawnWorker
        | Action::NewConversation => {
            return None;
        }
    })
}
