//! The dialog that starts a worker: kind, model, device, then the six steps as they happen.
//!
//! [`WizardView`] is the drawn part; [`SpawnWizard`] asks the hives and starts the worker.

mod devices;
mod dialog;
mod kinds;
mod models;
mod progress;
mod view;

pub use dialog::SpawnWizard;
pub use view::{Ask, WizardView};

/// The dialog's styles.
pub const STYLE: &str = include_str!("wizard/style.css");
