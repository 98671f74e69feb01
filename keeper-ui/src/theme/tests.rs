//! The tokens are complete in both themes, and what is written on what can be read.

use std::collections::BTreeMap;

use super::{AREAS, BASE, TOKENS, Theme, dark_block, sheet};
use crate::components;

/// Contrast that text needs (WCAG 2.2, 1.4.3).
const TEXT: f64 = 4.5;
/// Contrast that the edges of controls and marks of focus need (WCAG 2.2, 1.4.11).
const EDGE: f64 = 3.0;

/// Everything that the window writes on something, and what it must come to.
const PAIRS: &[(&str, &[&str], f64)] = &[
    (
        "text-1",
        &[
            "surface-0",
            "surface-1",
            "surface-2",
            "surface-3",
            "raised",
            "mark",
        ],
        TEXT,
    ),
    (
        "text-2",
        &["surface-0", "surface-1", "surface-2", "surface-3"],
        TEXT,
    ),
    ("text-3", &["surface-0", "surface-1", "surface-2"], TEXT),
    (
        "text-1",
        &[
            "kind-text-soft",
            "kind-image-soft",
            "good-soft",
            "warn-soft",
            "bad-soft",
        ],
        TEXT,
    ),
    (
        "text-2",
        &[
            "kind-text-soft",
            "kind-image-soft",
            "good-soft",
            "warn-soft",
            "bad-soft",
        ],
        TEXT,
    ),
    (
        "on-kind",
        &[
            "kind-text",
            "kind-text-strong",
            "kind-image",
            "kind-image-strong",
            "bad",
            "bad-strong",
        ],
        TEXT,
    ),
    (
        "kind-text-ink",
        &[
            "surface-0",
            "surface-1",
            "surface-2",
            "surface-3",
            "kind-text-soft",
        ],
        TEXT,
    ),
    (
        "kind-image-ink",
        &[
            "surface-0",
            "surface-1",
            "surface-2",
            "surface-3",
            "kind-image-soft",
        ],
        TEXT,
    ),
    (
        "good-ink",
        &["surface-0", "surface-1", "surface-2", "good-soft"],
        TEXT,
    ),
    (
        "warn-ink",
        &["surface-0", "surface-1", "surface-2", "warn-soft"],
        TEXT,
    ),
    (
        "bad-ink",
        &["surface-0", "surface-1", "surface-2", "bad-soft"],
        TEXT,
    ),
    ("line-strong", &["surface-0", "surface-1"], EDGE),
    ("kind-text", &["surface-0", "surface-1", "surface-2"], EDGE),
    ("kind-image", &["surface-0", "surface-1", "surface-2"], EDGE),
    ("good", &["surface-0", "surface-1", "surface-2"], EDGE),
    ("warn", &["surface-0", "surface-1", "surface-2"], EDGE),
    ("bad", &["surface-0", "surface-1", "surface-2"], EDGE),
];

fn light_block() -> &'static str {
    let start = TOKENS
        .find("[data-theme=\"light\"] {")
        .expect("the light theme is there");
    let block = &TOKENS[start..];
    &block[..block.find('}').expect("it ends")]
}

fn colours(block: &str) -> BTreeMap<&str, [u8; 3]> {
    let mut found = BTreeMap::new();
    for declaration in block.split(';') {
        let Some((name, value)) = declaration.split_once(':') else {
            continue;
        };
        let name = name.rsplit("--").next().unwrap_or_default().trim();
        if let Some(hex) = value.trim().strip_prefix('#').filter(|hex| hex.len() == 6) {
            let channel =
                |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("a colour in hexadecimal digits");
            found.insert(name, [channel(0), channel(2), channel(4)]);
        }
    }
    found
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: [u8; 3]) -> f64 {
    let linear = colour.map(|channel| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Pairs that are not as far apart as they must be.
fn too_close(theme: &str, block: &str) -> Vec<String> {
    let colours = colours(block);
    let mut found = Vec::new();
    for (ink, grounds, least) in PAIRS {
        for ground in *grounds {
            let ratio = contrast(colours[ink], colours[ground]);
            if ratio < *least {
                found.push(format!("{theme}: {ink} on {ground} is {ratio:.2}, not {least}"));
            }
        }
    }
    found
}

#[test]
fn black_on_white_is_the_greatest_contrast() {
    assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
    // A published example: #767676 is the lightest grey that passes on white.
    assert!(contrast([0x76; 3], [255; 3]) >= TEXT);
    assert!(contrast([0x77; 3], [255; 3]) < TEXT);
}

#[test]
fn a_pale_token_is_found() {
    let faded = light_block().replace("--text-3: #596272", "--text-3: #8a93a3");
    assert_ne!(faded, light_block(), "the sample still names the token as it is");
    assert!(
        too_close("faded", &faded)
            .iter()
            .any(|line| line.contains("text-3 on surface-1"))
    );
}

#[test]
fn everything_written_can_be_read_in_both_themes() {
    let mut found = too_close("light", light_block());
    found.extend(too_close("dark", dark_block()));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn both_themes_name_the_same_tokens() {
    let names = |block: &'static str| {
        let mut names: Vec<&str> = block
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--")?.split(':').next())
            .collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(light_block()), names(dark_block()));
    assert!(names(dark_block()).len() > 30);
}

#[test]
fn only_tokens_that_exist_are_used() {
    let sheet = sheet();
    let defined = |name: &str| sheet.contains(&format!("{name}:"));
    let mut unknown = Vec::new();
    for use_of in sheet.split("var(").skip(1) {
        let name = use_of.split([')', ',']).next().unwrap_or_default().trim();
        // What an element sets for itself comes with what holds where it does not.
        let has_fallback = use_of.split(')').next().is_some_and(|inner| inner.contains(','));
        if !defined(name) && !has_fallback {
            unknown.push(name.to_owned());
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn colours_are_written_in_the_tokens_alone() {
    for style in components::STYLES.iter().chain(AREAS).chain([&BASE]) {
        for line in style.lines() {
            let value = line.split_once(':').map_or("", |(_, value)| value);
            assert!(
                !value.contains('#') && !value.contains("rgb"),
                "a colour outside the tokens: {line}"
            );
        }
    }
}

#[test]
fn every_rule_of_the_sheet_is_closed() {
    for style in components::STYLES.iter().chain(AREAS).chain([&TOKENS, &BASE]) {
        assert_eq!(
            style.matches('{').count(),
            style.matches('}').count(),
            "{}",
            style.lines().next().unwrap_or_default()
        );
    }
}

#[test]
fn the_system_decides_unless_somebody_did() {
    assert_eq!(Theme::default().attribute(), None);
    assert_eq!(Theme::Dark.attribute(), Some("dark"));
    assert!(sheet().contains("@media (prefers-color-scheme: dark)"));
}
