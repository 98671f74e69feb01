//! `(word:1.2)`, `((word))`, `[word]`, `BREAK` and escapes, as A1111 reads them.
//!
//! Round brackets multiply the weight of what is in them by 1.1, square ones divide it; `(words:number)` multiplies by
//! the number. A backslash takes brackets and itself literally. Brackets that are never closed hold to the end. A1111's
//! editing (`[from:to:when]`) and composition (`AND`) are not understood.

/// What a pair of round brackets multiplies with.
const ROUND: f32 = 1.1;
/// Weights stay within this, so that nothing overflows.
const MOST: f32 = 1000.0;

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text and how much it counts.
    Text(String, f32),
    /// What follows begins a new chunk.
    Break,
}

/// The parts of a prompt.
#[must_use]
pub fn parts(prompt: &str) -> Vec<Part> {
    let mut reader = Reader::default();
    let mut rest = prompt;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\\' => match rest[1..].chars().next() {
                Some(escaped @ ('(' | ')' | '[' | ']' | '\\')) => {
                    reader.text(&rest[1..2]);
                    1 + escaped.len_utf8()
                }
                _ => {
                    reader.text("\\");
                    1
                }
            },
            '(' => reader.open(Bracket::Round),
            '[' => reader.open(Bracket::Square),
            ')' => reader.close(Bracket::Round, ROUND, ")"),
            ']' => reader.close(Bracket::Square, 1.0 / ROUND, "]"),
            ':' => match weight(rest) {
                Some((weight, length)) if reader.is_open(Bracket::Round) => {
                    reader.close(Bracket::Round, weight, "");
                    length
                }
                _ => {
                    reader.text(":");
                    1
                }
            },
            _ => {
                let end = rest.find(['\\', '(', ')', '[', ']', ':']).unwrap_or(rest.len());
                reader.words(&rest[..end]);
                end
            }
        };
        rest = &rest[taken..];
    }
    reader.end()
}

/// The number of `:1.2)` and the length of all that.
fn weight(text: &str) -> Option<(f32, usize)> {
    let end = text.find(')')?;
    let number = text[1..end].trim();
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    let plain = digits.chars().all(|one| one == '.' || one.is_ascii_digit());
    let weight: f32 = number.parse().ok().filter(|_| plain)?;
    Some((weight.clamp(-MOST, MOST), end + 1))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bracket {
    Round,
    Square,
}

#[derive(Default)]
struct Reader {
    parts: Vec<Part>,
    /// Open brackets and before which part they stand.
    open: Vec<(Bracket, usize)>,
}

impl Reader {
    fn text(&mut self, text: &str) {
        self.parts.push(Part::Text(text.to_owned(), 1.0));
    }

    /// Text in which the word `BREAK`, with the spaces around it, is one.
    fn words(&mut self, text: &str) {
        let mut rest = text;
        let mut from = 0;
        while let Some(at) = rest[from..].find("BREAK").map(|at| at + from) {
            let end = at + "BREAK".len();
            let joined = |character: Option<char>| {
                character.is_some_and(|character| character.is_alphanumeric() || character == '_')
            };
            if joined(rest[..at].chars().next_back()) || joined(rest[end..].chars().next()) {
                from = end;
                continue;
            }
            self.text(rest[..at].trim_end());
            self.parts.push(Part::Break);
            rest = rest[end..].trim_start();
            from = 0;
        }
        self.text(rest);
    }

    fn open(&mut self, bracket: Bracket) -> usize {
        self.open.push((bracket, self.parts.len()));
        1
    }

    fn is_open(&self, bracket: Bracket) -> bool {
        self.open.iter().any(|&(open, _)| open == bracket)
    }

    /// Closes the last bracket of the kind; without one, `literal` is text.
    fn close(&mut self, bracket: Bracket, factor: f32, literal: &str) -> usize {
        match self.open.iter().rposition(|&(open, _)| open == bracket) {
            Some(place) => {
                let (_, begin) = self.open.remove(place);
                self.multiply(begin, factor);
            }
            None => self.text(literal),
        }
        1
    }

    fn multiply(&mut self, begin: usize, factor: f32) {
        for part in &mut self.parts[begin..] {
            if let Part::Text(_, weight) = part {
                *weight = (*weight * factor).clamp(-MOST, MOST);
            }
        }
    }

    fn end(mut self) -> Vec<Part> {
        // Once for all: the prompt may be brackets throughout.
        let unclosed = std::mem::take(&mut self.open);
        let mut waiting = unclosed.into_iter().peekable();
        let mut factor = 1.0f32;
        for (index, part) in self.parts.iter_mut().enumerate() {
            while let Some((bracket, _)) = waiting.next_if(|&(_, begin)| begin <= index) {
                factor *= match bracket {
                    Bracket::Round => ROUND,
                    Bracket::Square => 1.0 / ROUND,
                };
                factor = factor.min(MOST);
            }
            if let Part::Text(_, weight) = part {
                *weight = (*weight * factor).clamp(-MOST, MOST);
            }
        }
        let mut merged: Vec<Part> = Vec::new();
        for part in self.parts {
            match (merged.last_mut(), part) {
                (Some(Part::Text(text, weight)), Part::Text(more, same)) if *weight == same => {
                    text.push_str(&more);
                }
                (_, part) => merged.push(part),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(prompt: &str) -> Vec<(String, f32)> {
        let parts = parts(prompt).into_iter();
        let texts = parts.map(|part| match part {
            Part::Text(text, weight) => (text, (weight * 1000.0).round() / 1000.0),
            Part::Break => ("BREAK".to_owned(), -1.0),
        });
        texts.collect()
    }

    fn expect(prompt: &str, expected: &[(&str, f32)]) {
        let expected: Vec<(String, f32)> = expected
            .iter()
            .map(|&(text, weight)| (text.to_owned(), weight))
            .collect();
        assert_eq!(weights(prompt), expected, "{prompt}");
    }

    /// The examples that stand at A1111's own reader.
    #[test]
    fn brackets_weigh_as_the_web_interface_says() {
        expect("normal text", &[("normal text", 1.0)]);
        expect(
            "an (important) word",
            &[("an ", 1.0), ("important", 1.1), (" word", 1.0)],
        );
        expect("(unbalanced", &[("unbalanced", 1.1)]);
        expect(r"\(literal\]", &[("(literal]", 1.0)]);
        expect("(unnecessary)(parens)", &[("unnecessaryparens", 1.1)]);
        expect(
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            &[
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.464),
                (".", 1.1),
            ],
        );
        expect("[less]", &[("less", 0.909)]);
        expect("a ) b ] c : d", &[("a ) b ] c : d", 1.0)]);
        expect("(time 12:30)", &[("time 12", 30.0)]);
        expect("", &[]);
    }

    #[test]
    fn break_is_a_word_of_its_own() {
        expect("one BREAK two", &[("one", 1.0), ("BREAK", -1.0), ("two", 1.0)]);
        expect("BREAKFAST", &[("BREAKFAST", 1.0)]);
        assert_eq!(
            parts("a BREAK BREAK b")
                .iter()
                .filter(|part| **part == Part::Break)
                .count(),
            2
        );
    }

    proptest! {
        #[test]
        fn any_prompt_has_finite_weights_and_no_text_of_its_own(prompt in r"([()\[\]:\\ 0-9a.]|BREAK|.){0,200}") {
            let mut length = 0;
            for part in parts(&prompt) {
                if let Part::Text(text, weight) = part {
                    prop_assert!(weight.is_finite());
                    length += text.len();
                }
            }
            prop_assert!(length <= prompt.len());
        }
    }
}
