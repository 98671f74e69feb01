//! What a worker says of itself on its standard output.
//!
//! A line `rbee-worker: {json}` is a report; every other line is log. Reports are the only way by
//! which a worker's load progress and its reasons for failing come to its hive before it serves.

use serde::Deserialize;

use rbee_service_kit::reason;

use super::Failure;

/// What a report begins with.
pub const PREFIX: &str = "rbee-worker: ";

/// Most characters that are kept of a worker's message.
const MESSAGE_CHARACTERS: usize = 1000;

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// This share of the model is loaded, 0 to 1.
    Loading(f32),
    /// It serves.
    Ready,
    /// It can't go on.
    Failed(Failure),
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Loading {
        fraction: f32,
    },
    Ready,
    Failed {
        reason: String,
        message: String,
    },
    // A newer worker may say things that this hive doesn't know.
    #[serde(other)]
    Unknown,
}

/// Reads a line. `None` if it is no report, or one that this hive doesn't understand: it is log then.
#[must_use]
pub fn parse(line: &str) -> Option<Report> {
    match serde_json::from_str(line.strip_prefix(PREFIX)?).ok()? {
        Line::Loading { fraction } => Some(Report::Loading(fraction)),
        Line::Ready => Some(Report::Ready),
        Line::Failed { reason, message } => Some(Report::Failed(failure(&reason, &message))),
        Line::Unknown => None,
    }
}

/// Reasons are what clients match: only ones from the closed list are passed on.
fn failure(said: &str, message: &str) -> Failure {
    let message: String = message.chars().take(MESSAGE_CHARACTERS).collect();
    match reason::known(said) {
        Some(reason) => Failure::new(reason, message),
        None => Failure::new(
            reason::WORKER_START_FAILED,
            format!("{message} (the worker calls it {said:.64})"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_told_from_log() {
        assert_eq!(
            parse(r#"rbee-worker: {"event":"loading","fraction":0.4}"#),
            Some(Report::Loading(0.4))
        );
        assert_eq!(parse(r#"rbee-worker: {"event":"ready"}"#), Some(Report::Ready));
        for log in [
            "loading the model",
            "rbee-worker: not json",
            r#"rbee-worker: {"event":"loading"}"#,
            r#"rbee-worker: {"event":"dancing","steps":3}"#,
            r#" rbee-worker: {"event":"ready"}"#,
        ] {
            assert_eq!(parse(log), None, "{log}");
        }
    }

    #[test]
    fn a_known_reason_is_passed_on_as_it_is() {
        let line = r#"rbee-worker: {"event":"failed","reason":"MODEL_CORRUPT","message":"no magic"}"#;
        assert_eq!(
            parse(line),
            Some(Report::Failed(Failure::new(reason::MODEL_CORRUPT, "no magic")))
        );
    }

    #[test]
    fn an_unknown_reason_is_told_but_not_passed_on() {
        let line = r#"rbee-worker: {"event":"failed","reason":"BAD_MOOD","message":"no"}"#;
        let Some(Report::Failed(failure)) = parse(line) else {
            panic!()
        };
        assert_eq!(failure.reason, reason::WORKER_START_FAILED);
        assert!(failure.message.contains("BAD_MOOD"));
    }

    #[test]
    fn a_message_is_bounded() {
        let message = "x".repeat(5000);
        let line =
            format!(r#"rbee-worker: {{"event":"failed","reason":"MODEL_CORRUPT","message":"{message}"}}"#);
        let Some(Report::Failed(failure)) = parse(&line) else {
            panic!()
        };
        assert_eq!(failure.message.len(), MESSAGE_CHARACTERS);
    }
}
