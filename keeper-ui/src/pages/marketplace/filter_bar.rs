//! What is looked for.

use dioxus::prelude::*;

use super::screen::Wish;
use crate::components::{Button, Checkbox, Choice, IconName, SearchField, Select, TextField};
use crate::model::marketplace::{Filters, Hub, OfferKind, Sort};
use crate::model::models::DiffusionVersion;

/// Quantizations that are met most, from the smallest.
const QUANTIZATIONS: &[&str] = &[
    "IQ4_XS", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16", "BF16",
];
/// Sizes to choose from, in GiB.
const SIZES: &[u64] = &[2, 4, 8, 16, 32, 64];

/// The search and the filters of a hub.
#[component]
pub(super) fn FilterBar(hub: Hub, filters: Filters, onwish: EventHandler<Wish>) -> Element {
    let mut open = use_signal(|| false);
    let count = filters.count(hub);
    let look = move |filters: Filters| {
        onwish.call(Wish::Look {
            filters,
            at_once: true,
        });
    };
    let (typed, entered, sorted) = (filters.clone(), filters.clone(), filters.clone());
    let sorts = Sort::ALL
        .into_iter()
        .map(|sort| Choice::new(sort.id(), sort.label()))
        .collect::<Vec<_>>();
    rsx! {
        div { class: "filters",
            SearchField {
                label: "Search {hub.label()}",
                value: filters.text.clone(),
                placeholder: "Search {hub.label()}",
                oninput: move |text| onwish.call(Wish::Look { filters: Filters { text, ..typed.clone() }, at_once: false }),
                onenter: move |()| look(entered.clone()),
            }
            div { class: "filters__sort",
                Select {
                    label: "Sort by",
                    hide_label: true,
                    value: filters.sort.id(),
                    choices: sorts,
                    onchange: move |id: String| look(Filters { sort: Sort::of(&id).unwrap_or_default(), ..sorted.clone() }),
                }
            }
            Button {
                icon: IconName::Filter,
                pressed: open(),
                "aria-expanded": open().to_string(),
                onclick: move |_| open.toggle(),
                if count > 0 { "Filters · {count}" } else { "Filters" }
            }
            if open() || count > 0 {
                FilterFields { hub, filters, onwish }
            }
        }
    }
}

/// The filters one by one.
#[component]
fn FilterFields(hub: Hub, filters: Filters, onwish: EventHandler<Wish>) -> Element {
    let look = move |filters: Filters| {
        onwish.call(Wish::Look {
            filters,
            at_once: true,
        });
    };
    let with = |change: fn(&mut Filters, String)| {
        let filters = filters.clone();
        move |value: String| {
            let mut filters = filters.clone();
            change(&mut filters, value);
            look(filters);
        }
    };
    let switched = |change: fn(&mut Filters, bool)| {
        let filters = filters.clone();
        move |on: bool| {
            let mut filters = filters.clone();
            change(&mut filters, on);
            look(filters);
        }
    };
    let sized = filters.clone();
    let fitting = filters.clone();
    let written = filters.clone();
    let is_text = filters.kind == Some(OfferKind::Llm);
    rsx! {
        div { class: "filters__fields",
            Select {
                label: "Kind",
                value: filters.kind.map_or("any", OfferKind::id),
                choices: any(OfferKind::ALL.into_iter().map(|kind| Choice::new(kind.id(), kind.label()))),
                onchange: with(|filters, id| filters.kind = OfferKind::of(&id)),
            }
            if is_text {
                TextField {
                    label: "Architecture",
                    value: filters.architecture.clone(),
                    placeholder: "any, such as qwen3",
                    oninput: move |architecture| onwish.call(Wish::Look { filters: Filters { architecture, ..written.clone() }, at_once: false }),
                }
                Select {
                    label: "Quantization",
                    value: if filters.quantization.is_empty() { "any".to_owned() } else { filters.quantization.clone() },
                    choices: any(QUANTIZATIONS.iter().map(|name| Choice::new(*name, *name))),
                    onchange: with(|filters, id| filters.quantization = if id == "any" { String::new() } else { id }),
                }
            } else {
                Select {
                    label: "Base model",
                    value: filters.base.map_or("any", DiffusionVersion::label),
                    choices: any(BASES.iter().map(|base| Choice::new(base.label(), base.label()))),
                    onchange: with(|filters, id| filters.base = BASES.iter().copied().find(|base| base.label() == id)),
                }
            }
            Select {
                label: "Size",
                value: filters.largest_bytes.map_or_else(|| "any".to_owned(), |bytes| (bytes >> 30).to_string()),
                choices: any(SIZES.iter().map(|size| Choice::new(size.to_string(), format!("up to {size} GiB")))),
                onchange: move |id: String| {
                    let largest_bytes = id.parse::<u64>().ok().map(|size| size << 30);
                    onwish.call(Wish::Filter(Filters { largest_bytes, ..sized.clone() }));
                },
            }
            div { class: "filters__checks",
                Checkbox {
                    label: "Would fit a device here",
                    checked: filters.fits_only,
                    onchange: move |fits_only| onwish.call(Wish::Filter(Filters { fits_only, ..fitting.clone() })),
                }
                if hub == Hub::HuggingFace && is_text {
                    Checkbox {
                        label: "Only GGUF",
                        checked: filters.gguf_only,
                        onchange: switched(|filters, on| filters.gguf_only = on),
                    }
                }
                Checkbox {
                    label: "Also not safe for work",
                    checked: filters.include_nsfw,
                    onchange: switched(|filters, on| filters.include_nsfw = on),
                }
            }
            if filters.count(hub) > 0 {
                Button {
                    icon: IconName::Close,
                    onclick: move |_| look(Filters { text: filters.text.clone(), sort: filters.sort, ..Filters::new(hub) }),
                    "Reset"
                }
            }
        }
    }
}

/// Generations that a model can go with.
const BASES: &[DiffusionVersion] = &[
    DiffusionVersion::V1_5,
    DiffusionVersion::V2_1,
    DiffusionVersion::Xl,
    DiffusionVersion::XlTurbo,
    DiffusionVersion::XlRefiner,
];

/// Choices with one more that is none of them.
fn any(choices: impl Iterator<Item = Choice>) -> Vec<Choice> {
    std::iter::once(Choice::new("any", "Any"))
        .chain(choices)
        .collect()
}
