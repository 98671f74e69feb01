//! Searches whose answers come late, twice or not at all.

use proptest::prelude::*;

use super::*;
use crate::model::cluster::{Hardware, WorkerKind, WorkerType};

fn offer(id: &str) -> Offer {
    Offer {
        id: id.to_owned(),
        name: id.to_owned(),
        author: String::new(),
        kind: Some(OfferKind::Llm),
        base_model: String::new(),
        downloads: None,
        likes: None,
        licence: String::new(),
        gate: None,
        nsfw: false,
        updated_at: None,
        size_bytes: None,
        thumbnail_url: String::new(),
        page_url: String::new(),
        tags: Vec::new(),
        local: None,
        already_here: false,
        version_name: String::new(),
        versions: Vec::new(),
    }
}

fn page(ids: &[&str], next: Option<&str>) -> OfferPage {
    OfferPage {
        offers: ids.iter().map(|id| offer(id)).collect(),
        next: next.map(str::to_owned),
    }
}

fn ids(search: &Search<&'static str>) -> Vec<String> {
    search.shown(None).iter().map(|offer| offer.id.clone()).collect()
}

#[test]
fn an_answer_to_an_earlier_search_is_passed_over() {
    let mut search = Search::<&str>::new(Hub::HuggingFace);
    let first = search.begin();
    let second = search.begin();
    search.arrived(first, Ok(page(&["old"], None)));
    assert!(search.offers.is_waiting());
    search.arrived(second, Ok(page(&["new"], None)));
    assert_eq!(ids(&search), ["new"]);
    search.arrived(first, Err("late"));
    assert_eq!(ids(&search), ["new"]);
}

#[test]
fn pages_follow_each_other_without_what_came_before() {
    let mut search = Search::<&str>::new(Hub::CivitAi);
    let ticket = search.begin();
    assert!(search.begin_more().is_none(), "there is no next page yet");
    search.arrived(ticket, Ok(page(&["a", "b"], Some("2"))));
    let (ticket, next) = search.begin_more().expect("there is a next page");
    assert_eq!(next, "2");
    assert!(search.begin_more().is_none(), "it is on its way");
    search.arrived(ticket, Ok(page(&["b", "c"], None)));
    assert_eq!(ids(&search), ["a", "b", "c"]);
    assert!(search.begin_more().is_none());
}

#[test]
fn a_next_page_that_fails_leaves_what_is_there_and_can_be_asked_for_again() {
    let mut search = Search::<&str>::new(Hub::CivitAi);
    let ticket = search.begin();
    search.arrived(ticket, Ok(page(&["a"], Some("2"))));
    let (ticket, _) = search.begin_more().expect("there is a next page");
    search.arrived(ticket, Err("no"));
    assert_eq!(ids(&search), ["a"]);
    assert_eq!(search.more, Loading::Failed("no"));
    assert!(search.begin_more().is_some());
}

#[test]
fn what_is_not_safe_for_work_shows_only_where_it_is_asked_for() {
    let mut search = Search::<&str>::new(Hub::CivitAi);
    let ticket = search.begin();
    let answer = OfferPage {
        offers: vec![
            Offer {
                nsfw: true,
                ..offer("a")
            },
            offer("b"),
        ],
        next: None,
    };
    search.arrived(ticket, Ok(answer));
    assert_eq!(ids(&search), ["b"]);
    search.filters.include_nsfw = true;
    assert_eq!(ids(&search), ["a", "b"]);
}

#[test]
fn sizes_that_are_known_are_held_against_what_is_wanted() {
    let mut filters = Filters::new(Hub::HuggingFace);
    let sized = |size_bytes| Offer {
        size_bytes,
        ..offer("a")
    };
    filters.largest_bytes = Some(8 << 30);
    assert!(filters.pass(&sized(Some(8 << 30)), None));
    assert!(!filters.pass(&sized(Some((8 << 30) + 1)), None));
    assert!(
        filters.pass(&sized(None), None),
        "a hub that does not say sizes is not empty"
    );
    filters = Filters {
        fits_only: true,
        ..Filters::new(Hub::HuggingFace)
    };
    assert!(!filters.pass(&sized(Some(25 << 30)), Some(24 << 30)));
    assert!(filters.pass(&sized(Some(25 << 30)), None));
}

