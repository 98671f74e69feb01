//! Where results and remarks go: results to stdout, remarks to stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::render::paint::Paint;
use crate::render::table::Table;

/// The streams of this process and how to write on them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether results are JSON.
    pub(crate) json: bool,
    /// Colours for results.
    pub(crate) paint: Paint,
    /// Colours for remarks.
    pub(crate) remark_paint: Paint,
    /// Whether results go to a terminal.
    pub(crate) is_terminal: bool,
    /// Whether remarks go to a terminal.
    pub(crate) remarks_on_terminal: bool,
}

impl Output {
    /// For this process.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            paint: Paint::for_stream(&io::stdout()),
            remark_paint: Paint::for_stream(&io::stderr()),
            is_terminal: io::stdout().is_terminal(),
            remarks_on_terminal: io::stderr().is_terminal(),
        }
    }

    /// Writes a result as it is, and sees that it leaves this process.
    pub(crate) fn text(self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Writes a line.
    pub(crate) fn line(self, line: &str) -> io::Result<()> {
        self.text(&format!("{line}\n"))
    }

    /// Writes a JSON document that people may read, too.
    pub(crate) fn document(self, document: &impl Serialize) -> io::Result<()> {
        self.line(&serde_json::to_string_pretty(document)?)
    }

    /// Writes a JSON document on one line, as one event of a stream.
    pub(crate) fn json_line(self, document: &impl Serialize) -> io::Result<()> {
        self.line(&serde_json::to_string(document)?)
    }

    /// Writes a list: a table for people, or `if_empty`; the documents for a script.
    pub(crate) fn list<D: Serialize>(
        self,
        documents: &[D],
        table: impl FnOnce() -> Table,
        if_empty: &str,
    ) -> io::Result<()> {
        if self.json {
            self.document(&documents)
        } else if documents.is_empty() {
            // Not a result: a script that counts lines gets none.
            note(if_empty);
            Ok(())
        } else {
            self.text(&table().render(self.paint))
        }
    }
}

/// Writes a remark to stderr. That nobody may read it is no failure.
pub(crate) fn note(remark: &str) {
    let _ = writeln!(io::stderr(), "{remark}");
}
