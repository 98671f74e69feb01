//! What a page can ask of the provisioner, and the task that keeps the downloads' store as it is there.

use std::sync::Arc;

use dioxus::core::{Task, spawn_forever};
use dioxus::prelude::*;
use tokio::sync::{Notify, mpsc};

use crate::client::cluster::Cluster;
use crate::client::failure::Failure;
use crate::client::provisioner;
use crate::model::downloads::{DownloadsEvent, Job, JobKind, JobState};
use crate::model::ids::{JobId, ModelId};
use crate::model::import::ImportDraft;
use crate::model::toasts::{ToastAction, ToastTone};
use crate::model::workspace::Page;
use crate::stores::Stores;

/// Events that may wait for the window; a job tells more often than one can look.
const WAITING: usize = 64;

/// Something that is wanted of the provisioner.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Bring in a model, from where it was stopped if it was.
    Download(String),
    /// Build and install a worker program.
    Install(String),
    /// Import a file.
    Import(ImportDraft),
    /// Read a model's files anew.
    Verify(ModelId),
    /// Stop a job; what there is of a download stays, to go on from.
    Pause(JobId),
    /// Stop a job and forget what there is of it.
    Discard(JobId),
    /// Don't show this job, or this refusal, any more.
    Dismiss(String),
}

impl Order {
    /// What it is about, as a job will say it.
    fn subject(&self) -> Option<String> {
        match self {
            Self::Download(subject) | Self::Install(subject) => Some(subject.clone()),
            Self::Import(draft) => Some(draft.id()),
            Self::Verify(_) | Self::Pause(_) | Self::Discard(_) | Self::Dismiss(_) => None,
        }
    }
}

/// The way to give orders. Copied freely.
#[derive(Clone, Copy, PartialEq)]
pub struct Jobs {
    stores: Stores,
    look: Signal<Arc<Notify>>,
    /// What the last order came to, if it was refused and is about no job of its own.
    pub refusal: Signal<Option<Failure>>,
}

impl Jobs {
    /// Gives an order; what comes of it shows in the downloads' store.
    pub fn order(mut self, order: Order) {
        if let Order::Dismiss(id) = order {
            self.stores.downloads.write().apply(DownloadsEvent::Dismissed(id));
            return;
        }
        let Some(cluster) = self.stores.client.peek().clone() else {
            return;
        };
        let subject = order.subject();
        if let Some(subject) = subject.clone() {
            self.stores
                .downloads
                .write()
                .apply(DownloadsEvent::Asked(subject));
        }
        spawn_forever(async move {
            let discarded = match &order {
                Order::Discard(job) => Some(job.to_string()),
                _ => None,
            };
            match (carry(&cluster, order).await, subject) {
                (Ok(()), _) => {
                    if let Some(job) = discarded {
                        self.stores
                            .downloads
                            .write()
                            .apply(DownloadsEvent::Dismissed(job));
                    }
                }
                (Err(failure), Some(subject)) => {
                    self.stores
                        .downloads
                        .write()
                        .apply(DownloadsEvent::Refused(subject, failure));
                }
                (Err(failure), None) => self.refusal.set(Some(failure)),
            }
            self.look.peek().notify_one();
        });
    }
}

async fn carry(cluster: &Cluster, order: Order) -> Result<(), Failure> {
    match order {
        Order::Download(model) => provisioner::download(cluster, model).await,
        Order::Install(package) => provisioner::install(cluster, package).await,
        Order::Import(draft) => provisioner::import(cluster, &draft).await,
        Order::Verify(model) => provisioner::verify(cluster, &model).await,
        Order::Pause(job) => provisioner::cancel(cluster, &job, false).await,
        Order::Discard(job) => provisioner::cancel(cluster, &job, true).await,
        Order::Dismiss(_) => Ok(()),
    }
}

/// The way to give orders, from the context.
#[must_use]
pub fn use_jobs() -> Jobs {
    use_context()
}

/// Makes the way to give orders and keeps the downloads' store as the provisioner tells, for whichever cluster is connected.
pub fn provide_jobs(stores: Stores) -> Jobs {
    let look = use_signal(|| Arc::new(Notify::new()));
    let refusal = use_signal(|| None);
    let jobs = use_context_provider(|| Jobs {
        stores,
        look,
        refusal,
    });
    let mut following = use_signal(|| None::<Task>);
    use_effect(move || {
        let connected = (stores.client)();
        if let Some(task) = following.write().take() {
            task.cancel();
        }
        if let Some(cluster) = connected {
            following.set(Some(spawn(keep(cluster, stores, look.peek().clone()))));
        }
    });
    jobs
}

/// Takes in what is told, as much at once as there is, so that the window is drawn anew once for all of it.
async fn keep(cluster: Cluster, mut stores: Stores, look: Arc<Notify>) {
    let (sender, mut events) = mpsc::channel(WAITING);
    let following = tokio::spawn(provisioner::follow_jobs(cluster, sender, look));
    let mut told = Vec::new();
    while events.recv_many(&mut told, WAITING).await > 0 {
        let mut ended = Vec::new();
        {
            let mut downloads = stores.downloads.write();
            for event in told.drain(..) {
                ended.extend(downloads.ends(&event).cloned());
                downloads.apply(event);
            }
        }
        ended.iter().for_each(|job| tell_end(stores, job));
    }
    following.abort();
}

/// Says in the corner that a job has ended: whoever asked for it may be at something else by now.
fn tell_end(stores: Stores, job: &Job) {
    let Some((good, title)) = job.ending() else {
        return;
    };
    let (tone, text) = match &job.state {
        JobState::Failed { message, .. } => (ToastTone::Bad, message.as_str()),
        _ => (ToastTone::Good, ""),
    };
    let show = (!good || job.brought.is_some()).then(|| {
        let page = if job.kind == JobKind::InstallWorker {
            Page::Marketplace
        } else {
            Page::Models
        };
        (page.label().to_owned(), ToastAction::Open(page))
    });
    stores.toast(tone, &title, text, show);
}
