//! Code with its colours and a button to copy it.

use std::sync::Arc;

use dioxus::prelude::*;

use super::colours::use_colours;
use crate::components::copy_button::CopyButton;
use crate::model::markdown::{CodeLine, Span, TokenClass};

/// Lines that are one part: those of a finished part are not looked at again while code comes in below.
const LINES_OF_A_PART: usize = 40;

/// A block of code. Its colours come in from another thread; until then it is plain.
#[component]
pub fn CodeBlock(
    /// The word after the fence; empty for none.
    language: String,
    /// The code.
    text: String,
) -> Element {
    let coloured = use_colours(&language, &text);
    let coloured = coloured.read();
    let plain = |line: &str| {
        Arc::new(vec![Span {
            class: TokenClass::Plain,
            text: line.to_owned(),
        }])
    };
    let lines: Vec<Arc<CodeLine>> = text
        .split_inclusive('\n')
        .enumerate()
        .map(|(place, line)| coloured.get(place).cloned().unwrap_or_else(|| plain(line)))
        .collect();
    let name = if language.is_empty() { "code" } else { &language };
    rsx! {
        figure { class: "code", dir: "ltr",
            figcaption { class: "code__bar",
                span { class: "code__language truncate", "{name}" }
                CopyButton { label: "Copy the code", text: move |()| text.clone() }
            }
            pre { class: "code__text", role: "region", "aria-label": "Code: {name}", tabindex: "0",
                code {
                    for (place, part) in lines.chunks(LINES_OF_A_PART).enumerate() {
                        CodePart { key: "{place}", lines: part.to_vec() }
                    }
                }
            }
        }
    }
}

/// Some lines of code.
#[component]
pub(super) fn CodePart(lines: Vec<Arc<CodeLine>>) -> Element {
    rsx! {
        for line in &lines {
            for span in line.iter() {
                if span.class == TokenClass::Plain {
                    "{span.text}"
                } else {
                    span { "data-token": span.class.name(), "{span.text}" }
                }
            }
        }
    }
}
