//! Tests of the layout.

use proptest::prelude::*;

use super::*;

fn id(name: &str) -> WorkerId {
    WorkerId::from(name)
}

fn with(names: &[&str]) -> Layout {
    let mut layout = Layout::default();
    for name in names {
        layout.appeared(&id(name));
    }
    layout
}

/// `a | (b / c)`: what stands side by side and what one above the other.
fn drawn(node: Option<&Node>) -> String {
    match node {
        None => "nothing".to_owned(),
        Some(Node::Pane(worker)) => worker.to_string(),
        Some(Node::Split {
            axis, first, second, ..
        }) => {
            let sign = if *axis == Axis::Row { '|' } else { '/' };
            format!("({}{sign}{})", drawn(Some(first)), drawn(Some(second)))
        }
    }
}

#[test]
fn the_split_screen_comes_by_itself() {
    let shapes = [
        "nothing",
        "a",
        "(a|b)",
        "(a|(b/c))",
        "((a/c)|(b/d))",
        "((a/c)|(b/d))",
    ];
    let names = ["a", "b", "c", "d", "e"];
    for (count, shape) in shapes.iter().enumerate() {
        assert_eq!(&drawn(with(&names[..count]).root()), shape, "with {count}");
    }
    assert_eq!(
        with(&names).focused(),
        Some(&id("a")),
        "who types is not interrupted"
    );
}

#[test]
fn who_arranged_it_keeps_it() {
    let mut layout = with(&["a", "b"]);
    layout.arrange(Arrangement::Single, &[id("a"), id("b")]);
    assert_eq!(drawn(layout.root()), "a");
    layout.appeared(&id("c"));
    assert_eq!(drawn(layout.root()), "a");
    layout.arrange(Arrangement::Automatic, &[id("a"), id("b"), id("c")]);
    assert_eq!(drawn(layout.root()), "(a|(b/c))");
    layout.arrange(Arrangement::Rows, &[]);
    assert_eq!(drawn(layout.root()), "(a/(b/c))");
    layout.arrange(Arrangement::Columns, &[]);
    assert_eq!(drawn(layout.root()), "(a|(b|c))");
}

#[test]
fn a_tab_is_dragged_to_a_side() {
    let mut layout = with(&["a", "b"]);
    layout.split(&id("c"), &id("b"), Side::Bottom);
    assert_eq!(drawn(layout.root()), "(a|(b/c))");
    layout.split(&id("a"), &id("c"), Side::Left);
    assert_eq!(drawn(layout.root()), "(b/(a|c))");
    assert_eq!(layout.focused(), Some(&id("a")));
    layout.exchange(&id("c"), &id("b"));
    assert_eq!(drawn(layout.root()), "(c/(a|b))");
    layout.exchange(&id("x"), &id("c"));
    assert_eq!(drawn(layout.root()), "(x/(a|b))");
}

#[test]
fn a_tab_that_is_chosen_is_shown_where_the_focus_is() {
    let mut layout = with(&["a", "b", "c", "d"]);
    layout.focus(&id("d"));
    layout.show(&id("e"));
    assert_eq!(drawn(layout.root()), "((a/c)|(b/e))");
    layout.show(&id("a"));
    assert_eq!(
        drawn(layout.root()),
        "((a/c)|(b/e))",
        "what is seen is only put into focus"
    );
    assert_eq!(layout.focused(), Some(&id("a")));
}

#[test]
fn who_leaves_makes_room_for_who_waits() {
    let mut layout = with(&["a", "b", "c", "d"]);
    layout.remove(&id("b"), &[id("e")]);
    assert_eq!(drawn(layout.root()), "((a/c)|(e/d))");
    layout.remove(&id("a"), &[]);
    assert_eq!(drawn(layout.root()), "(c|(e/d))");
    assert_eq!(layout.focused(), Some(&id("c")), "the focus stays where it was");
    for name in ["c", "d", "e"] {
        layout.remove(&id(name), &[]);
    }
    assert_eq!((layout.root(), layout.focused()), (None, None));
}

#[test]
fn a_splitter_stays_where_it_was_put() {
    let mut layout = with(&["a", "b"]);
    layout.set_share(&Path::default(), 0.7);
    layout.appeared(&id("c"));
    assert_eq!(layout.root().and_then(Node::first_share), Some((Axis::Row, 0.7)));
    layout.set_share(&vec![Step::Second], 0.01);
    let Some(Node::Split { second, .. }) = layout.root() else {
        panic!("it is split")
    };
    assert_eq!(second.first_share(), Some((Axis::Column, 0.15)));
}

