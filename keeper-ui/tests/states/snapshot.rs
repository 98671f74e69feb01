//! What the states were the last time somebody looked at them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rbee_keeper::theme;

use crate::areas::AREAS;
use crate::html::Document;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots")
}

/// The first line in which two texts differ, as a person would want it shown.
fn difference(was: &str, is: &str) -> String {
    let mut lines = was.lines().zip(is.lines()).enumerate();
    match lines.find(|(_, (was, is))| was != is) {
        Some((line, (was, is))) => format!("line {}:\n  was {}\n  is  {}", line + 1, was.trim(), is.trim()),
        None => format!("{} lines, now {}", was.lines().count(), is.lines().count()),
    }
}

#[test]
fn every_state_looks_as_it_did() {
    let bless = std::env::var_os("RBEE_BLESS").is_some();
    let mut wrong = Vec::new();
    for area in AREAS {
        for state in area.states {
            let path = folder().join(area.name).join(state.name).with_extension("html");
            let is = Document::read(&state.render())
                .unwrap_or_else(|error| panic!("{}/{}: {error}", area.name, state.name))
                .pretty();
            if bless {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &is).unwrap();
                continue;
            }
            match std::fs::read_to_string(&path) {
                Ok(was) if was == is => {}
                Ok(was) => wrong.push(format!("{}/{}, {}", area.name, state.name, difference(&was, &is))),
                Err(_) => wrong.push(format!("{}/{} has no snapshot", area.name, state.name)),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "look at these, then RBEE_BLESS=1:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_snapshot_is_of_a_state_that_is_no_more() {
    let mut left: BTreeSet<PathBuf> = BTreeSet::new();
    for area in std::fs::read_dir(folder()).unwrap() {
        for file in std::fs::read_dir(area.unwrap().path()).unwrap() {
            left.insert(file.unwrap().path());
        }
    }
    for area in AREAS {
        for state in area.states {
            left.remove(&folder().join(area.name).join(state.name).with_extension("html"));
        }
    }
    if std::env::var_os("RBEE_BLESS").is_some() {
        for path in left {
            std::fs::remove_file(path).unwrap();
        }
    } else {
        assert!(left.is_empty(), "{left:#?}");
    }
}

#[test]
fn every_name_is_of_one_state() {
    for area in AREAS {
        let names: BTreeSet<&str> = area.states.iter().map(|state| state.name).collect();
        assert_eq!(names.len(), area.states.len(), "a name twice in {}", area.name);
    }
}

#[test]
fn a_drawing_depends_on_its_state_alone() {
    for state in AREAS.iter().flat_map(|area| area.states) {
        assert_eq!(state.render(), state.render(), "{}", state.name);
    }
}

/// Writes pages to look at, where somebody asked for them.
#[test]
fn states_can_be_looked_at() {
    let Some(folder) = std::env::var_os("RBEE_LOOK").map(PathBuf::from) else {
        return;
    };
    let sheet = theme::sheet();
    std::fs::create_dir_all(&folder).unwrap();
    for area in AREAS {
        for state in area.states {
            for theme in ["light", "dark"] {
                let page = format!(
                    "<!doctype html><html data-theme=\"{theme}\"><meta charset=\"utf-8\"><style>{sheet}</style><body><div id=\"main\" style=\"display:flex;flex-direction:column\">{}</div>",
                    state.render()
                );
                std::fs::write(
                    folder.join(format!("{}-{}-{theme}.html", area.name, state.name)),
                    page,
                )
                .unwrap();
            }
        }
    }
}
