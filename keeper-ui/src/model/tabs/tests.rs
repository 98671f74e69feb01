//! Tests of the tabs.

use proptest::prelude::*;

use super::*;
use crate::model::cluster::ClusterChange;
use crate::model::sample::{cluster, failed, worker};

fn ids(tabs: &Tabs) -> Vec<String> {
    tabs.shown().map(|tab| tab.worker.to_string()).collect()
}

#[test]
fn a_tab_appears_with_its_worker_whoever_spawned_it() {
    let mut tabs = Tabs::default();
    let mut view = cluster(&["a"]);
    assert_eq!(tabs.sync(&view), ["a".into()]);
    view.apply(ClusterChange::Worker(Box::new(worker("b", WorkerKind::Image))));
    assert_eq!(tabs.sync(&view), ["b".into()]);
    assert_eq!(tabs.sync(&view), [], "and once only");
    assert_eq!(tabs.get(&"b".into()).unwrap().kind, WorkerKind::Image);
}

#[test]
fn it_stays_with_the_reason_when_its_worker_fails_and_leaves() {
    let mut tabs = Tabs::default();
    let mut view = cluster(&["a"]);
    tabs.sync(&view);
    view.apply(ClusterChange::Worker(Box::new(failed("a"))));
    tabs.sync(&view);
    assert_eq!(
        tabs.get(&"a".into()).unwrap().presence,
        Presence::Here,
        "a failed worker rests in the cluster"
    );
    view.apply(ClusterChange::WorkerRemoved("a".into()));
    tabs.sync(&view);
    let expected = Departure::Failed {
        reason: "WORKER_EXITED".to_owned(),
        message: "it left".to_owned(),
    };
    assert_eq!(tabs.get(&"a".into()).unwrap().presence, Presence::Gone(expected));
    tabs.close(&"a".into());
    assert!(
        ids(&tabs).is_empty() && !tabs.can_reopen(),
        "what is gone can't be reopened"
    );
}

#[test]
fn what_somebody_else_stopped_stays_and_what_this_window_stopped_goes() {
    let mut tabs = Tabs::default();
    tabs.sync(&cluster(&["a", "b"]));
    tabs.expect_stop(&"b".into());
    tabs.sync(&cluster(&["a", "b"]));
    assert_eq!(ids(&tabs), ["a", "b"]);
    tabs.sync(&cluster(&[]));
    assert_eq!(ids(&tabs), ["a"]);
    assert_eq!(
        tabs.get(&"a".into()).unwrap().presence,
        Presence::Gone(Departure::Stopped)
    );
}

#[test]
fn a_worker_that_comes_back_has_its_tab_back() {
    let mut tabs = Tabs::default();
    tabs.sync(&cluster(&["a", "b"]));
    tabs.sync(&cluster(&["b"]));
    tabs.sync(&cluster(&["a", "b"]));
    assert_eq!(tabs.get(&"a".into()).unwrap().presence, Presence::Here);
    assert_eq!(ids(&tabs), ["a", "b"]);
}

#[test]
fn a_closed_tab_stays_closed_until_it_is_reopened() {
    let mut tabs = Tabs::default();
    let view = cluster(&["a", "b", "c"]);
    tabs.sync(&view);
    tabs.close(&"a".into());
    tabs.close(&"c".into());
    assert_eq!(tabs.sync(&view), []);
    assert_eq!(ids(&tabs), ["b"]);
    assert_eq!(tabs.reopen(), Some("c".into()));
    assert_eq!(tabs.sync(&view), ["c".into()]);
    tabs.reopen_of(&"a".into());
    tabs.sync(&view);
    assert_eq!(ids(&tabs), ["b", "c", "a"]);
}

