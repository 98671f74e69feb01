//! Shows bursts of text as an even flow that never lags far behind.
//!
//! Every piece that arrives gets a deadline by which it must be seen. At each frame the slowest even pace that keeps all
//! deadlines is chosen: the largest of (characters up to a piece) / (time until its deadline).

use std::collections::VecDeque;
use std::time::Duration;

/// How far what is shown may lag behind what has arrived, at most, when frames come in time.
pub const MAXIMUM_LAG: Duration = Duration::from_millis(150);

/// When a piece must be seen. Earlier than [`MAXIMUM_LAG`] by a frame of a slow machine, so that this holds between
/// frames as well.
const DEADLINE: Duration = Duration::from_millis(110);

#[derive(Debug, Clone, PartialEq)]
struct Piece {
    /// Where it ends, in characters since the beginning.
    end: usize,
    deadline: Duration,
}

/// How much of a text that comes in bursts is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Smoother {
    /// Ends of the characters, in bytes, from the one after the last shown on.
    boundaries: VecDeque<usize>,
    pieces: VecDeque<Piece>,
    shown_bytes: usize,
    shown_characters: usize,
    arrived_bytes: usize,
    /// Characters that were due at the last frame beyond whole ones.
    carried: f64,
    last_frame: Option<Duration>,
    /// Whether the last character that arrived binds the next one to it.
    joins_next: bool,
}

impl Smoother {
    /// Takes a piece of text that arrived at `now`, on any clock that does not go back.
    pub fn arrive(&mut self, text: &str, now: Duration) {
        if text.is_empty() {
            return;
        }
        if self.pieces.is_empty() {
            // Time in which nothing was due does not count.
            self.last_frame = Some(now);
            self.carried = 0.0;
        }
        for character in text.chars() {
            self.arrived_bytes += character.len_utf8();
            let joined = self.joins_next || joins_previous(character);
            if joined && let Some(last) = self.boundaries.back_mut() {
                *last = self.arrived_bytes;
            } else {
                self.boundaries.push_back(self.arrived_bytes);
            }
            self.joins_next = character == ZERO_WIDTH_JOINER;
        }
        let end = self.shown_characters + self.boundaries.len();
        self.pieces.push_back(Piece {
            end,
            deadline: now + DEADLINE,
        });
    }

    /// Goes on to `now` and says how many bytes of the text are shown; always a whole character.
    pub fn frame(&mut self, now: Duration) -> usize {
        let since = now.saturating_sub(self.last_frame.unwrap_or(now)).as_secs_f64();
        let from = now.max(self.last_frame.unwrap_or(now));
        let last = self.last_frame.replace(from).unwrap_or(from);
        let mut due = self.carried + self.pace(last) * since;
        let overdue = self
            .pieces
            .iter()
            .filter(|piece| piece.deadline <= now)
            .map(|piece| piece.end)
            .max();
        if let Some(end) = overdue {
            due = due.max((end - self.shown_characters.min(end)) as f64);
        }
        let whole = (due as usize).min(self.boundaries.len());
        self.carried = if whole == self.boundaries.len() {
            0.0
        } else {
            (due - whole as f64).clamp(0.0, 1.0)
        };
        self.show(whole);
        self.shown_bytes
    }

    /// Shows all that has arrived, at once.
    pub fn finish(&mut self) -> usize {
        self.show(self.boundaries.len());
        self.shown_bytes
    }

    /// Whether all that has arrived is shown.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.boundaries.is_empty()
    }

    /// Bytes that are shown.
    #[must_use]
    pub fn shown_bytes(&self) -> usize {
        self.shown_bytes
    }

    /// The slowest pace that keeps every deadline, in characters per second.
    fn pace(&self, now: Duration) -> f64 {
        let needed = |piece: &Piece| {
            let characters = piece.end.saturating_sub(self.shown_characters) as f64;
            let left = piece.deadline.saturating_sub(now).as_secs_f64();
            characters / left.max(0.001)
        };
        self.pieces.iter().map(needed).fold(0.0, f64::max)
    }

    fn show(&mut self, characters: usize) {
        if let Some(end) = self.boundaries.drain(..characters).next_back() {
            self.shown_bytes = end;
        }
        self.shown_characters += characters;
        while self
            .pieces
            .front()
            .is_some_and(|piece| piece.end <= self.shown_characters)
        {
            self.pieces.pop_front();
        }
    }
}

const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Whether a character is drawn into the one before it, so that the two must appear together: combining marks, variation
/// selectors, skin tones, tags, and what is joined without width.
fn joins_previous(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}' | '\u{900}'..='\u{903}' | '\u{93a}'..='\u{94f}'
        | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | ZERO_WIDTH_JOINER | '\u{20d0}'..='\u{20ff}' | '\u{3099}' | '\u{309a}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
