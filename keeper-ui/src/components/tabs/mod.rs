//! One of several views, chosen by its name.

use std::collections::HashMap;
use std::rc::Rc;

use dioxus::prelude::*;

use super::icon::{Icon, IconName};
use super::identity::use_identity;

/// One tab.
#[derive(Debug, Clone, PartialEq)]
pub struct TabItem {
    /// What is told when it is chosen.
    pub id: String,
    /// What it says.
    pub label: String,
    /// Before the words.
    pub icon: Option<IconName>,
    /// How many things are behind it; absent where that says nothing.
    pub count: Option<usize>,
}

impl TabItem {
    /// A tab with words alone.
    #[must_use]
    pub fn new(id: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            label: label.into(),
            icon: None,
            count: None,
        }
    }
}

/// A row of tabs, and the view of the one that is chosen.
///
/// One stop of the Tab key; the arrow keys, Home and End choose.
#[component]
pub fn Tabs(
    /// What is chosen between.
    #[props(into)]
    label: String,
    /// The tabs.
    items: Vec<TabItem>,
    /// The id of the one that is chosen.
    #[props(into)]
    selected: String,
    /// Another was chosen.
    onselect: EventHandler<String>,
    /// The view of the one that is chosen.
    children: Element,
) -> Element {
    let id = use_identity("tabs");
    let mut buttons = use_signal(HashMap::<String, Rc<MountedData>>::new);
    let order: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
    let here = order
        .iter()
        .position(|item| *item == selected)
        .unwrap_or_default();
    let onkeydown = move |event: KeyboardEvent| {
        let Some(next) = reached(&event.key(), here, order.len()) else {
            return;
        };
        event.prevent_default();
        let next = order[next].clone();
        if let Some(button) = buttons.peek().get(&next).cloned() {
            spawn(async move { drop(button.set_focus(true).await) });
        }
        onselect.call(next);
    };
    rsx! {
        div { class: "tabs",
            div { class: "tabs__list", role: "tablist", "aria-label": "{label}", onkeydown,
                for (place, item) in items.into_iter().enumerate() {
                    button {
                        key: "{item.id}",
                        class: "tabs__item",
                        r#type: "button",
                        role: "tab",
                        id: "{id}-{place}",
                        "aria-selected": (place == here).to_string(),
                        "aria-controls": "{id}-panel",
                        tabindex: if place == here { "0" } else { "-1" },
                        onmounted: {
                            let item_id = item.id.clone();
                            move |event: MountedEvent| { buttons.write().insert(item_id.clone(), event.data()); }
                        },
                        onclick: move |_| onselect.call(item.id.clone()),
                        if let Some(name) = item.icon {
                            Icon { name }
                        }
                        span { "{item.label}" }
                        if let Some(count) = item.count {
                            span { class: "tabs__count numeric", "{count}" }
                        }
                    }
                }
            }
            div { class: "tabs__panel", role: "tabpanel", id: "{id}-panel", "aria-labelledby": "{id}-{here}", {children} }
        }
    }
}

/// The place that a key leads to among so many, if it leads anywhere.
fn reached(key: &Key, here: usize, count: usize) -> Option<usize> {
    if count == 0 {
        return None;
    }
    match key {
        Key::ArrowRight => Some((here + 1) % count),
        Key::ArrowLeft => Some((here + count - 1) % count),
        Key::Home => Some(0),
        Key::End => Some(count - 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use dioxus::prelude::Key;

    use super::reached;

    #[test]
    fn arrows_go_round_and_home_and_end_go_to_the_ends() {
        assert_eq!(reached(&Key::ArrowRight, 2, 3), Some(0));
        assert_eq!(reached(&Key::ArrowLeft, 0, 3), Some(2));
        assert_eq!(reached(&Key::Home, 2, 3), Some(0));
        assert_eq!(reached(&Key::End, 0, 3), Some(2));
        assert_eq!(reached(&Key::Enter, 0, 3), None);
        assert_eq!(reached(&Key::End, 0, 0), None);
    }
}
