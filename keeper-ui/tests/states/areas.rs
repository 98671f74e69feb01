//! The areas of the window, each with its states.

mod app;
mod components;
mod first_start;
mod image;
mod marketplace;
mod models;
mod pages;
mod sample;
mod text;
mod wizard;

use crate::Area;

/// All areas.
pub(crate) const AREAS: &[Area] = &[
    Area {
        name: "app",
        states: app::STATES,
    },
    Area {
        name: "first_start",
        states: first_start::STATES,
    },
    Area {
        name: "components",
        states: components::STATES,
    },
    Area {
        name: "image",
        states: image::STATES,
    },
    Area {
        name: "pages",
        states: pages::STATES,
    },
    Area {
        name: "text",
        states: text::STATES,
    },
    Area {
        name: "wizard",
        states: wizard::STATES,
    },
    Area {
        name: "models",
        states: models::STATES,
    },
    Area {
        name: "marketplace",
        states: marketplace::STATES,
    },
];
