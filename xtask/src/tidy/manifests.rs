//! Every dependency is named once, in the workspace's Cargo.toml, with a version of a registry.

use toml::{Table, Value};

use super::Finding;
use super::tree::Tree;

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts()
        .filter(|(path, _)| *path == "Cargo.toml" || path.ends_with("/Cargo.toml"))
        .flat_map(|(path, text)| check_manifest(path, text))
        .collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(path, 0, format!("not TOML: {error}"))],
    };
    let mut findings = Vec::new();
    let mut report = |name: &str, problem: &str| {
        findings.push(Finding::new(
            path,
            line_of(text, name),
            format!("{name}: {problem}"),
        ));
    };
    let shared = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"));
    for (name, dependency) in entries(shared) {
        if let Some(problem) = problem_with_shared(dependency) {
            report(name, problem);
        }
    }
    let per_platform = entries(manifest.get("target")).map(|(_, platform)| platform);
    let whole = Value::Table(manifest.clone());
    for table in std::iter::once(&whole).chain(per_platform) {
        for (name, dependency) in SECTIONS
            .into_iter()
            .flat_map(|section| entries(table.get(section)))
        {
            if dependency.get("workspace").and_then(Value::as_bool) != Some(true) {
                report(
                    name,
                    "name its version in the root Cargo.toml, and say `workspace = true` here",
                );
            }
        }
    }
    findings
}

fn entries(table: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    table.and_then(Value::as_table).into_iter().flatten()
}

fn problem_with_shared(dependency: &Value) -> Option<&'static str> {
    if dependency.get("git").is_some() {
        return Some("a git dependency; take a published version");
    }
    if dependency.get("path").is_some() {
        return None;
    }
    let version = dependency
        .as_str()
        .or_else(|| dependency.get("version")?.as_str())
        .unwrap_or_default();
    let is_full =
        version.split('.').count() >= 3 && version.starts_with(|first: char| first.is_ascii_digit());
    if version.contains('*') || !is_full {
        return Some("give the full version it was tried with, such as \"1.2.3\"");
    }
    None
}

/// The first line that assigns to the name; 0 when there is none (a dotted table).
fn line_of(text: &str, name: &str) -> usize {
    let assigns = |line: &str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([' ', '=', '.']))
    };
    text.lines().position(assigns).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        check(&Tree::from([("Cargo.toml", text)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn pinned_versions_and_paths_are_fine() {
        let text = "[workspace.dependencies]\nhouse = { path = \"house\" }\nserde = \"1.0.229\"\ntokio = { version = \"1.54.1\", features = [] }\n";
        assert_eq!(problems(text), [""; 0]);
        assert_eq!(problems("[dependencies]\nserde.workspace = true\n"), [""; 0]);
    }

    #[test]
    fn loose_versions_are_found() {
        for version in [
            "\"*\"",
            "\"1\"",
            "{ version = \"1.*\" }",
            "\">=1.2.3\"",
            "{ git = \"https://host/x\" }",
            "{}",
        ] {
            let found = problems(&format!("[workspace.dependencies]\nserde = {version}\n"));
            assert_eq!(found.len(), 1, "{version}: {found:?}");
            assert!(found[0].starts_with("Cargo.toml:2: serde: "), "{found:?}");
        }
    }

    #[test]
    fn a_version_of_ones_own_is_found_in_every_section() {
        for section in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let found = problems(&format!("[{section}]\nserde = \"1.0.229\"\n"));
            assert_eq!(found.len(), 1, "{section}: {found:?}");
        }
    }

    #[test]
    fn what_is_not_toml_is_found() {
        assert_eq!(problems("[").len(), 1);
    }
}
