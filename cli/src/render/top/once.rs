//! The view as text, once: for pipes, and for who wants one look.

use super::super::paint::Paint;
use super::cell::Line;
use super::frame::View;
use super::model::Link;
use super::{devices, total, workers};

/// Devices, workers and totals, as wide as they need to be up to `width`.
pub(crate) fn once(view: &View<'_>, width: usize, paint: Paint) -> String {
    let (heading, device_lines) = devices::lines(view.model, width);
    let rows = workers::rows(view.model, view.sort);
    let mut grid = workers::grid(&rows, view.sort, &view.now);
    // One look has no history, and no keys whose column must be marked.
    grid.remove(workers::HISTORY);
    for column in &mut grid.columns {
        column.sorted = None;
    }
    let mut text = text(&heading, paint);
    text.extend(device_lines.iter().map(|line| self::text(line, paint)));
    if !rows.is_empty() {
        text += "\n";
        text += &self::text(&grid.heading(width), paint);
        text.extend(grid.lines(width).iter().map(|line| self::text(line, paint)));
    }
    text += &format!("\n{}\n", total::words(view.model, &rows));
    if let Link::Lost { why } = &view.model.cluster {
        text += &format!("the catalog can't be reached: {why}\n");
    }
    text
}

/// A line without what can't be seen at its end.
fn text(line: &Line, paint: Paint) -> String {
    let mut line: Vec<_> = line.iter().map(|(text, tone)| (text.as_str(), *tone)).collect();
    while let Some((text, _)) = line.last_mut() {
        *text = text.trim_end();
        if !text.is_empty() {
            break;
        }
        line.pop();
    }
    let painted: String = line
        .into_iter()
        .map(|(text, tone)| paint.tone(tone, text))
        .collect();
    painted + "\n"
}
