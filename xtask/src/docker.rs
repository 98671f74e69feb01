//! Containers: three machines on one, as `deploy/compose/test.sh` makes them.

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Runs the test, or answers why it can't be run here.
pub(crate) fn test(workspace: &Workspace) -> Result<Option<&'static str>> {
    if let Some(missing) = missing(process::succeeds) {
        return Ok(Some(missing));
    }
    process::run(&mut workspace.tool(workspace.root.join("deploy/compose/test.sh")))?;
    Ok(None)
}

/// What is missing, asked by a function that says whether a command works.
fn missing(works: impl Fn(&'static str, &[&str]) -> bool) -> Option<&'static str> {
    if !works("docker", &["info"]) {
        Some("no Docker engine answers here")
    } else if !works("docker", &["compose", "version"]) && !works("docker-compose", &["version"]) {
        Some("there is no Docker Compose here")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_engine_and_one_of_the_two_composes_are_needed() {
        assert_eq!(missing(|_, _| true), None);
        assert_eq!(missing(|program, _| program == "docker"), None);
        let debian = |program: &str, arguments: &[&str]| program == "docker-compose" || arguments == ["info"];
        assert_eq!(missing(debian), None);
        assert_eq!(missing(|_, _| false), Some("no Docker engine answers here"));
        let bare = |_: &str, arguments: &[&str]| arguments == ["info"];
        assert_eq!(missing(bare), Some("there is no Docker Compose here"));
    }

    /// The names of variables in `${NAME}`, `${NAME:-default}` and `${NAME:?why}`.
    fn variables(text: &str) -> BTreeSet<String> {
        text.match_indices("${")
            .map(|(at, mark)| {
                let name = text[at + mark.len()..].chars();
                name.take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                    .collect()
            })
            .collect()
    }

    #[test]
    fn every_setting_of_the_compose_files_is_explained() {
        let workspace = Workspace::find().unwrap();
        let folder = workspace.root.join("deploy/compose");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let mut used = BTreeSet::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".yaml") {
                used.extend(variables(&read(&name)));
            }
        }
        assert!(used.len() > 10, "{used:?}");
        let explained: BTreeSet<String> = read(".env.example")
            .lines()
            .filter_map(|line| line.trim_start_matches('#').split_once('='))
            .map(|(name, _)| name.to_owned())
            .filter(|name| !name.is_empty() && !name.contains(' '))
            .collect();
        assert_eq!(used, explained);
    }

    #[test]
    fn images_have_the_workspaces_version_everywhere() {
        let workspace = Workspace::find().unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let read = |path: &str| std::fs::read_to_string(workspace.root.join(path)).unwrap();
        for compose in ["compose.yaml", "compose.host.yaml", "compose.gpu.yaml"] {
            let text = read(&format!("deploy/compose/{compose}"));
            let images = text.matches("${RBEE_IMAGES:-rbee}/").count();
            assert!(images > 0, "{compose}");
            assert_eq!(
                text.matches(&format!("${{RBEE_VERSION:-{version}}}")).count(),
                images,
                "{compose}"
            );
        }
        for kustomization in ["base", "overlays/nvidia"] {
            let text = read(&format!("deploy/kubernetes/{kustomization}/kustomization.yaml"));
            let tags = text.matches("newTag:").count();
            assert!(tags > 0, "{kustomization}");
            assert_eq!(
                text.matches(&format!("newTag: {version}\n")).count(),
                tags,
                "{kustomization}"
            );
        }
    }
}
