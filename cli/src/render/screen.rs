//! Where an answer is shown as it arrives.

use std::io;

use rbee_proto::worker::v1::ToolCall;

use super::paint::Paint;
use super::plain_text::{PlainText, one_line};
use crate::output::Output;

/// Shows text, reasoning and calls. A model may write what a terminal would obey, so nothing of it gets there
/// as it is.
#[derive(Debug)]
pub(crate) struct Screen {
    output: Output,
    page: Page,
}

impl Screen {
    /// Nothing has arrived.
    pub(crate) fn new(output: Output) -> Self {
        Self {
            output,
            page: Page::new(output.is_terminal, output.paint),
        }
    }

    /// A piece of the answer.
    pub(crate) fn show(&mut self, text: &str) -> io::Result<()> {
        let shown = self.page.text(text);
        self.write(&shown)
    }

    /// A piece of what the model thinks. Only at a terminal: elsewhere the answer alone is wanted.
    pub(crate) fn think(&mut self, text: &str) -> io::Result<()> {
        let shown = self.page.reasoning(text);
        self.write(&shown)
    }

    /// A call of a tool, on a line of its own.
    pub(crate) fn call(&mut self, call: &ToolCall) -> io::Result<()> {
        let shown = self.page.call(call);
        self.write(&shown)
    }

    /// Ends the line that the answer left open.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        let shown = self.page.end_line();
        self.write(&shown)
    }

    /// With `--json` nothing is shown: the document has it.
    fn write(&self, shown: &str) -> io::Result<()> {
        if shown.is_empty() || self.output.json {
            return Ok(());
        }
        self.output.text(shown)
    }
}

/// What is written for the pieces of an answer.
#[derive(Debug)]
struct Page {
    is_terminal: bool,
    paint: Paint,
    text: PlainText,
    reasoning: PlainText,
    thought: bool,
    line_is_open: bool,
}

impl Page {
    fn new(is_terminal: bool, paint: Paint) -> Self {
        Self {
            is_terminal,
            paint,
            text: PlainText::default(),
            reasoning: PlainText::default(),
            thought: false,
            line_is_open: false,
        }
    }

    fn text(&mut self, text: &str) -> String {
        let shown = if self.is_terminal {
            self.text.push(text)
        } else {
            text.to_owned()
        };
        if shown.is_empty() {
            return shown;
        }
        let before = self.after_reasoning();
        self.line_is_open = !shown.ends_with('\n');
        before + &shown
    }

    fn reasoning(&mut self, text: &str) -> String {
        let shown = if self.is_terminal {
            self.reasoning.push(text)
        } else {
            String::new()
        };
        if shown.is_empty() {
            return shown;
        }
        self.thought = true;
        self.line_is_open = !shown.ends_with('\n');
        self.paint.faint(&shown)
    }

    fn call(&mut self, call: &ToolCall) -> String {
        let before = self.after_reasoning() + &self.end_line();
        let words = format!("→ {} {}", one_line(&call.name), one_line(&call.arguments_json));
        format!("{before}{}\n", self.paint.strong(&words))
    }

    /// An empty line between what is thought and what is said.
    fn after_reasoning(&mut self) -> String {
        if !std::mem::take(&mut self.thought) {
            return String::new();
        }
        self.end_line() + "\n"
    }

    fn end_line(&mut self) -> String {
        if std::mem::take(&mut self.line_is_open) {
            "\n".to_owned()
        } else {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> ToolCall {
        ToolCall {
            id: "c1".into(),
            name: "look".into(),
            arguments_json: "{\"at\":\n\"\u{1b}[2Jx\"}".into(),
        }
    }

    #[test]
    fn thoughts_are_dim_and_stand_apart() {
        let mut page = Page::new(true, Paint::ON);
        let shown = page.reasoning("Hm") + &page.reasoning(".") + &page.text("Yes") + &page.text(".");
        assert_eq!(shown, "\u{1b}[2mHm\u{1b}[0m\u{1b}[2m.\u{1b}[0m\n\nYes.");
        assert_eq!(page.call(&call()), "\n\u{1b}[1m→ look {\"at\": \"x\"}\u{1b}[0m\n");
        assert_eq!(page.end_line(), "");
    }

    #[test]
    fn nothing_that_a_model_writes_is_obeyed() {
        let mut page = Page::new(true, Paint::OFF);
        let shown = page.reasoning("a\u{1b}[2") + &page.reasoning("Jb\u{7}") + &page.text("\u{1b}]0;t\u{7}c");
        assert_eq!(shown, "ab\n\nc");
    }

    #[test]
    fn elsewhere_the_answer_alone_is_written_as_it_is() {
        let mut page = Page::new(false, Paint::OFF);
        let shown = page.reasoning("Hm.") + &page.text("a\u{1b}[31mb");
        assert_eq!(shown, "a\u{1b}[31mb");
        assert_eq!(page.call(&call()), "\n→ look {\"at\": \"x\"}\n");
    }
}
