//! Which file goes where, below `/` of a system or below the folder of a tarball.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;

use super::archive::Entry;
use crate::process;
use crate::workspace::Workspace;

/// Where each shell looks for completions.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "usr/share/bash-completion/completions/rbee"),
    ("zsh", "usr/share/zsh/vendor-completions/_rbee"),
    ("fish", "usr/share/fish/vendor_completions.d/rbee.fish"),
];

/// Everything that is installed.
pub(super) fn entries(
    workspace: &Workspace,
    staged: &Path,
    programs: &[(&str, &str)],
    version: &str,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (program, _) in programs {
        let place = place_of(program);
        entries.push(Entry::program(
            format!("{place}/{program}"),
            fs::read(staged.join(program))?,
        ));
    }
    for (shell, path) in COMPLETIONS {
        let mut command = workspace.tool(staged.join("rbee"));
        let script = process::run_quietly(command.args(["completions", shell]))?.stdout;
        entries.push(Entry::file(*path, script));
    }
    for unit in files(&workspace.root.join("deploy/systemd"), "service")? {
        let content = fs::read(workspace.root.join("deploy/systemd").join(&unit))?;
        entries.push(Entry::file(format!("usr/lib/systemd/system/{unit}"), content));
    }
    let documents = "usr/share/doc/rbee";
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
    ] {
        entries.push(Entry::file(
            format!("{documents}/{name}"),
            fs::read(workspace.root.join(name))?,
        ));
    }
    entries.push(Entry::file(
        format!("{documents}/copyright"),
        format!(
            "rbee {version}\n\nMIT OR Apache-2.0, as you like: LICENSE-MIT and LICENSE-APACHE beside this file.\n"
        ),
    ));
    documents_below(
        &workspace.root.join("docs"),
        &format!("{documents}/docs"),
        &mut entries,
    )?;
    let environment = fs::read(workspace.root.join("deploy/systemd/environment"))?;
    // Tokens may stand in it.
    entries.push(Entry {
        mode: 0o640,
        ..Entry::file("etc/rbee/environment", environment)
    });
    Ok(entries)
}

/// Workers are run by hives, not by people.
fn place_of(program: &str) -> &'static str {
    if program.contains("-worker-") {
        "usr/lib/rbee"
    } else {
        "usr/bin"
    }
}

/// The same entries as a tarball has them: below one folder, without `usr`.
pub(super) fn below(entries: &[Entry], name: &str) -> Vec<Entry> {
    let place = |path: &str| format!("{name}/{}", path.strip_prefix("usr/").unwrap_or(path));
    entries
        .iter()
        .map(|entry| Entry {
            path: place(&entry.path),
            ..entry.clone()
        })
        .collect()
}

fn files(folder: &Path, extension: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_name().context("a file has a name")?;
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn documents_below(folder: &Path, place: &str, entries: &mut Vec<Entry>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let place = format!("{place}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            documents_below(&entry.path(), &place, entries)?;
        } else {
            entries.push(Entry::file(place, fs::read(entry.path())?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tarball_has_bin_and_lib_beside_each_other() {
        let entries = [
            Entry::program("usr/bin/rbee", "x"),
            Entry::program("usr/lib/rbee/llm-worker-rbee-cpu", "x"),
            Entry::file("etc/rbee/environment", "x"),
        ];
        let paths: Vec<String> = below(&entries, "rbee-1")
            .into_iter()
            .map(|entry| entry.path)
            .collect();
        assert_eq!(
            paths,
            [
                "rbee-1/bin/rbee",
                "rbee-1/lib/rbee/llm-worker-rbee-cpu",
                "rbee-1/etc/rbee/environment"
            ]
        );
        assert_eq!(place_of("sd-worker-rbee-cpu"), "usr/lib/rbee");
        assert_eq!(place_of("rbee-hive"), "usr/bin");
    }

    /// How much a unit may be exposed, in tenths, as `systemd-analyze security` counts.
    const EXPOSURE: &[(&str, u32)] = &[
        ("rbee-catalog.service", 20),
        ("rbee-hive.service", 25),
        ("rbee-provisioner.service", 40),
        ("rbee.service", 45),
    ];

    #[test]
    fn the_units_are_sound_and_confined() {
        if !process::succeeds("systemd-analyze", &["--version"]) {
            eprintln!("skipped: there is no systemd-analyze here");
            return;
        }
        let workspace = Workspace::find().unwrap();
        let source = workspace.root.join("deploy/systemd");
        let folder = tempfile::tempdir().unwrap();
        let units = files(&source, "service").unwrap();
        let named: Vec<&str> = EXPOSURE.iter().map(|(unit, _)| *unit).collect();
        assert_eq!(units, named);
        for (unit, limit) in EXPOSURE {
            let text = std::fs::read_to_string(source.join(unit)).unwrap();
            assert!(text.contains("ExecStart=/usr/bin/rbee"), "{unit}");
            // The programs are not installed where this runs; anything else that is wrong is told.
            let text: String = text
                .lines()
                .map(|line| match line.starts_with("ExecStart=") {
                    true => "ExecStart=/bin/true\n".to_owned(),
                    false => format!("{line}\n"),
                })
                .collect();
            let path = folder.path().join(unit);
            std::fs::write(&path, text).unwrap();
            let mut verify = std::process::Command::new("systemd-analyze");
            let said = process::run_quietly(verify.args(["verify", "--man=no"]).arg(&path)).unwrap();
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(!said.contains(unit), "{said}");
            let mut security = std::process::Command::new("systemd-analyze");
            security.args(["security", "--offline=true", &format!("--threshold={limit}")]);
            process::run_quietly(security.arg(&path)).unwrap();
        }
    }
}
