//! A frame: what is known, in the room that there is.

use prost_types::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as ScreenLine, Span};
use unicode_width::UnicodeWidthStr;

use super::super::human::clock;
use super::super::paint::Tone;
use super::super::plain_text::one_line;
use super::cell::{Line, cut};
use super::model::{Link, Model};
use super::sort::Sort;
use super::{devices, total, workers};

const KEYS: [(&str, &str); 5] = [
    ("q", "leave"),
    ("p", "pause"),
    ("←→", "sort by"),
    ("r", "reverse"),
    ("↑↓", "scroll"),
];

/// Lines that are always there: the title, two of totals, two headings, a blank one, and the keys.
const FIXED_LINES: usize = 7;

/// What is shown, and how.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// What is known.
    pub(crate) model: &'a Model,
    /// The server that was asked.
    pub(crate) server: &'a str,
    /// The time now.
    pub(crate) now: Timestamp,
    /// Whether the picture stands still.
    pub(crate) paused: bool,
    /// The order of the workers.
    pub(crate) sort: Sort,
    /// Workers that are scrolled out at the top; more than there are is like as many as there can be.
    pub(crate) scrolled: usize,
}

/// Draws a frame, and gives how many workers are really scrolled out.
pub(crate) fn draw(view: &View<'_>, area: Rect, buffer: &mut Buffer) -> usize {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let (device_heading, device_lines) = devices::lines(view.model, width);
    let rows = workers::rows(view.model, view.sort);
    let grid = workers::grid(&rows, view.sort, &view.now);
    let worker_lines = grid.lines(width);

    let room = height.saturating_sub(FIXED_LINES);
    let for_devices = share(room, device_lines.len(), worker_lines.len());
    let for_workers = room - for_devices;
    let scrolled = view.scrolled.min(worker_lines.len().saturating_sub(for_workers));

    let [first, second] = totals(view, &rows, width);
    let mut lines = vec![title(view, width), first, second, device_heading];
    lines.extend(fitted(device_lines, 0, for_devices, "device"));
    lines.push(Line::new());
    lines.push(grid.heading(width));
    if worker_lines.is_empty() && for_workers > 0 {
        lines.push(vec![(
            "none: `rbee worker spawn` starts one".to_owned(),
            Tone::Faint,
        )]);
    }
    lines.extend(fitted(worker_lines, scrolled, for_workers, "worker"));
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), Line::new());
    if height > 0 {
        lines.push(keys(width));
    }
    for (line, y) in lines.into_iter().zip(area.y..) {
        buffer.set_line(area.x, y, &on_screen(line), area.width);
    }
    scrolled
}

/// How many of the lines the devices get, where both can't have all.
fn share(room: usize, devices: usize, workers: usize) -> usize {
    if devices + workers <= room {
        return devices;
    }
    // Half for each, and what one does not need for the other.
    devices.min((room / 2).max(room.saturating_sub(workers)))
}

/// The lines that fit; the last says how many do not.
fn fitted(lines: Vec<Line>, scrolled: usize, room: usize, thing: &str) -> Vec<Line> {
    let all = lines.len();
    let below = all - scrolled;
    let mut shown: Vec<Line> = lines.into_iter().skip(scrolled).take(room).collect();
    if below > room && room > 0 {
        shown.pop();
        let more = below + 1 - room;
        let plural = if more == 1 { "" } else { "s" };
        shown.push(vec![(format!("… {more} more {thing}{plural}"), Tone::Faint)]);
    }
    shown
}

/// `rbee top  http://127.0.0.1:7220                    paused  14:03:22`.
fn title(view: &View<'_>, width: usize) -> Line {
    let clock = clock(&view.now).unwrap_or_default();
    let name = "rbee top";
    let paused = if view.paused { "paused  " } else { "" };
    let right = paused.width() + clock.width();
    if width < name.width() + right + 2 {
        return vec![(cut(name, width), Tone::Strong)];
    }
    let server = cut(&format!("  {}", view.server), width - name.width() - right - 1);
    let space = width - name.width() - server.width() - right;
    vec![
        (name.to_owned(), Tone::Strong),
        (server, Tone::Faint),
        (" ".repeat(space), Tone::Plain),
        (paused.to_owned(), Tone::Busy),
        (clock, Tone::Faint),
    ]
}

/// What it comes to; or that the catalog can't be heard, since what it said may no longer hold. The second line is
/// blank where one is enough.
fn totals(view: &View<'_>, rows: &[workers::Row<'_>], width: usize) -> [Line; 2] {
    let line = |words: &str, tone| vec![(cut(words, width), tone)];
    match &view.model.cluster {
        Link::Connecting => [line("asking the catalog …", Tone::Faint), Line::new()],
        Link::Live => {
            let all = total::words(view.model, rows);
            if all.width() <= width {
                return [line(&all, Tone::Plain), Line::new()];
            }
            [total::who(view.model, rows), total::what(rows)].map(|words| line(&words, Tone::Plain))
        }
        Link::Lost { why } => {
            let words = format!("the catalog can't be reached, trying again: {}", one_line(why));
            [line(&words, Tone::Bad), line(&total::what(rows), Tone::Plain)]
        }
    }
}

fn keys(width: usize) -> Line {
    let mut line = Line::new();
    let mut taken = 0;
    for (key, what) in KEYS {
        taken += key.width() + what.width() + 3;
        if taken > width + 2 {
            break;
        }
        line.push((key.to_owned(), Tone::Strong));
        line.push((format!(" {what}  "), Tone::Faint));
    }
    line
}

fn on_screen(line: Line) -> ScreenLine<'static> {
    let spans = line
        .into_iter()
        .map(|(text, tone)| Span::styled(text, style(tone)));
    ScreenLine::from(spans.collect::<Vec<_>>())
}

/// A tone in the terminal's own colours, which suit its background.
fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Busy => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::Red),
        Tone::Picture => Style::new().fg(Color::Cyan),
        Tone::Faint => Style::new().add_modifier(Modifier::DIM),
        Tone::Strong => Style::new().add_modifier(Modifier::BOLD),
    }
}
