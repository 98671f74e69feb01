//! Asking before something is lost.

use std::io::{self, BufRead as _, IsTerminal as _};

use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::note;
use crate::render::plain_text;

/// Asks whether to remove these from the catalog.
pub(super) fn removal(lines: &[String]) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::new(Exit::Usage, "nobody can be asked whether to remove them")
                .hint("say --yes where no terminal is"),
        );
    }
    for line in lines {
        note(&plain_text::one_line(line));
    }
    note("Remove from the catalog? [y/N]");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .doing(|| "can't read your answer".into())?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "nothing was removed"))
    }
}
