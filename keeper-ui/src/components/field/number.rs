//! A number, with its unit and its bounds.

use dioxus::prelude::*;

use super::{Field, described_by};
use crate::components::identity::use_identity;

/// A number that may be absent: then the placeholder says what holds instead.
#[component]
pub fn NumberField(
    /// Its name.
    #[props(into)]
    label: String,
    /// What is in it.
    #[props(default)]
    value: Option<f64>,
    /// The least.
    #[props(default)]
    min: Option<f64>,
    /// The most.
    #[props(default)]
    max: Option<f64>,
    /// From one value to the next.
    #[props(default = 1.0)]
    step: f64,
    /// Its unit, after it.
    #[props(default, into)]
    unit: Option<String>,
    /// What holds while it is empty.
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
    /// Cannot be changed now.
    #[props(default)]
    disabled: bool,
    /// Changed; absent when it was emptied. What is no number is not told.
    onchange: EventHandler<Option<f64>>,
) -> Element {
    let id = use_identity("number");
    let described = described_by(&id, hint.as_ref(), error.as_ref());
    let shown = value.map(|value| value.to_string()).unwrap_or_default();
    let wrong = error.is_some().then_some("true");
    rsx! {
        Field { label, id: id.clone(), hint, error, hide_label,
            div { class: "number",
                input {
                    class: "input numeric",
                    id: "{id}",
                    r#type: "number",
                    inputmode: "decimal",
                    value: "{shown}",
                    min: min.map(|min| min.to_string()),
                    max: max.map(|max| max.to_string()),
                    step: "{step}",
                    placeholder,
                    disabled,
                    "aria-describedby": described,
                    "aria-invalid": wrong,
                    onchange: move |event| {
                        let text = event.value();
                        if text.trim().is_empty() {
                            onchange.call(None);
                        } else if let Ok(number) = text.trim().parse::<f64>() {
                            onchange.call(Some(within(number, min, max)));
                        }
                    },
                }
                if let Some(unit) = unit {
                    span { class: "number__unit", "aria-hidden": "true", "{unit}" }
                }
            }
        }
    }
}

/// The number, or the bound that it is beyond.
fn within(number: f64, min: Option<f64>, max: Option<f64>) -> f64 {
    let number = max.map_or(number, |max| number.min(max));
    min.map_or(number, |min| number.max(min))
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn a_number_beyond_a_bound_becomes_the_bound() {
        assert_eq!(within(7.0, Some(0.0), Some(2.0)), 2.0);
        assert_eq!(within(-7.0, Some(0.0), None), 0.0);
        assert_eq!(within(1.5, Some(0.0), Some(2.0)), 1.5);
        assert_eq!(within(99.0, None, None), 99.0);
    }
}
