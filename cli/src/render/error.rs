//! How a failure is told.

use serde::Serialize;
use std::collections::BTreeMap;

use super::human;
use super::paint::{Paint, Tone};
use super::plain_text::one_line;
use crate::failure::Failure;

/// The failure for a person, one fact a line.
pub(crate) fn text(failure: &Failure, paint: Paint) -> String {
    let mut text = format!(
        "{} {}\n",
        paint.tone(Tone::Bad, "error:"),
        one_line(&failure.message)
    );
    let mut fact = |label: &str, value: &str| {
        text.push_str(&format!(
            "  {} {}\n",
            paint.faint(&format!("{label}:")),
            one_line(value)
        ));
    };
    for why in &failure.why {
        fact("why", why);
    }
    for hint in &failure.hints {
        fact("do", hint);
    }
    if let Some(delay) = failure.retry_after {
        fact("again in", &human::duration(delay));
    }
    if let Some(reason) = &failure.reason {
        fact("reason", &format!("{reason} (docs/errors/{reason}.md)"));
    }
    text
}

/// The failure for a script, one line of JSON.
pub(crate) fn json(failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        error: Body<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        exit_code: u8,
        message: &'a str,
        why: &'a [String],
        hints: &'a [String],
        reason: Option<&'a str>,
        metadata: &'a BTreeMap<String, String>,
        retry_after_ms: Option<u128>,
    }
    let document = Document {
        error: Body {
            exit_code: failure.exit.code(),
            message: &failure.message,
            why: &failure.why,
            hints: &failure.hints,
            reason: failure.reason.as_deref(),
            metadata: &failure.metadata,
            retry_after_ms: failure.retry_after.map(|delay| delay.as_millis()),
        },
    };
    serde_json::to_string(&document).expect("strings and numbers can be written as JSON")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::exit::Exit;

    fn failure() -> Failure {
        let mut failure = Failure::new(Exit::TryLater, "can't chat with local:qwen")
            .because("8 requests wait already")
            .reason("QUEUE_FULL");
        failure.retry_after = Some(Duration::from_millis(1500));
        failure
    }

    #[test]
    fn a_person_reads_what_why_and_what_to_do() {
        assert_eq!(
            text(&failure(), Paint::OFF),
            "error: can't chat with local:qwen\n\
             \x20 why: 8 requests wait already\n\
             \x20 do: try again in a moment, or spawn another worker of the model\n\
             \x20 again in: 1.5 s\n\
             \x20 reason: QUEUE_FULL (docs/errors/QUEUE_FULL.md)\n"
        );
    }

    #[test]
    fn a_script_reads_one_line() {
        let line = json(&failure());
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["error"]["exit_code"], 6);
        assert_eq!(value["error"]["reason"], "QUEUE_FULL");
        assert_eq!(value["error"]["retry_after_ms"], 1500);
    }

    #[test]
    fn a_server_cannot_draw_on_the_terminal() {
        let failure = Failure::new(Exit::Failed, "no\x1b[2J").because("a\nerror: b");
        assert_eq!(text(&failure, Paint::OFF), "error: no\n  why: a error: b\n");
    }
}
