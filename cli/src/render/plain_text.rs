//! Text from elsewhere (a model, a file's header, another host) made harmless for a terminal.
//!
//! A terminal obeys control characters: they can clear the screen, change the window's title, or
//! make it look as if something else had been printed. A model may write any of them.

/// Longest run that is swallowed as part of one escape sequence. Real ones are shorter; without a
/// limit an unfinished one would swallow the rest of an answer.
const LONGEST_SEQUENCE: usize = 256;

/// Removes control characters and escape sequences from text that arrives in pieces. A sequence
/// may be cut anywhere between the pieces.
#[derive(Debug, Default)]
pub(crate) struct PlainText {
    state: State,
    swallowed: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Ordinary text.
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate character, such as `ESC ( B`.
    Intermediate,
    /// In a control sequence: `ESC [ … final`.
    Control,
    /// In a string for the terminal: `ESC ] … BEL` or `… ESC \`, and its kin.
    Str,
    /// After an ESC in such a string.
    StrEscape,
}

impl PlainText {
    /// The piece without what a terminal would obey. Line feeds and tabs stay.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        piece.chars().filter(|character| self.keeps(*character)).collect()
    }

    fn keeps(&mut self, character: char) -> bool {
        use State::{Control, Escape, Intermediate, Str, StrEscape, Text};

        if self.state != Text {
            self.swallowed += 1;
            if self.swallowed > LONGEST_SEQUENCE || character == '\n' {
                self.state = Text;
            }
        }
        let next = match (self.state, character) {
            (Text, '\n' | '\t') => return true,
            (Str, '\x1b') => StrEscape,
            (_, '\x1b') => Escape,
            (_, '\u{9b}') => Control,
            (_, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}') => Str,
            (Text, _) if character.is_control() => return false,
            (Text, _) => return true,
            (Escape, '[') => Control,
            (Escape, ']' | 'P' | 'X' | '^' | '_') => Str,
            (Escape | Intermediate, ' '..='/') => Intermediate,
            (Escape | Intermediate, _) => Text,
            (Control, '\x40'..='\x7e') => Text,
            (Control, ' '..='?') => Control,
            // Not a control sequence after all.
            (Control, _) => Text,
            (Str, '\x07' | '\u{9c}') | (StrEscape, '\\') => Text,
            (Str | StrEscape, _) => Str,
        };
        if self.state == Text {
            self.swallowed = 0;
        }
        self.state = next;
        false
    }
}

/// A whole text on one line, harmless for a terminal: for table cells and messages.
pub(crate) fn one_line(text: &str) -> String {
    PlainText::default().push(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        PlainText::default().push(text)
    }

    #[test]
    fn ordinary_text_is_untouched() {
        let text = "fn main() {\n\tprintln!(\"héllo 🐝 日本\");\n}\n";
        assert_eq!(plain(text), text);
    }

    #[test]
    fn sequences_are_removed_whole() {
        assert_eq!(plain("a\x1b[31mred\x1b[0m b"), "ared b");
        assert_eq!(plain("a\x1b[2J\x1b[Hb"), "ab");
        assert_eq!(plain("a\x1b]0;title\x07b"), "ab");
        assert_eq!(plain("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b"), "alinkb");
        assert_eq!(plain("a\u{9b}31mb"), "ab");
        assert_eq!(plain("a\x1b(Bb\x1bcc"), "abc");
        assert_eq!(plain("a\x1bP1$r\x1b\\b"), "ab");
    }

    #[test]
    fn lone_controls_are_removed() {
        assert_eq!(plain("a\x07\x08\rb\x00c\x7fd\u{85}e"), "abcde");
    }

    #[test]
    fn it_does_not_matter_where_the_pieces_are_cut() {
        let text = "x\x1b[1;31mred\x1b]0;title\x1b\\ \u{9d}t\u{9c}end\x1b[m.";
        let whole = plain(text);
        assert_eq!(whole, "xred end.");
        let mut pieces = PlainText::default();
        let one_by_one: String = text
            .chars()
            .map(|character| pieces.push(&character.to_string()))
            .collect();
        assert_eq!(one_by_one, whole);
    }

    #[test]
    fn an_unfinished_sequence_does_not_swallow_the_answer() {
        assert_eq!(plain("a\x1b]0;never ends\nthe next line"), "a\nthe next line");
        let long = format!("\x1b]{}tail", "x".repeat(LONGEST_SEQUENCE));
        assert!(plain(&long).ends_with("tail"));
    }

    #[test]
    fn a_cell_is_one_line() {
        assert_eq!(one_line("a\nb\tc\x1b[2J"), "a b c");
    }
}
