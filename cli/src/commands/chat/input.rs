//! What a line of input means.

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing was written.
    Nothing,
    /// A question.
    Text(String),
    /// `/help`
    Help,
    /// `/clear`
    Clear,
    /// `/system TEXT`
    System(String),
    /// `/stats`
    Stats,
    /// `/quit`
    Quit,
    /// A command that there isn't.
    Unknown(String),
}

/// What `/help` says.
pub(super) const HELP: &str = "\
/clear         forget what was said; the instructions stay
/system TEXT   replace the instructions to the model; without TEXT, take them away
/stats         show or hide what each answer took
/quit          leave (Ctrl-D too)
/help          this
A line that ends with \\ goes on in the next. Ctrl-C stops an answer.
A line that begins with // is sent with one /.";

/// Lines joined by a `\\` at their ends.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
}

impl Lines {
    /// Adds a line; the whole text once it is complete.
    pub(super) fn push(&mut self, line: &str) -> Option<String> {
        match line.strip_suffix('\\') {
            Some(line) => {
                self.text.push_str(line);
                self.text.push('\n');
                None
            }
            None => {
                self.text.push_str(line);
                Some(std::mem::take(&mut self.text))
            }
        }
    }

    /// Whether a line goes on.
    pub(super) fn goes_on(&self) -> bool {
        !self.text.is_empty()
    }

    /// Forgets the lines so far.
    pub(super) fn clear(&mut self) {
        self.text.clear();
    }
}

/// Reads a complete text.
pub(super) fn parse(text: &str) -> Input {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Input::Nothing;
    }
    let Some(command) = trimmed.strip_prefix('/') else {
        return Input::Text(text.to_owned());
    };
    if command.starts_with('/') {
        return Input::Text(command.to_owned());
    }
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    match name {
        "help" | "?" => Input::Help,
        "clear" => Input::Clear,
        "system" => Input::System(rest.trim().to_owned()),
        "stats" => Input::Stats,
        "quit" | "exit" => Input::Quit,
        _ => Input::Unknown(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_begin_with_a_slash() {
        assert_eq!(parse("  /clear "), Input::Clear);
        assert_eq!(
            parse("/system be brief\nand kind"),
            Input::System("be brief\nand kind".into())
        );
        assert_eq!(parse("/system"), Input::System(String::new()));
        assert_eq!(parse("/exit"), Input::Quit);
        assert_eq!(parse("/claer"), Input::Unknown("claer".into()));
    }

    #[test]
    fn everything_else_is_said_to_the_model() {
        assert_eq!(parse(" what is 1/2?"), Input::Text(" what is 1/2?".into()));
        assert_eq!(parse("//etc/passwd"), Input::Text("/etc/passwd".into()));
        assert_eq!(parse(" \n"), Input::Nothing);
    }

    #[test]
    fn a_backslash_goes_on_in_the_next_line() {
        let mut lines = Lines::default();
        assert_eq!(lines.push("one\\"), None);
        assert!(lines.goes_on());
        assert_eq!(lines.push("\\"), None);
        assert_eq!(lines.push("three").as_deref(), Some("one\n\nthree"));
        assert!(!lines.goes_on());
        assert_eq!(lines.push("next").as_deref(), Some("next"));
    }
}
