//! What stands in a column, as wide as the column came to be.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::memory_bar::Memory;
use super::super::paint::Tone;
use super::super::plain_text::one_line;
use super::sparkline::{NOTHING, sparkline};

/// A line of the screen in pieces, each with its tone.
pub(super) type Line = Vec<(String, Tone)>;

/// A cell of a grid.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// A text. What does not fit is cut.
    Text(String, Tone),
    /// A device's memory; blank where not known.
    Bar(Option<Memory>),
    /// Measurements, the oldest first.
    Spark(Vec<Option<f64>>),
}

impl Cell {
    /// A text without a tone, harmless for a terminal.
    pub(super) fn plain(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    /// A text, harmless for a terminal.
    pub(super) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self::Text(one_line(text.as_ref()), tone)
    }

    /// A text if it is known, else a dash.
    pub(super) fn known(text: Option<String>) -> Self {
        text.map_or_else(|| Self::toned("-", Tone::Faint), Self::plain)
    }

    /// Columns of the screen that it takes where it has its way.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Text(text, _) => text.width(),
            // As wide as the column is allowed to be.
            Self::Bar(_) | Self::Spark(_) => 0,
        }
    }

    /// The cell, exactly `width` wide.
    pub(super) fn pieces(&self, width: usize, right: bool) -> Line {
        match self {
            Self::Text(text, tone) => aligned(text, *tone, width, right),
            Self::Bar(None) => vec![(" ".repeat(width), Tone::Plain)],
            Self::Bar(Some(memory)) => {
                let pieces = memory.bar(width).into_iter();
                pieces.map(|(part, piece)| (piece, part.tone())).collect()
            }
            Self::Spark(samples) => by_tone(&sparkline(samples.iter().copied(), width)),
        }
    }
}

/// A sparkline in pieces: where nothing was made, it steps back.
fn by_tone(line: &str) -> Line {
    let mut pieces = Line::new();
    for letter in line.chars() {
        let tone = if letter == NOTHING {
            Tone::Faint
        } else {
            Tone::Picture
        };
        match pieces.last_mut() {
            Some((piece, last)) if *last == tone => piece.push(letter),
            _ => pieces.push((letter.to_string(), tone)),
        }
    }
    pieces
}

/// A text that is exactly `width` wide: filled up, or cut.
pub(super) fn aligned(text: &str, tone: Tone, width: usize, right: bool) -> Line {
    let text = cut(text, width);
    let padding = (" ".repeat(width - text.width()), Tone::Plain);
    if right {
        vec![padding, (text, tone)]
    } else {
        vec![(text, tone), padding]
    }
}

/// The text, or its beginning with `…` where it is wider.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut taken = 1;
    for letter in text.chars() {
        taken += letter.width().unwrap_or(0);
        if taken > width {
            break;
        }
        kept.push(letter);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cell: &Cell, width: usize, right: bool) -> String {
        let pieces = cell.pieces(width, right);
        pieces.into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn cells_are_as_wide_as_their_column() {
        let memory = Memory {
            total: 8,
            used: 2,
            reserved: 2,
            available: 4,
        };
        for cell in [
            Cell::plain("a\x1b[2Jb"),
            Cell::plain("名前名前名前"),
            Cell::known(None),
            Cell::Bar(None),
            Cell::Bar(Some(memory)),
            Cell::Spark(vec![Some(1.0), None]),
        ] {
            for width in [0, 1, 2, 5, 9, 40] {
                for right in [false, true] {
                    assert_eq!(shown(&cell, width, right).width(), width, "{cell:?}");
                }
            }
        }
    }

    #[test]
    fn where_nothing_was_made_the_picture_steps_back() {
        let samples = [Some(0.0), Some(0.0), Some(1.0), Some(2.0)];
        assert_eq!(
            Cell::Spark(samples.to_vec()).pieces(4, false),
            [("▁▁".to_owned(), Tone::Faint), ("▅█".to_owned(), Tone::Picture)]
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_with_a_mark() {
        assert_eq!(cut("qwen-7kx3", 6), "qwen-…");
        assert_eq!(cut("名前名前", 6), "名前…");
        assert_eq!(cut("qwen", 4), "qwen");
        assert_eq!(cut("qwen", 0), "");
        assert_eq!(shown(&Cell::plain("ab"), 4, true), "  ab");
    }
}
