//! Tests of what is where.

use proptest::prelude::*;

use super::*;
use crate::model::sample::cluster;

fn seen(workspace: &Workspace) -> Vec<&str> {
    workspace
        .layout
        .workers()
        .into_iter()
        .map(WorkerId::as_str)
        .collect()
}

fn with(names: &[&str]) -> Workspace {
    let mut workspace = Workspace::default();
    workspace.sync(&cluster(names));
    workspace
}

#[test]
fn a_worker_that_another_spawned_gets_a_pane_and_disturbs_no_page() {
    let mut workspace = with(&["a"]);
    workspace.open(Page::Models);
    workspace.sync(&cluster(&["a", "b"]));
    assert_eq!(seen(&workspace), ["a", "b"]);
    assert_eq!(workspace.page, Some(Page::Models));
}

#[test]
fn a_worker_that_was_spawned_here_is_shown_when_it_comes() {
    let mut workspace = with(&["a"]);
    workspace.open(Page::Workers);
    workspace.reveal(&"b".into(), &cluster(&["a"]));
    assert_eq!(workspace.page, Some(Page::Workers), "it is not there yet");
    workspace.sync(&cluster(&["a", "b"]));
    assert_eq!(
        (workspace.page, workspace.layout.focused()),
        (None, Some(&"b".into()))
    );
    workspace.open(Page::Workers);
    workspace.sync(&cluster(&["a", "b"]));
    assert_eq!(workspace.page, Some(Page::Workers), "once only");
}

#[test]
fn a_closed_tab_leaves_the_panes_and_comes_back_in_focus() {
    let view = cluster(&["a", "b", "c", "d", "e"]);
    let mut workspace = with(&["a", "b", "c", "d", "e"]);
    workspace.close(&"a".into());
    assert_eq!(seen(&workspace), ["e", "c", "b", "d"], "who waited has the room");
    workspace.sync(&view);
    assert_eq!(workspace.tabs.shown().count(), 4);
    workspace.open(Page::Hives);
    workspace.reopen(&view);
    assert_eq!(
        (workspace.page, workspace.layout.focused()),
        (None, Some(&"a".into()))
    );
}

#[test]
fn keys_go_through_the_tabs() {
    let mut workspace = with(&["a", "b", "c"]);
    workspace.cycle(true);
    assert_eq!(workspace.layout.focused(), Some(&"b".into()));
    workspace.cycle(false);
    workspace.cycle(false);
    assert_eq!(workspace.layout.focused(), Some(&"c".into()));
    workspace.open(Page::Settings);
    workspace.show_nth(0);
    assert_eq!(
        (workspace.layout.focused(), workspace.page),
        (Some(&"a".into()), None)
    );
    workspace.show_nth(8);
    assert_eq!(workspace.layout.focused(), Some(&"a".into()));
}

#[test]
fn the_split_key_shows_one_and_all_again() {
    let mut workspace = with(&["a", "b", "c"]);
    workspace.toggle_split();
    assert_eq!(seen(&workspace), ["a"]);
    workspace.toggle_split();
    assert_eq!(seen(&workspace), ["a", "b", "c"]);
}

#[test]
fn what_is_gone_gets_no_pane_by_itself() {
    let mut workspace = with(&["a", "b", "c", "d", "e"]);
    workspace.sync(&cluster(&["a", "b", "c", "d"]));
    workspace.close(&"a".into());
    assert_eq!(seen(&workspace), ["c", "b", "d"]);
}

#[test]
fn the_next_start_looks_the_same() {
    let names = ["a", "b", "c"];
    let mut workspace = with(&names);
    workspace.drop_on(&"c".into(), &"a".into(), Some(Side::Top));
    workspace.set_share(&Path::new(), 0.3);
    workspace.tabs.set_pinned(&"b".into(), true);
    let written = serde_json::to_string(&workspace.saved()).unwrap();
    let mut again = Workspace::restored(serde_json::from_str(&written).unwrap());
    assert_eq!(again.layout, workspace.layout, "before the cluster tells");
    again.sync(&cluster(&names));
    assert_eq!((again.layout, again.tabs), (workspace.layout, workspace.tabs));
}

#[test]
fn a_file_of_another_version_is_an_empty_window() {
    let saved: SavedWorkspace = serde_json::from_str(r#"{"something":1}"#).unwrap();
    assert_eq!(Workspace::restored(saved), Workspace::default());
}

proptest! {
    #[test]
    fn every_pane_has_a_tab(steps in proptest::collection::vec((0_u8..8, 0_u8..7, proptest::collection::vec(0_u8..7, 0..7)), 0..40)) {
        let mut workspace = Workspace::default();
        let mut view = cluster(&[]);
        for (kind, id, workers) in steps {
            let worker = WorkerId::from(id.to_string());
            match kind {
                0 | 1 => {
                    let names: Vec<String> = workers.iter().map(u8::to_string).collect();
                    view = cluster(&names.iter().map(String::as_str).collect::<Vec<_>>());
                    workspace.sync(&view);
                }
                2 => workspace.close(&worker),
                3 => workspace.reopen(&view),
                4 => workspace.show(&worker),
                5 => workspace.toggle_split(),
                6 => workspace.drop_on(&worker, &workers.first().map_or_else(|| worker.clone(), |id| id.to_string().as_str().into()), Some(Side::Left)),
                _ => workspace = Workspace::restored(workspace.saved()),
            }
            for pane in workspace.layout.workers() {
                prop_assert!(workspace.tabs.get(pane).is_some(), "{} has a pane and no tab", pane);
            }
            if workspace.tabs.shown().any(|tab| !matches!(tab.presence, Presence::Gone(_))) && kind < 2 && !workspace.layout.is_by_hand() {
                prop_assert!(workspace.layout.root().is_some(), "there are workers, and the window shows none");
            }
        }
    }
}
