//! The workers of `rbee top`, a row each.

use std::borrow::Cow;
use std::collections::VecDeque;

use prost_types::Timestamp;
use rbee_proto::hive::v1::WorkerTelemetry;
use rbee_proto::types::v1::{Worker, WorkerState};

use super::super::human::{size, until};
use super::super::paint::Tone;
use super::super::words;
use super::super::workers::state_word;
use super::cell::Cell;
use super::grid::{self, Grid};
use super::model::{Link, Model};
use super::sort::{Column, Sort};

/// The heading of the sparklines.
pub(super) const HISTORY: &str = "HISTORY";

/// What is known of a worker.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// As the catalog has it.
    pub(super) worker: Cow<'a, Worker>,
    /// Name of its hive.
    pub(super) hive: &'a str,
    /// What its hive measured last; absent if that can't be heard, or no process runs.
    pub(super) measured: Option<&'a WorkerTelemetry>,
    /// Whether its hive can't be heard.
    pub(super) lost: bool,
    history: Option<&'a VecDeque<Option<f64>>>,
}

impl Row<'_> {
    /// Its state: as its hive has just seen it, else as the catalog has it.
    pub(super) fn state(&self) -> i32 {
        self.measured.map_or(self.worker.state, |measured| measured.state)
    }

    /// Who serves comes first, who is lost last.
    pub(super) fn state_rank(&self) -> (bool, u8) {
        let rank = match WorkerState::try_from(self.state()) {
            Ok(WorkerState::Busy) => 0,
            Ok(WorkerState::Ready) => 1,
            Ok(WorkerState::Failed) => 3,
            Ok(WorkerState::CrashLooping) => 4,
            _ => 2,
        };
        (self.lost, rank)
    }

    /// A few words; `rbee worker ls` has more.
    fn state_words(&self, now: &Timestamp) -> (String, Tone) {
        if self.lost {
            return ("unreachable".to_owned(), Tone::Bad);
        }
        let state = self.state();
        let mut words = state_word(state);
        // What else the catalog has belongs to the state that it knows.
        if state == self.worker.state {
            if let (true, Some(fraction)) = (state == WorkerState::Loading as i32, self.worker.load_fraction)
            {
                words += &format!(" {:.0}%", fraction * 100.0);
            }
            if let Some(at) = &self.worker.next_attempt_at {
                words += &format!(", again {}", until(at, now));
            }
        }
        (words, words::worker_tone(state))
    }

    /// What it makes per second.
    fn rate(&self) -> Option<(f64, String)> {
        let measured = self.measured?;
        let tokens = measured
            .tokens_per_second
            .map(|rate| (rate, format!("{rate:.1} tok/s")));
        let steps = measured
            .steps_per_second
            .map(|rate| (rate, format!("{rate:.2} step/s")));
        tokens.or(steps)
    }
}

/// The rows, sorted.
pub(super) fn rows(model: &Model, sort: Sort) -> Vec<Row<'_>> {
    let known = model.workers.values().map(|worker| {
        let hive = model.hives.get(&worker.hive_id);
        let measured = hive.and_then(|now| now.measured.get(&worker.id));
        let hive_is_lost = hive.is_some_and(|now| matches!(now.link, Link::Lost { .. }));
        Row {
            worker: Cow::Borrowed(worker),
            hive: model.hive_name(&worker.hive_id),
            measured,
            // Where the hive itself tells us, it does not matter what the catalog can't hear.
            lost: measured.is_none() && (hive_is_lost || worker.unreachable),
            history: model.history.get(&worker.id),
        }
    });
    // One that its hive has told of and the catalog not yet.
    let new = model.hives.iter().flat_map(|(hive_id, now)| {
        let unknown = now
            .measured
            .values()
            .filter(|worker| !model.workers.contains_key(&worker.worker_id));
        unknown.map(|worker| Row {
            worker: Cow::Owned(Worker {
                id: worker.worker_id.clone(),
                hive_id: hive_id.clone(),
                state: worker.state,
                ..Worker::default()
            }),
            hive: &now.hive.name,
            measured: Some(worker),
            lost: false,
            history: model.history.get(&worker.worker_id),
        })
    });
    let mut rows: Vec<Row<'_>> = known.chain(new).collect();
    sort.sort(&mut rows);
    rows
}

