//! `docs/workers.md` says what is tested.

use std::path::Path;

use rbee_proto::types::v1::FailureCause;

use crate::table::{Phase, Row, rows};
use crate::{asked_rows, refused};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/workers.md");
    std::fs::read_to_string(path).unwrap()
}

/// A table as the page has to have it.
fn table(head: &[&str], lines: impl IntoIterator<Item = String>) -> String {
    let rule = format!("|{}", "---|".repeat(head.len()));
    let head = format!("| {} |", head.join(" | "));
    let lines: Vec<_> = [head, rule].into_iter().chain(lines).collect();
    // Empty cells are written without the space that the others end with.
    lines.join("\n").replace("|  |", "| |").replace("|  |", "| |")
}

fn assert_on_page(expected: &str) {
    assert!(
        page().contains(&format!("\n\n{expected}\n\n")),
        "docs/workers.md has to have this table:\n\n{expected}\n"
    );
}

fn cause(cause: FailureCause) -> String {
    match cause {
        FailureCause::Unspecified => String::new(),
        other => format!("`{}`", other.as_str_name().trim_start_matches("FAILURE_CAUSE_")),
    }
}

fn line(row: &Row) -> String {
    let cells: Vec<_> = row.ends.iter().map(|ends| ends.words()).collect();
    format!("| {} | {} | {} |", row.words, cells.join(" | "), cause(row.cause))
}

#[test]
fn the_page_has_the_table_of_behaviours() {
    let mut head = vec!["the worker …"];
    head.extend(Phase::ALL.iter().map(|phase| phase.words()));
    head.push("cause");
    assert_on_page(&table(&head, rows().iter().map(line)));
}

#[test]
fn the_page_has_the_table_of_what_is_asked() {
    let head = ["in state", "a call", "`StopWorker`", "`RestartWorker`"];
    assert_on_page(&table(&head, asked_rows::ROWS.iter().map(|row| row.line())));
}

#[test]
fn the_page_has_the_table_of_refusals() {
    let head = ["when it is to start again", "reason", "ends"];
    assert_on_page(&table(&head, refused::ROWS.iter().map(|row| row.line())));
}
