//! Plain aligned columns.

use unicode_width::UnicodeWidthStr;

use super::paint::{Paint, Tone};
use super::plain_text;

/// Space between columns.
const GAP: &str = "  ";

/// A table with a heading line.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Column {
    heading: &'static str,
    right: bool,
}

/// A cell of a table.
#[derive(Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text with a tone. Made harmless for a terminal.
    pub(crate) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: plain_text::one_line(text.as_ref()),
            tone,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl Table {
    /// An empty table. A heading that begins with `>` makes a column of numbers, aligned to the
    /// right.
    pub(crate) fn new(headings: impl AsRef<[&'static str]>) -> Self {
        let columns = headings
            .as_ref()
            .iter()
            .map(|heading| match heading.strip_prefix('>') {
                Some(heading) => Column { heading, right: true },
                None => Column {
                    heading,
                    right: false,
                },
            })
            .collect();
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        let cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    /// The lines.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let cells = self.rows.iter().map(|row| row[index].text.width());
                cells.chain([column.heading.width()]).max().unwrap_or(0)
            })
            .collect();

        let headings: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| Cell::new(column.heading, Tone::Faint))
            .collect();
        let mut text = String::new();
        for row in [&headings].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (index, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[index] - cell.text.width());
                let painted = paint.tone(cell.tone, &cell.text);
                if index > 0 {
                    line.push_str(GAP);
                }
                if self.columns[index].right {
                    line.push_str(&padding);
                    line.push_str(&painted);
                } else {
                    line.push_str(&painted);
                    line.push_str(&padding);
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_clean() {
        let mut table = Table::new(["NAME", ">SIZE", "STATE"]);
        table.row(["a".into(), "5 B".into(), Cell::new("ready", Tone::Good)]);
        table.row(["名前 long".into(), "468.6 MiB".into(), "x".into()]);
        assert_eq!(
            table.render(Paint::OFF),
            "NAME            SIZE  STATE\n\
             a                5 B  ready\n\
             名前 long  468.6 MiB  x\n"
        );
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let mut table = Table::new(["STATE", "ID"]);
        table.row([Cell::new("up", Tone::Good), "1".into()]);
        assert!(table.render(Paint::ON).contains("\x1b[32mup\x1b[0m     1"));
    }

    #[test]
    fn cells_cannot_break_the_table() {
        let mut table = Table::new(["NAME"]);
        table.row(["two\nlines\x1b[2J".into()]);
        assert_eq!(table.render(Paint::OFF), "NAME\ntwo lines\n");
    }
}
