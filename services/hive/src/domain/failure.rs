//! Why a worker is not serving.

use super::Exit;

/// Why a worker is not serving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason that clients match, one of [`rbee_service_kit::reason`].
    pub reason: &'static str,
    /// What happened, for a person.
    pub message: String,
    /// How the process ended, if one ran.
    pub exit: Option<Exit>,
    /// The last lines of its log, oldest first.
    pub log_tail: Vec<String>,
}

impl Failure {
    /// A failure of which nothing more is known yet.
    #[must_use]
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            exit: None,
            log_tail: Vec::new(),
        }
    }
}
