//! Draws every state of every part of the window to text: compares it with what it was, and asks what those who do not look
//! at it, or do not use a pointer, find there.
//!
//! An area says its states in a module below `areas`. `RBEE_BLESS=1` writes the snapshots anew; `RBEE_LOOK=<folder>` writes each
//! state as a page with the window's own sheet, in both themes, to be opened in a browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says no by panicking"
)]

mod accessibility;
mod areas;
mod html;
mod snapshot;
mod style;

use dioxus::prelude::*;

/// Something to draw.
struct State {
    /// Its name, which is also its snapshot's.
    name: &'static str,
    /// Draws it.
    draw: fn() -> Element,
}

/// States of one area.
struct Area {
    /// Its name, which is also its snapshots' folder.
    name: &'static str,
    /// Its states.
    states: &'static [State],
}

impl State {
    const fn new(name: &'static str, draw: fn() -> Element) -> Self {
        Self { name, draw }
    }

    /// The state as HTML.
    fn render(&self) -> String {
        let mut dom = VirtualDom::new(self.draw);
        dom.rebuild_in_place();
        dioxus_ssr::render(&dom)
    }
}
