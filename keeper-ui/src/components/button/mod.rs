//! Buttons: with words, or an icon alone that has a name.

use dioxus::prelude::*;

use super::icon::{Icon, IconName};
use super::progress::Spinner;

/// How much a button asks for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ButtonVariant {
    /// The one thing to do here, in the accent of the kind around it.
    Primary,
    /// One of several things to do.
    #[default]
    Quiet,
    /// Beside other things, without an edge.
    Plain,
    /// What destroys something.
    Danger,
}

impl ButtonVariant {
    const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Quiet => "quiet",
            Self::Plain => "plain",
            Self::Danger => "danger",
        }
    }
}

/// The height of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ControlSize {
    /// 24 px: in rows and bars.
    Small,
    /// 32 px.
    #[default]
    Medium,
    /// 40 px: on a page that has one thing to do.
    Large,
}

impl ControlSize {
    /// Its name in styles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// A button with words.
#[component]
pub fn Button(
    /// How much it asks for attention.
    #[props(default)]
    variant: ButtonVariant,
    /// Its height.
    #[props(default)]
    size: ControlSize,
    /// Before the words.
    #[props(default)]
    icon: Option<IconName>,
    /// Cannot be pressed now.
    #[props(default)]
    disabled: bool,
    /// Is at work: turns, and cannot be pressed again.
    #[props(default)]
    busy: bool,
    /// For a button that stays down: whether it is.
    #[props(default)]
    pressed: Option<bool>,
    /// `submit` in a form.
    #[props(default = "button")]
    kind: &'static str,
    /// Pressed.
    #[props(default)]
    onclick: EventHandler<MouseEvent>,
    /// Anything else that a button may have.
    #[props(extends = button, extends = GlobalAttributes)]
    attributes: Vec<Attribute>,
    /// The words.
    children: Element,
) -> Element {
    rsx! {
        button {
            class: "button",
            r#type: kind,
            "data-variant": variant.name(),
            "data-size": size.name(),
            disabled: disabled || busy,
            "aria-busy": busy.then_some("true"),
            "aria-pressed": pressed.map(|pressed| pressed.to_string()),
            onclick: move |event| onclick.call(event),
            ..attributes,
            if busy {
                Spinner {}
            } else if let Some(name) = icon {
                Icon { name }
            }
            span { class: "button__label", {children} }
        }
    }
}

/// A button that is an icon; its name is what those who listen hear, and what shows when the pointer rests on it.
#[component]
pub fn IconButton(
    /// The icon.
    icon: IconName,
    /// What it does, in words.
    #[props(into)]
    label: String,
    /// Its height and width.
    #[props(default)]
    size: ControlSize,
    /// How much it asks for attention.
    #[props(default = ButtonVariant::Plain)]
    variant: ButtonVariant,
    /// Cannot be pressed now.
    #[props(default)]
    disabled: bool,
    /// For a button that stays down: whether it is.
    #[props(default)]
    pressed: Option<bool>,
    /// Pressed.
    #[props(default)]
    onclick: EventHandler<MouseEvent>,
    /// Anything else that a button may have.
    #[props(extends = button, extends = GlobalAttributes)]
    attributes: Vec<Attribute>,
) -> Element {
    rsx! {
        button {
            class: "button button--icon",
            r#type: "button",
            "data-variant": variant.name(),
            "data-size": size.name(),
            disabled,
            title: "{label}",
            "aria-label": "{label}",
            "aria-pressed": pressed.map(|pressed| pressed.to_string()),
            onclick: move |event| onclick.call(event),
            ..attributes,
            Icon { name: icon }
        }
    }
}
