//! Colours, where there is a terminal that wants them.

use std::io::IsTerminal;

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    enabled: bool,
}

/// What a text means to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// On its way, or worth a look.
    Busy,
    /// Failed.
    Bad,
    /// Beside the point.
    Faint,
    /// A heading.
    Strong,
    /// A picture of numbers: a bar, a sparkline.
    Picture,
}

impl Paint {
    /// No colours.
    #[cfg(test)]
    pub(crate) const OFF: Self = Self { enabled: false };
    /// Colours.
    #[cfg(test)]
    pub(crate) const ON: Self = Self { enabled: true };

    /// For a stream of this process: coloured if it is a terminal and the user hasn't asked
    /// otherwise (`NO_COLOR`, see no-color.org, or `TERM=dumb`).
    pub(crate) fn for_stream(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            enabled: stream.is_terminal() && !refused,
        }
    }

    /// The text in a tone.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
            Tone::Picture => "36",
            Tone::Plain => return text.to_owned(),
        };
        if self.enabled {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Beside the point.
    pub(crate) fn faint(self, text: &str) -> String {
        self.tone(Tone::Faint, text)
    }

    /// A heading.
    pub(crate) fn strong(self, text: &str) -> String {
        self.tone(Tone::Strong, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_added_only_where_wanted() {
        assert_eq!(Paint::OFF.tone(Tone::Bad, "no"), "no");
        assert_eq!(Paint::ON.tone(Tone::Bad, "no"), "\x1b[31mno\x1b[0m");
        assert_eq!(Paint::ON.tone(Tone::Plain, "text"), "text");
    }
}
