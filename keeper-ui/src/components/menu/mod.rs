//! A button that opens a list of things to do.

use std::rc::Rc;

use dioxus::prelude::*;

use super::button::ControlSize;
use super::icon::{Icon, IconName};
use super::identity::use_identity;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MenuItem {
    /// What is told when it is chosen.
    pub id: String,
    /// What it says.
    pub label: String,
    /// Before the words.
    pub icon: Option<IconName>,
    /// The keys that do the same, such as `Ctrl+W`.
    pub keys: Option<&'static str>,
    /// Destroys something.
    pub danger: bool,
    /// Cannot be done now.
    pub disabled: bool,
    /// Whether a line stands before it.
    pub divided: bool,
}

impl MenuItem {
    /// One with words alone.
    #[must_use]
    pub fn new(id: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            label: label.into(),
            ..Self::default()
        }
    }
}

/// A button and its list. The arrow keys, Home and End go through it; Escape and a press beside it close it.
#[component]
pub fn Menu(
    /// What the button does, in words.
    #[props(into)]
    label: String,
    /// The button's icon.
    #[props(default = IconName::More)]
    icon: IconName,
    /// Whether the words show beside the icon.
    #[props(default)]
    show_label: bool,
    /// The button's height.
    #[props(default)]
    size: ControlSize,
    /// What there is to do.
    items: Vec<MenuItem>,
    /// Drawn open from the start.
    #[props(default)]
    start_open: bool,
    /// This was chosen.
    onselect: EventHandler<String>,
) -> Element {
    let id = use_identity("menu");
    let mut open = use_signal(|| start_open);
    let mut button = use_signal(|| None::<Rc<MountedData>>);
    let mut close = move || {
        open.set(false);
        if let Some(button) = button.peek().clone() {
            spawn(async move { drop(button.set_focus(true).await) });
        }
    };
    rsx! {
        div { class: "menu",
            button {
                class: if show_label { "button" } else { "button button--icon" },
                r#type: "button",
                "data-variant": if show_label { "quiet" } else { "plain" },
                "data-size": size.name(),
                title: (!show_label && !open()).then(|| label.clone()),
                "aria-label": (!show_label).then(|| label.clone()),
                "aria-haspopup": "menu",
                "aria-expanded": open().to_string(),
                "aria-controls": open().then(|| id.clone()),
                onmounted: move |event| button.set(Some(event.data())),
                onclick: move |_| open.toggle(),
                onkeydown: move |event| {
                    if event.key() == Key::ArrowDown {
                        event.prevent_default();
                        open.set(true);
                    }
                },
                Icon { name: icon }
                if show_label {
                    span { class: "button__label", "{label}" }
                    Icon { name: IconName::ChevronDown, size: 14 }
                }
            }
            if open() {
                // Catches the press beside the list.
                div { class: "menu__beside", onclick: move |_| close() }
                MenuList {
                    id: id.clone(),
                    label: label.clone(),
                    items,
                    onclose: move |()| close(),
                    onselect: move |chosen| {
                        close();
                        onselect.call(chosen);
                    },
                }
            }
        }
    }
}

/// The list, while it is open; by itself where something else than a button opens it.
#[component]
pub fn MenuList(
    /// Its id.
    #[props(into)]
    id: String,
    /// What it is for.
    #[props(into)]
    label: String,
    /// What there is to do.
    items: Vec<MenuItem>,
    /// Somebody wants it closed.
    onclose: EventHandler<()>,
    /// This was chosen.
    onselect: EventHandler<String>,
) -> Element {
    let mut buttons = use_signal(|| vec![None::<Rc<MountedData>>; items.len()]);
    let mut here = use_signal(|| 0_usize);
    let usable: Vec<usize> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| !item.disabled)
        .map(|(place, _)| place)
        .collect();
    let first = usable.first().copied();
    let onkeydown = move |event: KeyboardEvent| {
        event.stop_propagation();
        if matches!(event.key(), Key::Escape | Key::Tab) {
            event.prevent_default();
            onclose.call(());
            return;
        }
        let Some(next) = reached(&event.key(), here(), &usable) else {
            return;
        };
        event.prevent_default();
        here.set(next);
        if let Some(button) = buttons.peek().get(next).cloned().flatten() {
            spawn(async move { drop(button.set_focus(true).await) });
        }
    };
    rsx! {
        div { class: "menu__list", role: "menu", id: "{id}", "aria-label": "{label}", onkeydown,
            for (place, item) in items.into_iter().enumerate() {
                button {
                    key: "{item.id}",
                    class: "menu__item",
                    r#type: "button",
                    role: "menuitem",
                    tabindex: "-1",
                    disabled: item.disabled,
                    "data-danger": item.danger.then_some("true"),
                    "data-divided": item.divided.then_some("true"),
                    onmounted: move |event: MountedEvent| {
                        if first == Some(place) {
                            let button = event.data();
                            here.set(place);
                            spawn(async move { drop(button.set_focus(true).await) });
                        }
                        if let Some(slot) = buttons.write().get_mut(place) {
                            *slot = Some(event.data());
                        }
                    },
                    onclick: move |_| onselect.call(item.id.clone()),
                    span { class: "menu__icon",
                        if let Some(name) = item.icon {
                            Icon { name }
                        }
                    }
                    span { class: "menu__label", "{item.label}" }
                    if let Some(keys) = item.keys {
                        kbd { "{keys}" }
                    }
                }
            }
        }
    }
}

/// The place that a key leads to among those that can be chosen, if it leads anywhere.
fn reached(key: &Key, here: usize, usable: &[usize]) -> Option<usize> {
    let count = usable.len();
    let at = usable.iter().position(|place| *place == here);
    let next = match (key, at) {
        (Key::ArrowDown, Some(at)) => (at + 1) % count,
        (Key::ArrowUp, Some(at)) => (at + count - 1) % count,
        (Key::ArrowDown | Key::Home, _) => 0,
        (Key::ArrowUp | Key::End, _) => count.checked_sub(1)?,
        _ => return None,
    };
    usable.get(next).copied()
}

#[cfg(test)]
mod tests {
    use dioxus::prelude::Key;

    use super::reached;

    #[test]
    fn keys_pass_over_what_cannot_be_chosen() {
        let usable = [0, 2, 3];
        assert_eq!(reached(&Key::ArrowDown, 0, &usable), Some(2));
        assert_eq!(reached(&Key::ArrowUp, 2, &usable), Some(0));
        assert_eq!(reached(&Key::ArrowDown, 3, &usable), Some(0));
        assert_eq!(reached(&Key::End, 0, &usable), Some(3));
        assert_eq!(reached(&Key::ArrowDown, 0, &[]), None);
        assert_eq!(reached(&Key::End, 0, &[]), None);
    }
}
