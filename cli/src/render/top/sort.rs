//! In which order workers are shown.

use std::cmp::Ordering;

use clap::ValueEnum;

use super::model::rate_of;
use super::workers::Row;

/// A column that rows can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Column {
    /// By hive and device.
    #[default]
    Device,
    /// By the worker's id.
    Worker,
    /// By the model's id.
    Model,
    /// By state: those that serve come first.
    State,
    /// By processor time.
    Cpu,
    /// By host memory.
    Memory,
    /// By requests that run and wait.
    Requests,
    /// By tokens or steps per second.
    Rate,
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sort {
    /// By what.
    pub(crate) column: Column,
    /// Whether the smallest comes first.
    pub(crate) ascending: bool,
}

impl Sort {
    /// By a column: words from A to Z, numbers from the largest.
    pub(crate) fn by(column: Column) -> Self {
        let words = [Column::Device, Column::Worker, Column::Model, Column::State];
        Self {
            column,
            ascending: words.contains(&column),
        }
    }

    /// By the next column to the right, or to the left.
    pub(crate) fn moved(self, right: bool) -> Self {
        // As the columns stand on the screen.
        const ORDER: [Column; 8] = [
            Column::Worker,
            Column::State,
            Column::Rate,
            Column::Requests,
            Column::Cpu,
            Column::Memory,
            Column::Device,
            Column::Model,
        ];
        let at = ORDER
            .iter()
            .position(|column| *column == self.column)
            .unwrap_or_default();
        let step = if right { 1 } else { ORDER.len() - 1 };
        Self::by(ORDER[(at + step) % ORDER.len()])
    }

    /// The other way round.
    pub(crate) fn reversed(self) -> Self {
        Self {
            ascending: !self.ascending,
            ..self
        }
    }

    /// Puts the rows in order. Among equals it is always the same, so that rows do not jump.
    pub(super) fn sort(self, rows: &mut [Row<'_>]) {
        rows.sort_by(|one, other| {
            let order = self.compare(one, other);
            let order = if self.ascending { order } else { order.reverse() };
            order.then_with(|| place(one).cmp(&place(other)))
        });
    }

    fn compare(self, one: &Row<'_>, other: &Row<'_>) -> Ordering {
        let by_number = |number: fn(&Row<'_>) -> Option<f64>| {
            // What is not measured is less than any number.
            let of = |row| number(row).unwrap_or(f64::NEG_INFINITY);
            of(one).total_cmp(&of(other))
        };
        match self.column {
            Column::Device => place(one).cmp(&place(other)),
            Column::Worker => one.worker.id.cmp(&other.worker.id),
            Column::Model => one.worker.model_id.cmp(&other.worker.model_id),
            Column::State => one.state_rank().cmp(&other.state_rank()),
            Column::Cpu => by_number(|row| row.measured?.cpu_percent),
            Column::Memory => by_number(|row| row.measured?.resident_bytes.map(|bytes| bytes as f64)),
            Column::Requests => by_number(|row| {
                let measured = row.measured?;
                Some(f64::from(measured.running_requests?) + f64::from(measured.waiting_requests?))
            }),
            Column::Rate => by_number(|row| row.measured.and_then(rate_of)),
        }
    }
}

fn place<'a>(row: &'a Row<'_>) -> (&'a str, &'a str, &'a str) {
    (row.hive, &row.worker.device_id, &row.worker.id)
}
