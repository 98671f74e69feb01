//! The shape of what is on its way.

use dioxus::prelude::*;

/// Lines that breathe while something loads; those who listen hear the label once.
#[component]
pub fn Skeleton(
    /// What is loading.
    #[props(into)]
    label: String,
    /// How many lines.
    #[props(default = 3)]
    lines: usize,
    /// The height of a line in pixels.
    #[props(default = 16)]
    height: u32,
) -> Element {
    // Lengths that differ as those of words do, the same each time.
    let width = |line: usize| [92, 76, 84, 60, 88][line % 5];
    rsx! {
        div { class: "skeleton", role: "status", "aria-label": "{label}",
            for line in 0..lines {
                span { class: "skeleton__line", key: "{line}", style: "width: {width(line)}%; height: {height}px" }
            }
        }
    }
}
