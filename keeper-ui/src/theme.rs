//! The window's one style sheet: tokens, what holds everywhere, and each part's own styles.

mod icon;

pub use icon::icon;

use crate::components;

/// Colours, spaces, sizes.
pub const TOKENS: &str = include_str!("theme/tokens.css");
/// What holds for the whole window.
pub const BASE: &str = include_str!("theme/base.css");

/// The styles of the shell, the panes and the pages: a line for each.
const AREAS: &[&str] = &[
    include_str!("app/shell.css"),
    include_str!("app/strip.css"),
    include_str!("app/grid.css"),
    include_str!("app/palette.css"),
    include_str!("pages/first_start/style.css"),
    include_str!("pages/settings/style.css"),
    include_str!("pages/workers/style.css"),
    include_str!("pages/hives/style.css"),
    include_str!("pages/activity/style.css"),
    crate::panes::image::STYLE,
    crate::panes::text::STYLE,
    crate::pages::downloads::STYLE,
    crate::pages::models::STYLE,
    crate::pages::marketplace::STYLE,
    crate::wizard::STYLE,
];

/// How the dark block of the tokens begins.
const DARK: &str = "[data-theme=\"dark\"] {";

/// Which of the two colour blocks holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// What the system says.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// The value of the attribute `data-theme` on the outermost element; absent where the system decides.
    #[must_use]
    pub const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }
}

/// The whole sheet, ready for one `style` element.
///
/// The tokens hold each theme once; that the system's choice of the dark one is followed is added here, so that no
/// colour is written twice.
#[must_use]
pub fn sheet() -> String {
    let mut sheet = String::from(TOKENS);
    sheet.push_str("\n@media (prefers-color-scheme: dark) {\n:root:not([data-theme=\"light\"]) {");
    sheet.push_str(dark_block());
    sheet.push_str("}\n}\n");
    sheet.push_str(BASE);
    for style in components::STYLES.iter().chain(AREAS) {
        sheet.push_str(style);
    }
    sheet
}

/// The declarations of the dark theme.
fn dark_block() -> &'static str {
    let start = TOKENS.find(DARK).map_or(TOKENS.len(), |at| at + DARK.len());
    let block = &TOKENS[start..];
    &block[..block.find('}').unwrap_or(block.len())]
}

#[cfg(test)]
mod tests;
