//! What the window knows, as signals: one for each area, so that a part that changes draws anew what shows it and no more.

use std::time::Duration;

use dioxus::prelude::*;

use crate::client::album::Album;
use crate::client::archive::Archive;
use crate::client::cluster::Cluster;
use crate::client::failure::Failure;
use crate::model::cluster::ClusterView;
use crate::model::connection::ConnectionState;
use crate::model::downloads::DownloadsView;
use crate::model::marketplace::Market;
use crate::model::models::ModelsView;
use crate::model::narration::NarrationView;
use crate::model::overlay::Overlay;
use crate::model::settings::Settings;
use crate::model::telemetry::TelemetryView;
use crate::model::toasts::{ToastAction, ToastList, ToastTone};
use crate::model::workspace::Workspace;
use crate::panes::image::ImageStore;
use crate::panes::text::ChatStore;

/// All stores. Copied freely; copies are the same stores.
#[derive(Clone, Copy, PartialEq)]
pub struct Stores {
    /// The connected cluster, for calls; `None` until there is one. While a connection is lost the last one stays: its
    /// calls fail with an action to reconnect.
    pub client: Signal<Option<Cluster>>,
    /// Whether the cluster answers.
    pub connection: Signal<ConnectionState>,
    /// Hives and workers.
    pub cluster: Signal<ClusterView>,
    /// Models.
    pub models: Signal<ModelsView>,
    /// What happened.
    pub narration: Signal<NarrationView>,
    /// What devices and workers do.
    pub telemetry: Signal<TelemetryView>,
    /// Sessions of image workers.
    pub image: ImageStore,
    /// Tabs, panes and page.
    pub workspace: Signal<Workspace>,
    /// What stands in front of everything.
    pub overlay: Signal<Option<Overlay>>,
    /// What just happened.
    pub toasts: Signal<ToastList>,
    /// What the person chose.
    pub settings: Signal<Settings>,
    /// Conversations with text workers.
    pub chat: ChatStore,
    /// What is being brought in.
    pub downloads: Signal<DownloadsView<Failure>>,
    /// What the hubs have.
    pub market: Signal<Market<Failure>>,
}

impl Stores {
    /// Empty stores that live as long as the component that calls this in a hook.
    #[must_use]
    pub fn empty() -> Self {
        Self::keeping(None, None)
    }

    /// The same, with an album in which pictures are kept and an archive for conversations.
    #[must_use]
    pub fn keeping(album: Option<Album>, archive: Option<Archive>) -> Self {
        Self {
            client: Signal::new(None),
            connection: Signal::new(ConnectionState::default()),
            cluster: Signal::new(ClusterView::default()),
            models: Signal::new(ModelsView::default()),
            narration: Signal::new(NarrationView::default()),
            telemetry: Signal::new(TelemetryView::default()),
            image: ImageStore::new(album),
            chat: ChatStore::new(archive),
            workspace: Signal::new(Workspace::default()),
            overlay: Signal::new(None),
            toasts: Signal::new(ToastList::default()),
            settings: Signal::new(Settings::default()),
            downloads: Signal::new(DownloadsView::default()),
            market: Signal::new(Market::default()),
        }
    }
}

impl Stores {
    /// Shows a message in the corner: for a while, or until it is waved away where something failed.
    pub fn toast(self, tone: ToastTone, title: &str, text: &str, action: Option<(String, ToastAction)>) {
        let mut toasts = self.toasts;
        // With something to press it stays a little longer.
        let shown = if action.is_some() {
            SHOWN_WITH_ACTION
        } else {
            SHOWN
        };
        let id = toasts.write().push(tone, title, text, action);
        if tone != ToastTone::Bad {
            dioxus::core::spawn_forever(async move {
                tokio::time::sleep(shown).await;
                toasts.write().dismiss(id);
            });
        }
    }
}

/// How long a message is shown.
const SHOWN: Duration = Duration::from_secs(6);
/// The same where there is something to press.
const SHOWN_WITH_ACTION: Duration = Duration::from_secs(10);

/// The stores of this window.
///
/// # Panics
/// Outside of a component below one that calls [`provide_stores`].
#[must_use]
pub fn use_stores() -> Stores {
    use_context()
}

/// Makes the stores and gives them to all components below; pictures are kept in the album and conversations in the archive,
/// where there are such.
pub fn provide_stores(album: Option<Album>, archive: Option<Archive>) -> Stores {
    use_context_provider(|| Stores::keeping(album, archive))
}
