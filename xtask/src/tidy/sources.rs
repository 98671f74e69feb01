//! Words that mean "not finished" or "only on my machine".

use super::Finding;
use super::tree::Tree;

/// Ends of the files that hold instructions of some kind, whose marks of unfinished work count.
const SOURCES: [&str; 6] = [".rs", ".proto", ".toml", ".sh", ".py", ".yaml"];

/// What must not be in Rust code. Written in halves, so that this file passes its own check.
const UNFINISHED_CODE: [(&str, &str); 5] = [
    (concat!("todo", "!("), "build it, or leave it out"),
    (concat!("unimplemented", "!("), "build it, or leave it out"),
    (concat!("#[ig", "nore]"), "repair the test, or delete it"),
    (concat!("#[ig", "nore ="), "repair the test, or delete it"),
    (concat!(", ig", "nore)]"), "repair the test, or delete it"),
];

const UNFINISHED_NOTES: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X:")];

/// Folders that exist on one machine only.
const MACHINE_FOLDERS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        let is_source = SOURCES.iter().any(|end| path.ends_with(end));
        for (index, line) in text.lines().enumerate() {
            let mut report = |message| findings.push(Finding::new(path, index + 1, message));
            if path.ends_with(".rs") {
                for (word, advice) in UNFINISHED_CODE {
                    if line.contains(word) {
                        report(format!("`{word}` is not finished work; {advice}"));
                    }
                }
            }
            if is_source {
                for word in UNFINISHED_NOTES {
                    if line.contains(word) {
                        report(format!("`{word}` has no place here; do it now, or open an issue"));
                    }
                }
            }
            for folder in MACHINE_FOLDERS {
                if names_folder(line, folder) {
                    report(format!(
                        "`{folder}` exists on one machine only; use a relative path or a variable"
                    ));
                }
            }
        }
    }
    findings
}

/// Whether the folder is named from the root of the file system on, not as the end of a longer path.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"._-/*}~".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Tree::from([(path, text)])).len()
    }

    #[test]
    fn unfinished_code_is_found() {
        for (word, _) in UNFINISHED_CODE {
            assert_eq!(found("src/a.rs", &format!("fn f() {{}}\n{word}")), 1, "{word}");
            assert_eq!(found("docs/a.md", word), 0, "prose may speak of {word}");
        }
        for word in UNFINISHED_NOTES {
            assert_eq!(found("proto/a.proto", &format!("// {word} later")), 1, "{word}");
        }
    }

    #[test]
    fn paths_of_one_machine_are_found_in_any_text() {
        let [work, root] = MACHINE_FOLDERS;
        assert_eq!(found("README.md", &format!("see {work}main")), 1);
        assert_eq!(found("a.toml", &format!("path = \"{root}.cache\"")), 1);
        assert_eq!(
            found("a.toml", &format!("url = \"file://{root}\"")),
            0,
            "a URL's path is not judged"
        );
        assert_eq!(found("README.md", &format!("see docs{work}main and ~{work}")), 0);
    }

    #[test]
    fn the_line_is_told() {
        let text = format!("// one\n// two\n{}", UNFINISHED_CODE[0].0);
        assert_eq!(check(&Tree::from([("src/a.rs", text.as_str())]))[0].line, 3);
    }
}
