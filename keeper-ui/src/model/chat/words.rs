//! Figures of an answer in words.

use std::time::Duration;

use super::{Answer, Ending, Figures, Phase};

/// What is worth saying of an answer's figures, as they were measured; nothing about those that were not.
#[must_use]
pub fn figure_words(figures: &Figures) -> Vec<String> {
    let speed = figures
        .decode_tokens_per_second
        .map(|rate| format!("{} tok/s", rate_words(rate)));
    let first = figures
        .time_to_first_token
        .map(|time| format!("first token after {}", duration_words(time)));
    let tokens = figures.completion_tokens.map(|count| match count {
        1 => "1 token".to_owned(),
        count => format!("{count} tokens"),
    });
    [speed, first, tokens].into_iter().flatten().collect()
}

/// What an answer is at, where that is to be said; nothing while text comes, and after a whole answer.
#[must_use]
pub fn phase_words(answer: &Answer) -> Option<String> {
    Some(match (answer.phase(), &answer.ending) {
        (Phase::Queued, _) => "Waiting for the worker…".to_owned(),
        (Phase::Reading, _) => match answer.figures.prompt_tokens {
            Some(1) | None => "Reading…".to_owned(),
            Some(tokens) => format!("Reading {tokens} tokens…"),
        },
        (Phase::Thinking, _) => "Thinking…".to_owned(),
        (_, Some(Ending::Stopped)) => "You stopped this answer.".to_owned(),
        (_, Some(Ending::Length)) => "The answer reached its longest allowed length.".to_owned(),
        (_, Some(Ending::ToolCalls)) => "The model waits for what its tools give back.".to_owned(),
        _ => return None,
    })
}

/// Three digits at most after the first: `0.41`, `34.2`, `120`.
fn rate_words(rate: f64) -> String {
    match rate {
        rate if rate >= 100.0 => format!("{rate:.0}"),
        rate if rate >= 10.0 => format!("{rate:.1}"),
        rate => format!("{rate:.2}"),
    }
}

/// `410 ms`, `1.2 s`, `2 min 5 s`.
fn duration_words(time: Duration) -> String {
    let milliseconds = time.as_millis();
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_measured_is_said() {
        assert!(figure_words(&Figures::default()).is_empty());
        let figures = Figures {
            completion_tokens: Some(182),
            decode_tokens_per_second: Some(34.21),
            time_to_first_token: Some(Duration::from_millis(410)),
            ..Figures::default()
        };
        assert_eq!(
            figure_words(&figures),
            ["34.2 tok/s", "first token after 410 ms", "182 tokens"]
        );
    }

    #[test]
    fn lengths_of_time_are_short() {
        let words = [0, 999, 1000, 61_000].map(|time| duration_words(Duration::from_millis(time)));
        assert_eq!(words, ["0 ms", "999 ms", "1.0 s", "1 min 1 s"]);
    }
}