#[test]
fn pinned_tabs_stand_first_whatever_is_moved() {
    let mut tabs = Tabs::default();
    tabs.sync(&cluster(&["a", "b", "c", "d"]));
    tabs.set_pinned(&"c".into(), true);
    assert_eq!(ids(&tabs), ["c", "a", "b", "d"]);
    tabs.move_before(&"d".into(), Some(&"c".into()));
    assert_eq!(ids(&tabs), ["c", "d", "a", "b"]);
    tabs.move_before(&"c".into(), None);
    assert_eq!(ids(&tabs), ["c", "d", "a", "b"]);
    tabs.move_by_one(&"d".into(), true);
    assert_eq!(ids(&tabs), ["c", "a", "d", "b"]);
    tabs.move_by_one(&"d".into(), false);
    assert_eq!(ids(&tabs), ["c", "d", "a", "b"]);
    tabs.set_pinned(&"c".into(), false);
    assert_eq!(ids(&tabs), ["c", "d", "a", "b"]);
}

#[test]
fn the_next_start_finds_the_tabs_again() {
    let mut tabs = Tabs::default();
    tabs.sync(&cluster(&["a", "b", "c", "d"]));
    tabs.move_before(&"d".into(), Some(&"a".into()));
    tabs.set_pinned(&"b".into(), true);
    tabs.close(&"c".into());
    let (saved, closed) = tabs.saved();

    let mut again = Tabs::restored(saved, closed);
    assert_eq!(ids(&again), ["b", "d", "a"], "before the cluster tells");
    again.sync(&ClusterView::default());
    assert_eq!(
        ids(&again),
        ["b", "d", "a"],
        "what has not told all yet says nothing of what is missing"
    );
    again.sync(&cluster(&["a", "b", "c", "e"]));
    assert_eq!(
        ids(&again),
        ["b", "a", "e"],
        "d is away, and no grave of it is shown; c stays closed"
    );
    again.sync(&cluster(&["a", "b", "c", "d", "e"]));
    assert_eq!(
        ids(&again),
        ["b", "d", "a", "e"],
        "a worker that its hive brings back later takes its place again"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Sync(Vec<u8>),
    Close(u8),
    Reopen,
    Pin(u8, bool),
    Move(u8, Option<u8>),
    Stop(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0_u8..6;
    prop_oneof![
        proptest::collection::vec(id.clone(), 0..6).prop_map(Step::Sync),
        id.clone().prop_map(Step::Close),
        Just(Step::Reopen),
        (id.clone(), any::<bool>()).prop_map(|(id, pinned)| Step::Pin(id, pinned)),
        (id.clone(), proptest::option::of(id.clone())).prop_map(|(id, before)| Step::Move(id, before)),
        id.prop_map(Step::Stop),
        Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_worker_has_one_tab_and_pinned_ones_stand_first(steps in proptest::collection::vec(step(), 0..40)) {
        let name = |id: u8| WorkerId::from(id.to_string());
        let mut tabs = Tabs::default();
        for step in steps {
            match step {
                Step::Sync(workers) => {
                    let names: Vec<String> = workers.iter().map(u8::to_string).collect();
                    let view = cluster(&names.iter().map(String::as_str).collect::<Vec<_>>());
                    tabs.sync(&view);
                    for worker in view.workers.keys() {
                        prop_assert!(tabs.get(worker).is_some() || tabs.closed.contains(worker));
                    }
                }
                Step::Close(id) => tabs.close(&name(id)),
                Step::Reopen => drop(tabs.reopen()),
                Step::Pin(id, pinned) => tabs.set_pinned(&name(id), pinned),
                Step::Move(id, before) => tabs.move_before(&name(id), before.map(name).as_ref()),
                Step::Stop(id) => tabs.expect_stop(&name(id)),
                Step::Restart => {
                    let (saved, closed) = tabs.saved();
                    tabs = Tabs::restored(saved, closed);
                }
            }
            let mut seen: Vec<_> = tabs.tabs.iter().map(|tab| tab.worker.clone()).collect();
            seen.sort();
            let count = seen.len();
            seen.dedup();
            prop_assert_eq!(seen.len(), count);
            prop_assert!(tabs.tabs.is_sorted_by_key(|tab| !tab.pinned));
        }
    }
}
