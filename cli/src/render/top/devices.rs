//! The devices of `rbee top`: a line each, and one for each hive that can't be heard.

use unicode_width::UnicodeWidthStr;

use super::super::hives::device_id;
use super::super::human::size;
use super::super::memory_bar::Memory;
use super::super::paint::Tone;
use super::super::plain_text::one_line;
use super::cell::{Cell, Line, cut};
use super::grid::{Column, Grid};
use super::model::{HiveNow, Link, Model};

/// The heading, and the lines.
pub(super) fn lines(model: &Model, width: usize) -> (Line, Vec<Line>) {
    let mut hives: Vec<&HiveNow> = model.hives.values().collect();
    hives.sort_by(|one, other| one.hive.name.cmp(&other.hive.name));
    let grid = grid(&hives);
    let mut rows = grid.lines(width).into_iter();
    let mut lines = Vec::new();
    for now in hives {
        lines.extend(rows.by_ref().take(now.devices.len()));
        if let Some(words) = silence(now) {
            lines.push(words_line(&now.hive.name, words, width));
        }
    }
    (grid.heading(width), lines)
}

/// What stands where a hive has told nothing; absent if it has.
fn silence(now: &HiveNow) -> Option<(String, Tone)> {
    match &now.link {
        Link::Connecting => Some(("asking it …".to_owned(), Tone::Faint)),
        Link::Lost { why } => Some((format!("can't be reached: {why}"), Tone::Bad)),
        Link::Live if now.devices.is_empty() => Some(("has no devices".to_owned(), Tone::Faint)),
        Link::Live => None,
    }
}

fn words_line(hive: &str, (words, tone): (String, Tone), width: usize) -> Line {
    let hive = cut(&format!("{}  ", one_line(hive)), width);
    let left = width - hive.width();
    vec![(hive, Tone::Plain), (cut(&one_line(&words), left), tone)]
}

fn grid(hives: &[&HiveNow]) -> Grid {
    let all = || hives.iter().flat_map(|now| &now.devices);
    let busy = all().any(|device| device.utilization_percent.is_some());
    let warm = all().any(|device| device.temperature_celsius.is_some());
    let reserved = all().any(|device| Memory::of(device).is_some_and(|memory| memory.reserved > 0));
    let mut columns = vec![
        Column::words("HIVE", 0, 20),
        Column::words("DEVICE", 0, 20),
        Column::picture("MEMORY", 1, 6, 40),
        Column::sizes("USED", 2),
    ];
    columns.extend(reserved.then(|| Column::sizes("RESERVED", 5)));
    columns.extend([Column::sizes("AVAILABLE", 0), Column::sizes("OF", 4)]);
    columns.extend(busy.then(|| Column::numbers("BUSY", 3)));
    columns.extend(warm.then(|| Column::numbers("TEMP", 6)));
    columns.push(Column::words("NAME", 7, 32));
    let rows = hives
        .iter()
        .flat_map(|now| now.devices.iter().map(move |device| (now, device)));
    let rows = rows.map(|(now, device)| {
        let memory = Memory::of(device);
        let part = |part: fn(Memory) -> u64| Cell::known(memory.map(|memory| size(part(memory))));
        let mut row = vec![
            hive_cell(now),
            Cell::plain(device_id(device)),
            Cell::Bar(memory),
            part(|memory| memory.used),
        ];
        row.extend(reserved.then(|| part(|memory| memory.reserved)));
        row.extend([part(|memory| memory.available), part(|memory| memory.total)]);
        row.extend(busy.then(|| Cell::known(device.utilization_percent.map(|busy| format!("{busy}%")))));
        row.extend(warm.then(|| Cell::known(device.temperature_celsius.map(|warm| format!("{warm} °C")))));
        row.push(Cell::plain(&device.name));
        row
    });
    Grid {
        rows: rows.collect(),
        columns,
    }
}

fn hive_cell(now: &HiveNow) -> Cell {
    if now.hive.draining {
        Cell::toned(format!("{} (draining)", now.hive.name), Tone::Busy)
    } else {
        Cell::plain(&now.hive.name)
    }
}
