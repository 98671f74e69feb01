//! Files stay small enough to hold in one's head, and every crate begins with what it is.

use super::Finding;
use super::tree::Tree;

/// Most files are 100 to 350 lines; what is longer than this holds more than one concept.
const MOST_LINES: usize = 800;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts_ending(".rs") {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            let message = format!("{lines} lines, the most is {MOST_LINES}; split it by concept");
            findings.push(Finding::new(path, 0, message));
        }
        let is_root = ["src/lib.rs", "src/main.rs"]
            .iter()
            .any(|end| path.ends_with(end));
        if is_root && !text.starts_with("//!") {
            findings.push(Finding::new(
                path,
                1,
                "a crate begins with `//!`: what it is, and for whom",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found() {
        let most = "//\n".repeat(MOST_LINES);
        assert_eq!(check(&Tree::from([("src/a.rs", most.as_str())])), []);
        let more = format!("{most}//\n");
        let found = check(&Tree::from([("src/a.rs", more.as_str())]));
        assert_eq!(
            found[0].message,
            "801 lines, the most is 800; split it by concept"
        );
    }

    #[test]
    fn a_crate_without_an_introduction_is_found() {
        assert_eq!(
            check(&Tree::from([
                ("cli/src/main.rs", "//! The command.\n"),
                ("cli/src/up.rs", "")
            ])),
            []
        );
        assert_eq!(check(&Tree::from([("cli/src/lib.rs", "mod up;\n")])).len(), 1);
    }
}
