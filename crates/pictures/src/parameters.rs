//! The settings of a picture as one text, in the form that A1111 writes and that ComfyUI's loaders and CivitAI read:
//!
//! ```text
//! a bee on a flower
//! Negative prompt: blurry
//! Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x512
//! ```

use std::fmt;

use serde::Serialize;

const NEGATIVE: &str = "Negative prompt:";
/// A last line with fewer settings is taken for a part of the prompt, as A1111 does.
const FEWEST_SETTINGS: usize = 3;

/// The settings of a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Parameters {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen; may be empty.
    pub negative_prompt: String,
    /// All else, such as `Steps` and `20`, in its order.
    pub settings: Vec<(String, String)>,
}

impl Parameters {
    /// Adds a setting.
    pub fn set(&mut self, name: &str, value: impl fmt::Display) {
        self.settings.push((name.to_owned(), value.to_string()));
    }

    /// The value of a setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|(key, _)| key == name);
        setting.map(|(_, value)| value.as_str())
    }

    /// Reads a text. It never fails: what is not understood is the prompt.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let (mut body, last) = text.rsplit_once('\n').unwrap_or(("", text));
        let mut settings = settings_of(last);
        if settings.len() < FEWEST_SETTINGS {
            (body, settings) = (text, Vec::new());
        }
        let mut parameters = Self {
            settings,
            ..Self::default()
        };
        let mut target = &mut parameters.prompt;
        for line in body.lines() {
            let mut line = line.trim();
            if let Some(rest) = line.strip_prefix(NEGATIVE) {
                line = rest.trim();
                target = &mut parameters.negative_prompt;
            }
            if !target.is_empty() {
                target.push('\n');
            }
            target.push_str(line);
        }
        parameters
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.prompt.trim())?;
        let negative = self.negative_prompt.trim();
        if !negative.is_empty() {
            write!(formatter, "\n{NEGATIVE} {negative}")?;
        }
        for (index, (name, value)) in self.settings.iter().enumerate() {
            let before = if index == 0 { "\n" } else { ", " };
            write!(formatter, "{before}{name}: {}", quoted(value))?;
        }
        Ok(())
    }
}

/// A value that holds a separator goes as a JSON string.
fn quoted(value: &str) -> String {
    if value.contains([',', '\n', ':']) {
        serde_json::Value::from(value).to_string()
    } else {
        value.to_owned()
    }
}

/// `Name: value, Other name: "quoted, value"`; what does not look so is passed over.
fn settings_of(line: &str) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    let mut rest = line;
    while let Some(colon) = rest.find(':') {
        let before = &rest[..colon];
        let name = before.rsplit(',').next().unwrap_or(before).trim();
        rest = rest[colon + 1..].trim_start();
        let (value, after) = value_of(rest);
        rest = after;
        if is_name(name) {
            settings.push((name.to_owned(), value));
        }
    }
    settings
}

/// At least two letters, digits, spaces and a few signs.
fn is_name(name: &str) -> bool {
    let fits = |character: char| character.is_alphanumeric() || " _-/".contains(character);
    name.chars().count() > 1 && name.chars().all(fits) && !name.starts_with(['-', '/'])
}

fn value_of(text: &str) -> (String, &str) {
    if text.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
        if let Some(Ok(value)) = values.next() {
            let after = &text[values.byte_offset()..];
            return (value, after.trim_start().trim_start_matches(','));
        }
    }
    let (value, after) = text.split_once(',').unwrap_or((text, ""));
    (value.trim().to_owned(), after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As A1111 1.10 wrote it.
    const PUBLISHED: &str = "masterpiece, 1girl, (bee:1.2), <lora:honey:0.8>\nsecond line\n\
        Negative prompt: lowres, bad anatomy\nSteps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, \
        Seed: 2912413312, Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Clip skip: 2, \
        Lora hashes: \"honey: aabbccddeeff, other: 001122\", RNG: CPU, Version: v1.10.1";

    #[test]
    fn a_published_text_is_read_and_written_as_it_was() {
        let parameters = Parameters::parse(PUBLISHED);
        assert_eq!(
            parameters.prompt,
            "masterpiece, 1girl, (bee:1.2), <lora:honey:0.8>\nsecond line"
        );
        assert_eq!(parameters.negative_prompt, "lowres, bad anatomy");
        assert_eq!(parameters.settings.len(), 12);
        assert_eq!(parameters.get("Sampler"), Some("DPM++ 2M"));
        assert_eq!(
            parameters.get("Lora hashes"),
            Some("honey: aabbccddeeff, other: 001122")
        );
        assert_eq!(parameters.to_string(), PUBLISHED);
    }

    #[test]
    fn a_text_without_settings_is_a_prompt() {
        let parameters = Parameters::parse("a bee: the movie\nNegative prompt: wasps");
        assert_eq!(parameters.prompt, "a bee: the movie");
        assert_eq!(parameters.negative_prompt, "wasps");
        assert!(parameters.settings.is_empty());
        assert_eq!(Parameters::parse(""), Parameters::default());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(text in "\\PC*(\n\\PC*){0,4}") {
            let _ = Parameters::parse(&text);
        }

        #[test]
        fn values_come_back(values in proptest::collection::vec("[^\\s\"]([^\r]*[^\\s])?", 3..6)) {
            let mut parameters = Parameters { prompt: "a bee".into(), ..Parameters::default() };
            for (index, value) in values.iter().enumerate() {
                parameters.set(&format!("Setting {index}"), value);
            }
            prop_assert_eq!(Parameters::parse(&parameters.to_string()), parameters);
        }
    }
}
