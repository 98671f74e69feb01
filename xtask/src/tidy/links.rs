//! Links in the documentation lead to files of the repository that exist, and to headings that exist in them.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts_ending(".md") {
        for Link { line, target } in links(text) {
            if let Some(problem) = problem_with(tree, path, &target) {
                findings.push(Finding::new(
                    path,
                    line,
                    format!("the link to {target:?} {problem}"),
                ));
            }
        }
    }
    findings
}

fn problem_with(tree: &Tree, from: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        Some(from.to_owned())
    } else {
        resolve(from, file)
    };
    let Some(path) = path else {
        return Some("leads out of the repository");
    };
    if !tree.has(&path) {
        return Some("leads to a file that is not there");
    }
    let is_markdown = path.ends_with(".md");
    if !heading.is_empty() && is_markdown && !anchors(tree.text(&path)?).any(|anchor| anchor == heading) {
        return Some("names a heading that is not there");
    }
    None
}

/// The path from the root; `None` when it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    // GitHub reads a leading slash as the root of the repository.
    let start = if target.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[derive(Debug, PartialEq, Eq)]
struct Link {
    line: usize,
    target: String,
}

/// The targets of `[text](target)` and of `[text]: target`, outside of code.
fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (index, line) in prose(text) {
        let line_number = index + 1;
        let bare = without_code(line);
        for (at, _) in bare.match_indices("](") {
            let rest = &bare[at + 2..];
            let target = rest
                .split([')', ' '])
                .next()
                .unwrap_or_default()
                .trim_matches(['<', '>']);
            found.push(Link {
                line: line_number,
                target: target.to_owned(),
            });
        }
        if let Some((label, target)) = bare.split_once("]: ")
            && label.starts_with('[')
        {
            let target = target.split_whitespace().next().unwrap_or_default();
            found.push(Link {
                line: line_number,
                target: target.to_owned(),
            });
        }
    }
    found
}

/// The lines outside of fenced code, with their indices.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The line with its `code` taken out.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The anchors of the headings, made as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter_map(|(_, line)| {
        let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
        let letter = |letter: char| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            _ if letter.is_alphanumeric() => Some(letter),
            _ => None,
        };
        Some(heading.to_lowercase().chars().filter_map(letter).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems<const N: usize>(files: [(&str, &str); N]) -> Vec<String> {
        check(&Tree::from(files))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let readme = "[a](docs/a.md) [b](docs/) [c](docs/a.md#two-words) [d](#here) [e](https://host/x) ![f](/docs/a.md)\n# Here\n[g]: docs/a.md\n";
        assert_eq!(
            problems([
                ("README.md", readme),
                ("docs/a.md", "## Two `words`!\n[up](../README.md)\n")
            ]),
            [""; 0]
        );
    }

    #[test]
    fn links_that_lead_nowhere_are_found_with_their_line() {
        for (link, problem) in [
            ("[a](docs/b.md)", "not there"),
            ("[a]: docs/b.md", "not there"),
            ("[a](../b.md)", "out of the repository"),
            ("[a](docs/a.md#three)", "heading"),
            ("[a](#three)", "heading"),
        ] {
            let readme = format!("First.\n\n{link}\n");
            let found = problems([("README.md", readme.as_str()), ("docs/a.md", "# Two\n")]);
            assert_eq!(found.len(), 1, "{link}: {found:?}");
            assert!(
                found[0].starts_with("README.md:3: ") && found[0].contains(problem),
                "{found:?}"
            );
        }
    }

    #[test]
    fn code_holds_no_links() {
        let readme = "```rust\nlet a = b[0](c.md);\n```\nAnd `[a](b.md)` too.\n";
        assert_eq!(problems([("README.md", readme)]), [""; 0]);
    }
}
