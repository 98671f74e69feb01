//! The text pane: conversations with a worker.

mod composer;
mod deeds;
mod event;
mod files;
mod list;
mod message;
mod pane;
mod settings;
mod speak;
mod store;
mod transcript;
mod view;

pub use event::{ExportFormat, PaneEvent};
pub use list::Row;
pub use pane::TextPane;
pub use store::ChatStore;
pub use view::{PaneState, Readiness, TextView};

/// The pane's styles.
pub const STYLE: &str = include_str!("text/style.css");
