//! What all hives and workers come to.

use super::super::human::number;
use super::super::workers::state_counts;
use super::model::Model;
use super::workers::Row;

/// `2 hives · 3 workers: 1 busy, 1 ready, 1 unreachable`.
pub(super) fn who(model: &Model, rows: &[Row<'_>]) -> String {
    let heard: Vec<i32> = rows.iter().filter(|row| !row.lost).map(Row::state).collect();
    let mut states = state_counts(&heard);
    let lost = rows.len() - heard.len();
    states.extend((lost > 0).then(|| format!("{lost} unreachable")));
    let hives = number(model.hives.len() as u64, "hive");
    let workers = number(rows.len() as u64, "worker");
    if states.is_empty() {
        format!("{hives} · {workers}")
    } else {
        format!("{hives} · {workers}: {}", states.join(", "))
    }
}

/// `2 requests running, 1 waiting · 41.2 tok/s`; only what was measured, so perhaps nothing.
pub(super) fn what(rows: &[Row<'_>]) -> String {
    let measured = || rows.iter().filter_map(|row| row.measured);
    let mut parts = Vec::new();
    let running: Vec<u32> = measured().filter_map(|worker| worker.running_requests).collect();
    if !running.is_empty() {
        let running: u64 = running.into_iter().map(u64::from).sum();
        let waiting = measured().filter_map(|worker| worker.waiting_requests);
        let waiting: u64 = waiting.map(u64::from).sum();
        parts.push(format!(
            "{} running, {waiting} waiting",
            number(running, "request")
        ));
    }
    let sum = |rates: Vec<f64>| (!rates.is_empty()).then(|| rates.into_iter().sum::<f64>());
    let tokens = sum(measured().filter_map(|worker| worker.tokens_per_second).collect());
    let steps = sum(measured().filter_map(|worker| worker.steps_per_second).collect());
    parts.extend(tokens.map(|tokens| format!("{tokens:.1} tok/s")));
    parts.extend(steps.map(|steps| format!("{steps:.2} step/s")));
    parts.join(" · ")
}

/// Both, as far as there is something to say.
pub(super) fn words(model: &Model, rows: &[Row<'_>]) -> String {
    let what = what(rows);
    let both = [who(model, rows), what];
    let said: Vec<String> = both.into_iter().filter(|words| !words.is_empty()).collect();
    said.join(" · ")
}
