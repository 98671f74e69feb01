//! Text, on one line and on several.

use dioxus::prelude::*;

use super::{Field, described_by};
use crate::components::button::{ControlSize, IconButton};
use crate::components::icon::{Icon, IconName};
use crate::components::identity::use_identity;
use crate::components::typed::use_typed;

/// One line of text.
#[component]
pub fn TextField(
    /// Its name.
    #[props(into)]
    label: String,
    /// What is in it.
    #[props(into)]
    value: String,
    /// `text`, `password` or `url`.
    #[props(default = "text")]
    kind: &'static str,
    /// An example of what goes in.
    #[props(default, into)]
    placeholder: Option<String>,
    /// What it means.
    #[props(default, into)]
    hint: Option<String>,
    /// What is wrong with it.
    #[props(default, into)]
    error: Option<String>,
    /// The name is for those who listen alone.
    #[props(default)]
    hide_label: bool,
    /// Cannot be written in now.
    #[props(default)]
    disabled: bool,
    /// Each change.
    oninput: EventHandler<String>,
    /// Enter was pressed.
    #[props(default)]
    onenter: EventHandler<()>,
) -> Element {
    let id = use_identity("text");
    let typed = use_typed(&id, &value);
    let described = described_by(&id, hint.as_ref(), error.as_ref());
    let wrong = error.is_some().then_some("true");
    rsx! {
        Field { label, id: id.clone(), hint, error, hide_label,
            input {
                class: "input",
                id: "{id}",
                r#type: kind,
                initial_value: typed.first(),
                placeholder,
                disabled,
                dir: "auto",
                autocomplete: "off",
                spellcheck: "false",
                "aria-describedby": described,
                "aria-invalid": wrong,
                oninput: move |event| {
                    typed.heard(&event.value());
                    oninput.call(event.value());
                },
                onkeydown: move |event| {
                    if event.key() == Key::Enter {
                        onenter.call(());
                    }
                },
            }
        }
    }
}

/// Words to look for, with a glass before them and a cross that takes them away.
#[component]
pub fn SearchField(
    /// What is searched.
    #[props(into)]
    label: String,
    /// The words.
    #[props(into)]
    value: String,
    /// An example of what goes in.
    #[props(default, into)]
    placeholder: Option<String>,
    /// Each change.
    oninput: EventHandler<String>,
    /// Enter was pressed.
    #[props(default)]
    onenter: EventHandler<()>,
) -> Element {
    let id = use_identity("search");
    let typed = use_typed(&id, &value);
    rsx! {
        div { class: "search", role: "search",
            label { class: "sr-only", r#for: "{id}", "{label}" }
            span { class: "search__glass", Icon { name: IconName::Search } }
            input {
                class: "input search__input",
                id: "{id}",
                r#type: "search",
                initial_value: typed.first(),
                placeholder,
                dir: "auto",
                autocomplete: "off",
                spellcheck: "false",
                oninput: move |event| {
                    typed.heard(&event.value());
                    oninput.call(event.value());
                },
                onkeydown: move |event| match event.key() {
                    Key::Enter => onenter.call(()),
                    Key::Escape => oninput.call(String::new()),
                    _ => {}
                },
            }
            if !value.is_empty() {
                span { class: "search__clear",
                    IconButton {
                        icon: IconName::Close,
                        label: "Clear the search",
                        size: ControlSize::Small,
                        onclick: move |_| oninput.call(String::new()),
                    }
                }
            }
        }
    }
}

/// Several lines of text.
#[component]
pub fn TextArea(
    /// Its name.
    #[props(into)]
    label: String,
    /// What is in it.
    #[props(into)]
    value: String,
    /// Lines that show at least.
    #[props(default = 3)]
    rows: u32,
    /// An example of what goes in.
    #[props(default, into)]
    placeholder: Option<String>,
    /// What it means.
    #[props(default, into)]
    hint: Option<String>,
    /// What is wrong with it.
    #[props(default, into)]
    error: Option<String>,
    /// The name is for those who listen alone.
    #[props(default)]
    hide_label: bool,
    /// Cannot be written in now.
    #[props(default)]
    disabled: bool,
    /// Each change.
    oninput: EventHandler<String>,
    /// A key was pressed; for what Enter means where several lines can be written.
    #[props(default)]
    onkeydown: EventHandler<KeyboardEvent>,
) -> Element {
    let id = use_identity("area");
    let typed = use_typed(&id, &value);
    let described = described_by(&id, hint.as_ref(), error.as_ref());
    let wrong = error.is_some().then_some("true");
    rsx! {
        Field { label, id: id.clone(), hint, error, hide_label,
            textarea {
                class: "input input--area",
                id: "{id}",
                rows: "{rows}",
                initial_value: typed.first(),
                placeholder,
                disabled,
                dir: "auto",
                "aria-describedby": described,
                "aria-invalid": wrong,
                oninput: move |event| {
                    typed.heard(&event.value());
                    oninput.call(event.value());
                },
                onkeydown: move |event| onkeydown.call(event),
            }
        }
    }
}