/// The table.
pub(super) fn grid(rows: &[Row<'_>], sort: Sort, now: &Timestamp) -> Grid {
    let on_gpu = rows.iter().any(|row| {
        row.measured
            .is_some_and(|worker| worker.device_memory_bytes.is_some())
    });
    let mut columns = vec![
        (Some(Column::Worker), grid::Column::words("WORKER", 0, 30)),
        (Some(Column::State), grid::Column::words("STATE", 0, 24)),
        (Some(Column::Rate), grid::Column::numbers("RATE", 0)),
        (None, grid::Column::picture(HISTORY, 7, 8, 30)),
        (Some(Column::Requests), grid::Column::numbers("RUN", 1)),
        (None, grid::Column::numbers("WAIT", 2)),
        (Some(Column::Cpu), grid::Column::numbers("CPU", 4)),
        (Some(Column::Memory), grid::Column::sizes("MEMORY", 3)),
    ];
    columns.extend(on_gpu.then(|| (None, grid::Column::sizes("ON GPU", 3))));
    columns.extend([
        (Some(Column::Device), grid::Column::words("DEVICE", 5, 24)),
        (Some(Column::Model), grid::Column::words("MODEL", 6, 36)),
        (None, grid::Column::numbers("PROMPTS", 8)),
    ]);
    let columns = columns.into_iter().map(|(by, mut column)| {
        column.sorted = (by == Some(sort.column)).then_some(sort.ascending);
        column
    });
    Grid {
        columns: columns.collect(),
        rows: rows.iter().map(|row| cells(row, on_gpu, now)).collect(),
    }
}

/// A rate. Where nothing is made now, it steps back.
fn rate_cell(rate: Option<(f64, String)>) -> Cell {
    match rate {
        Some((rate, words)) if rate <= 0.0 => Cell::toned(words, Tone::Faint),
        rate => Cell::known(rate.map(|(_, words)| words)),
    }
}

fn cells(row: &Row<'_>, on_gpu: bool, now: &Timestamp) -> Vec<Cell> {
    let measured = row.measured;
    let (state, tone) = row.state_words(now);
    let running = measured.and_then(|worker| {
        let running = worker.running_requests?;
        Some(match worker.slot_count {
            Some(slots) => format!("{running}/{slots}"),
            None => running.to_string(),
        })
    });
    let waiting = measured.and_then(|worker| worker.waiting_requests);
    let mut cells = vec![
        Cell::plain(&row.worker.id),
        Cell::toned(state, tone),
        rate_cell(row.rate()),
        Cell::Spark(row.history.into_iter().flatten().copied().collect()),
        Cell::known(running),
        match waiting {
            Some(waiting @ 1..) => Cell::toned(waiting.to_string(), Tone::Busy),
            waiting => Cell::known(waiting.map(|waiting| waiting.to_string())),
        },
        Cell::known(measured.and_then(|worker| Some(format!("{:.0}%", worker.cpu_percent?)))),
        Cell::known(measured.and_then(|worker| worker.resident_bytes.map(size))),
    ];
    cells.extend(
        on_gpu.then(|| Cell::known(measured.and_then(|worker| worker.device_memory_bytes.map(size)))),
    );
    let device = match row.worker.device_id.as_str() {
        "" => row.hive.to_owned(),
        device => format!("{} {device}", row.hive),
    };
    cells.extend([
        Cell::plain(device),
        Cell::known((!row.worker.model_id.is_empty()).then(|| row.worker.model_id.clone())),
        rate_cell(
            measured
                .and_then(|worker| worker.prompt_tokens_per_second)
                .map(|rate| (rate, format!("{rate:.0} tok/s"))),
        ),
    ]);
    cells
}