#[test]
fn a_damaged_file_makes_no_damaged_window() {
    let twice = r#"{"root":{"split":{"axis":"row","share":0.5,"first":{"pane":"a"},"second":{"pane":"a"}}},"focused":"a","by_hand":true}"#;
    let layout: Layout = serde_json::from_str(twice).unwrap();
    assert_eq!(layout.checked(), Layout::default());
    let odd = r#"{"root":{"split":{"axis":"row","share":7.5,"first":{"pane":"a"},"second":{"pane":"b"}}},"focused":"x","by_hand":true}"#;
    let layout = serde_json::from_str::<Layout>(odd).unwrap().checked();
    assert_eq!(layout.focused(), Some(&id("a")));
    assert_eq!(layout.root().and_then(Node::first_share), Some((Axis::Row, 0.85)));
}

#[derive(Debug, Clone)]
enum Move {
    Appeared(u8),
    Show(u8),
    Split(u8, u8, Side),
    Exchange(u8, u8),
    Remove(u8, Vec<u8>),
    Arrange(Arrangement, Vec<u8>),
    Share(Path, f64),
    Focus(u8),
    Restart,
}

fn moves() -> impl Strategy<Value = Move> {
    let id = 0_u8..12;
    let side = prop_oneof![
        Just(Side::Left),
        Just(Side::Right),
        Just(Side::Top),
        Just(Side::Bottom)
    ];
    let step = prop_oneof![Just(Step::First), Just(Step::Second)];
    let some = proptest::collection::vec(id.clone(), 0..6);
    prop_oneof![
        id.clone().prop_map(Move::Appeared),
        id.clone().prop_map(Move::Show),
        (id.clone(), id.clone(), side).prop_map(|(worker, target, side)| Move::Split(worker, target, side)),
        (id.clone(), id.clone()).prop_map(|(worker, target)| Move::Exchange(worker, target)),
        (id.clone(), some.clone()).prop_map(|(worker, waiting)| Move::Remove(worker, waiting)),
        (proptest::sample::select(&Arrangement::ALL[..]), some)
            .prop_map(|(arrangement, workers)| Move::Arrange(arrangement, workers)),
        (proptest::collection::vec(step, 0..4), -1.0..2.0_f64)
            .prop_map(|(path, share)| Move::Share(path, share)),
        id.prop_map(Move::Focus),
        Just(Move::Restart),
    ]
}

fn check(layout: &Layout) -> Result<(), TestCaseError> {
    let workers = layout.workers();
    let mut once = workers.clone();
    once.sort();
    once.dedup();
    prop_assert_eq!(once.len(), workers.len(), "a worker is in one pane at most");
    prop_assert!(workers.len() <= MOST_PANES);
    match layout.focused() {
        None => prop_assert!(workers.is_empty()),
        Some(focused) => prop_assert!(workers.contains(&focused)),
    }
    prop_assert!(workers.iter().all(|worker| !worker.as_str().is_empty()));
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_the_tree_is_whole(all in proptest::collection::vec(moves(), 0..60)) {
        let name = |id: u8| WorkerId::from(id.to_string());
        let names = |ids: Vec<u8>| -> Vec<WorkerId> {
            let mut seen = std::collections::BTreeSet::new();
            ids.into_iter().filter(|id| seen.insert(*id)).map(name).collect()
        };
        let mut layout = Layout::default();
        for one in all {
            match one {
                Move::Appeared(worker) => layout.appeared(&name(worker)),
                Move::Show(worker) => {
                    layout.show(&name(worker));
                    prop_assert_eq!(layout.focused(), Some(&name(worker)));
                }
                Move::Split(worker, target, side) => layout.split(&name(worker), &name(target), side),
                Move::Exchange(worker, target) => {
                    let before = layout.workers().len();
                    layout.exchange(&name(worker), &name(target));
                    prop_assert_eq!(layout.workers().len(), before);
                }
                Move::Remove(worker, waiting) => {
                    layout.remove(&name(worker), &names(waiting));
                    prop_assert!(!layout.contains(&name(worker)));
                }
                Move::Arrange(arrangement, workers) => layout.arrange(arrangement, &names(workers)),
                Move::Share(path, share) => layout.set_share(&path, share),
                Move::Focus(worker) => layout.focus(&name(worker)),
                Move::Restart => {
                    let written = serde_json::to_string(&layout).unwrap();
                    let again = serde_json::from_str::<Layout>(&written).unwrap().checked();
                    prop_assert_eq!(&again, &layout);
                }
            }
            check(&layout)?;
        }
    }
}
