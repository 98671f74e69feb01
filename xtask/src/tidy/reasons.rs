//! Every error reason that clients may meet has a page that explains it, and every page a reason.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::Tree;

const CONSTANTS: &str = "crates/service-kit/src/reason.rs";
const PAGES: &str = "docs/errors/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut known = BTreeMap::new();
    for reason in constants(tree.text(CONSTANTS).unwrap_or_default()) {
        let Reason { line, name, value } = reason;
        if name != value {
            let message = format!(
                "the constant {name} says {value:?}; a reason's constant and its text are the same word"
            );
            findings.push(Finding::new(CONSTANTS, line, message));
        }
        let page = format!("{PAGES}{value}.md");
        if !tree.has(&page) {
            let message = format!(
                "the reason {value} has no page; write {page}: what it means, why it happens, what to do"
            );
            findings.push(Finding::new(CONSTANTS, line, message));
        }
        if let Some(first) = known.insert(value.clone(), line) {
            let message = format!("the reason {value} is there twice (first in line {first}); keep one");
            findings.push(Finding::new(CONSTANTS, line, message));
        }
    }
    for (path, text) in tree.texts_ending(".md") {
        let Some(reason) = path.strip_prefix(PAGES).and_then(|name| name.strip_suffix(".md")) else {
            continue;
        };
        if reason == "README" {
            continue;
        }
        if !known.contains_key(reason) {
            let message =
                format!("no error has the reason {reason}; add it to {CONSTANTS}, or delete the page");
            findings.push(Finding::new(path, 0, message));
        }
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        if lines.next() != Some(&format!("# {reason}")) {
            findings.push(Finding::new(
                path,
                1,
                format!("the page's first line must be: # {reason}"),
            ));
        }
        if lines.next().is_none() {
            findings.push(Finding::new(
                path,
                1,
                "the page is empty; say what it means, why it happens, what to do",
            ));
        }
    }
    findings
}

#[derive(Debug, PartialEq, Eq)]
struct Reason {
    line: usize,
    name: String,
    value: String,
}

/// The reasons of the file: `pub const NAME: &str = "VALUE";`, however it is broken into lines. The domain
/// that all reasons share is the one other string there.
fn constants(source: &str) -> Vec<Reason> {
    let mut found = Vec::new();
    for (index, line) in source.lines().enumerate() {
        let Some(rest) = line.trim_start().strip_prefix("pub const ") else {
            continue;
        };
        let name: String = rest.chars().take_while(|letter| *letter != ':').collect();
        if name == "DOMAIN" {
            continue;
        }
        let from_here = source.lines().skip(index).collect::<Vec<_>>().join(" ");
        let statement = from_here.split(';').next().unwrap_or_default();
        let Some((declared, value)) = statement.split_once('=') else {
            continue;
        };
        if let (true, Some(value)) = (declared.contains("str"), value.split('"').nth(1)) {
            found.push(Reason {
                line: index + 1,
                name: name.trim().to_owned(),
                value: value.to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: &str = "pub const GONE: &str = \"GONE\";\n";

    fn messages(tree: &Tree) -> Vec<String> {
        check(tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn constants_are_found_however_they_are_written() {
        let source = "//! Reasons.\npub const DOMAIN: &str = \"rbee\";\n/// Gone.\npub const GONE: &str = \"GONE\";\n\npub const LONG: &'static str =\n    \"LONG\";\npub const ALL: &[&str] = &[GONE];\nconst PRIVATE: u8 = 1;\n";
        let names: Vec<(usize, String)> = constants(source)
            .into_iter()
            .map(|reason| (reason.line, reason.value))
            .collect();
        assert_eq!(names, [(4, "GONE".to_owned()), (6, "LONG".to_owned())]);
    }

    #[test]
    fn reasons_and_pages_that_match_are_fine() {
        let tree = Tree::from([
            (CONSTANTS, GONE),
            ("docs/errors/GONE.md", "# GONE\n\nIt went.\n"),
            ("docs/errors/README.md", "All\n"),
        ]);
        assert_eq!(messages(&tree), [""; 0]);
    }

    #[test]
    fn a_reason_without_a_page_is_found() {
        let found = messages(&Tree::from([(CONSTANTS, GONE)]));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("crates/service-kit/src/reason.rs:1: the reason GONE has no page"),
            "{found:?}"
        );
    }

    #[test]
    fn a_page_without_a_reason_is_found() {
        let found = messages(&Tree::from([
            (CONSTANTS, ""),
            ("docs/errors/GONE.md", "# GONE\n\nIt went.\n"),
        ]));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("docs/errors/GONE.md: no error has the reason GONE"),
            "{found:?}"
        );
    }

    #[test]
    fn an_empty_or_misnamed_page_is_found() {
        let found = messages(&Tree::from([
            (CONSTANTS, GONE),
            ("docs/errors/GONE.md", "# Lost\n"),
        ]));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_constant_that_says_another_word_is_found() {
        let tree = Tree::from([
            (
                CONSTANTS,
                "pub const LOST: &str = \"GONE\";\npub const GONE: &str = \"GONE\";\n",
            ),
            ("docs/errors/GONE.md", "# GONE\n\nIt went.\n"),
        ]);
        let found = messages(&tree);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("the same word") && found[1].contains("twice"),
            "{found:?}"
        );
    }
}