#[test]
fn fitting_is_judged_with_what_a_worker_takes_beside_its_weights() {
    let gib = |count: u64| Some(count << 30);
    assert_eq!(Fits::judge(gib(8), gib(24)), Fits::Likely);
    assert_eq!(Fits::judge(gib(22), gib(24)), Fits::Tight);
    assert_eq!(Fits::judge(gib(25), gib(24)), Fits::TooLarge);
    assert_eq!(Fits::judge(None, gib(24)), Fits::Unknown);
    assert_eq!(Fits::judge(gib(1), None), Fits::Unknown);
}

#[test]
fn only_what_was_changed_counts_as_a_filter() {
    for hub in Hub::ALL {
        assert_eq!(Filters::new(hub).count(hub), 0);
    }
    let filters = Filters {
        include_nsfw: true,
        architecture: "qwen3".to_owned(),
        ..Filters::new(Hub::HuggingFace)
    };
    assert_eq!(filters.count(Hub::HuggingFace), 2);
    assert_eq!(
        Filters {
            text: " chat ".to_owned(),
            ..filters
        }
        .words(),
        "chat qwen3"
    );
}

#[test]
fn the_plan_of_another_choice_is_passed_over() {
    let mut details = Details::<&str>::open(offer("a"));
    details.choose("a:Q8_0".to_owned());
    details.arrived("a", Err("late"));
    assert!(details.plan.is_waiting());
    details.arrived("a:Q8_0", Err("gated"));
    assert_eq!(details.plan, Loading::Failed("gated"));
}

#[test]
fn a_package_is_found_by_words_and_by_hardware() {
    let worker_type = WorkerType {
        hardware: Hardware::Cuda,
        kind: WorkerKind::Text,
    };
    let package = Package {
        name: "llm-worker-rbee-cuda-git".to_owned(),
        worker_type: Some(worker_type),
        version: String::new(),
        description: "Text generation on NVIDIA GPUs".to_owned(),
        licence: String::new(),
        architectures: Vec::new(),
        supported: true,
        dependencies: Vec::new(),
        preferred: true,
        problem: String::new(),
        installed: Vec::new(),
    };
    assert!(package.matches("", None));
    assert!(package.matches("nvidia GIT", Some(Hardware::Cuda)));
    assert!(!package.matches("nvidia", Some(Hardware::Cpu)));
    assert!(!package.matches("metal", None));
    let unknown = Package {
        worker_type: None,
        ..package
    };
    assert!(!unknown.matches("", Some(Hardware::Cuda)));
}

#[test]
fn names_lead_back() {
    assert!(Hub::ALL.into_iter().all(|hub| Hub::of(hub.id()) == Some(hub)));
    assert!(
        Sort::ALL
            .into_iter()
            .all(|sort| Sort::of(sort.id()) == Some(sort))
    );
    assert!(
        OfferKind::ALL
            .into_iter()
            .all(|kind| OfferKind::of(kind.id()) == Some(kind))
    );
}

proptest! {
    #[test]
    fn no_offer_shows_twice(pages in prop::collection::vec(prop::collection::vec(0_u8..20, 1..6), 1..6)) {
        let mut search = Search::<&str>::new(Hub::HuggingFace);
        let mut ticket = search.begin();
        for numbers in pages {
            let mut unique = numbers.clone();
            unique.sort_unstable();
            unique.dedup();
            let offers = unique.iter().map(|number| offer(&number.to_string())).collect();
            search.arrived(ticket, Ok(OfferPage { offers, next: Some("more".to_owned()) }));
            if let Some((next, _)) = search.begin_more() {
                ticket = next;
            }
            let mut shown = ids(&search);
            let count = shown.len();
            shown.sort();
            shown.dedup();
            prop_assert_eq!(shown.len(), count);
        }
    }
}
