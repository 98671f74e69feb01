//! Columns that make the best of the width they are given.

use unicode_width::UnicodeWidthStr;

use super::super::paint::Tone;
use super::cell::{Cell, Line, aligned};

/// Space between columns.
const GAP: usize = 2;

/// Width of `999.9 MiB`.
const SIZE: usize = 9;

/// A column of a grid.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Its heading.
    pub(super) heading: &'static str,
    /// Whether its cells are numbers, aligned to the right.
    pub(super) right: bool,
    /// Which column leaves first where there is no room for all: the one with the largest rank. Those of rank 0 stay.
    pub(super) rank: u8,
    /// The narrowest that is of use.
    pub(super) min: usize,
    /// The widest that it may be. A bar takes what is left up to this.
    pub(super) max: usize,
    /// Whether rows are sorted by it, and whether the smallest is first.
    pub(super) sorted: Option<bool>,
}

impl Column {
    /// A column of words.
    pub(super) fn words(heading: &'static str, rank: u8, max: usize) -> Self {
        Self {
            heading,
            right: false,
            rank,
            min: heading.width(),
            max,
            sorted: None,
        }
    }

    /// A column of numbers.
    pub(super) fn numbers(heading: &'static str, rank: u8) -> Self {
        Self {
            right: true,
            ..Self::words(heading, rank, 16)
        }
    }

    /// A column of sizes, always as wide as most of them: else all columns would move with each new number.
    pub(super) fn sizes(heading: &'static str, rank: u8) -> Self {
        Self {
            min: SIZE,
            ..Self::numbers(heading, rank)
        }
    }

    /// A column of bars or sparklines.
    pub(super) fn picture(heading: &'static str, rank: u8, min: usize, max: usize) -> Self {
        Self {
            min,
            ..Self::words(heading, rank, max)
        }
    }

    /// `TOK/S ▾`.
    fn title(&self) -> String {
        match self.sorted {
            None => self.heading.to_owned(),
            Some(ascending) => format!("{} {}", self.heading, if ascending { '▴' } else { '▾' }),
        }
    }
}

/// Rows of cells.
#[derive(Debug)]
pub(super) struct Grid {
    /// The columns.
    pub(super) columns: Vec<Column>,
    /// The rows, a cell for each column.
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// Takes a column away.
    pub(super) fn remove(&mut self, heading: &str) {
        let Some(at) = self.columns.iter().position(|column| column.heading == heading) else {
            return;
        };
        self.columns.remove(at);
        for row in &mut self.rows {
            row.remove(at);
        }
    }

    /// The line of headings.
    pub(super) fn heading(&self, width: usize) -> Line {
        let mut line = Line::new();
        for (index, wide) in self.layout(width) {
            gap(&mut line);
            let column = &self.columns[index];
            let tone = match column.sorted {
                Some(_) => Tone::Strong,
                None => Tone::Faint,
            };
            line.extend(aligned(&column.title(), tone, wide, column.right));
        }
        line
    }

    /// The lines of the rows.
    pub(super) fn lines(&self, width: usize) -> Vec<Line> {
        let layout = self.layout(width);
        let line = |row: &Vec<Cell>| {
            let mut line = Line::new();
            for (index, wide) in &layout {
                gap(&mut line);
                line.extend(row[*index].pieces(*wide, self.columns[*index].right));
            }
            line
        };
        self.rows.iter().map(line).collect()
    }

    /// Which columns are shown, and how wide each is.
    fn layout(&self, width: usize) -> Vec<(usize, usize)> {
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len())
            .map(|index| (index, self.wanted(index)))
            .collect();
        while total(&shown) > width {
            let rank = |entry: &&(usize, usize)| self.columns[entry.0].rank;
            match shown.iter().filter(|entry| rank(entry) > 0).max_by_key(rank) {
                Some((index, _)) => {
                    let index = *index;
                    shown.retain(|entry| entry.0 != index);
                }
                None => {
                    self.squeeze(&mut shown, width);
                    break;
                }
            }
        }
        self.stretch(&mut shown, width);
        shown
    }

    /// How wide a column is if there is room.
    fn wanted(&self, index: usize) -> usize {
        let column = &self.columns[index];
        let cells = self.rows.iter().map(|row| row[index].width());
        let widest = cells.chain([column.title().width(), column.min]).max();
        // A heading is never cut for the sake of the limit.
        widest.unwrap_or(0).min(column.max.max(column.title().width()))
    }

    /// Takes from the widest until they fit; what is left over is cut by the edge of the screen.
    fn squeeze(&self, shown: &mut [(usize, usize)], width: usize) {
        while total(shown) > width {
            let Some(widest) = shown
                .iter_mut()
                .filter(|(index, wide)| *wide > self.columns[*index].min.min(4))
                .max_by_key(|(_, wide)| *wide)
            else {
                return;
            };
            widest.1 -= 1;
        }
    }

    /// Gives what is left to the pictures.
    fn stretch(&self, shown: &mut [(usize, usize)], width: usize) {
        let mut left = width.saturating_sub(total(shown));
        for (index, wide) in shown {
            let is_picture = self
                .rows
                .iter()
                .any(|row| matches!(row[*index], Cell::Bar(_) | Cell::Spark(_)));
            if is_picture {
                let more = self.columns[*index].max.saturating_sub(*wide).min(left);
                *wide += more;
                left -= more;
            }
        }
    }
}

fn gap(line: &mut Line) {
    if !line.is_empty() {
        line.push((" ".repeat(GAP), Tone::Plain));
    }
}

fn total(shown: &[(usize, usize)]) -> usize {
    let widths: usize = shown.iter().map(|(_, wide)| wide).sum();
    widths + GAP * shown.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut sorted = Column::numbers("RATE", 0);
        sorted.sorted = Some(false);
        Grid {
            columns: vec![
                Column::words("WORKER", 0, 20),
                Column::words("MODEL", 2, 8),
                Column::picture("ACTIVITY", 3, 4, 10),
                sorted,
            ],
            rows: vec![vec![
                Cell::plain("qwen-7kx3mc2d"),
                Cell::plain("local:qwen"),
                Cell::Spark(vec![Some(1.0)]),
                Cell::plain("41.2"),
            ]],
        }
    }

    fn text(line: &Line) -> String {
        line.iter().map(|(text, _)| text.as_str()).collect()
    }

    #[test]
    fn where_there_is_room_all_is_shown_and_pictures_grow() {
        assert_eq!(
            text(&grid().heading(60)),
            "WORKER         MODEL     ACTIVITY    RATE ▾"
        );
        assert_eq!(
            text(&grid().lines(60)[0]),
            "qwen-7kx3mc2d  local:q…           █    41.2"
        );
    }

    #[test]
    fn where_there_is_none_the_least_important_leaves() {
        assert_eq!(text(&grid().heading(32)), "WORKER         MODEL     RATE ▾");
        assert_eq!(text(&grid().heading(25)), "WORKER         RATE ▾");
        assert_eq!(text(&grid().lines(16)[0]), "qwen-7k…    41.2");
        for width in 0..80 {
            let line = text(&grid().lines(width)[0]);
            assert!(line.width() <= width.max(12), "{width}: {line}");
        }
    }
}
