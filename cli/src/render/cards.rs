//! What `show` shows: one thing, a fact a line.

use prost_types::Timestamp;
use rbee_proto::types::v1::Model;
use unicode_width::UnicodeWidthStr;

use super::human::{age, count, size};
use super::paint::{Paint, Tone};
use super::plain_text::one_line;
use super::words;

/// Facts by name.
#[derive(Debug, Default)]
pub(crate) struct Card {
    facts: Vec<(String, String, Tone)>,
}

impl Card {
    /// Adds a fact.
    pub(crate) fn fact(&mut self, name: &str, value: impl AsRef<str>) {
        self.toned(name, value, Tone::Plain);
    }

    /// Adds a fact if it is known.
    pub(crate) fn known(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value
            && !value.as_ref().is_empty()
        {
            self.fact(name, value);
        }
    }

    /// Adds a fact with a tone.
    pub(crate) fn toned(&mut self, name: &str, value: impl AsRef<str>, tone: Tone) {
        self.facts.push((one_line(name), one_line(value.as_ref()), tone));
    }

    /// The lines, values aligned.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let width = self
            .facts
            .iter()
            .map(|(name, ..)| name.width())
            .max()
            .unwrap_or(0);
        self.facts
            .iter()
            .map(|(name, value, tone)| {
                let padding = " ".repeat(width - name.width());
                format!("{}{padding}  {}\n", paint.faint(name), paint.tone(*tone, value))
            })
            .collect()
    }
}

/// All that is known of a model.
pub(crate) fn model(model: &Model, now: &Timestamp) -> Card {
    let mut card = Card::default();
    card.fact("id", &model.id);
    card.known("name", Some(&model.name));
    card.toned(
        "state",
        words::model_state(model.state),
        words::model_tone(model.state),
    );
    card.known("failure", Some(&model.failure));
    card.known(
        "kind",
        words::model_kind(model.model_type.as_ref().and_then(|kind| kind.kind.as_ref())),
    );
    card.known("quantization", model.quantization.as_ref());
    card.known("parameters", model.parameter_count.map(count));
    card.known(
        "context",
        model.context_length.map(|length| format!("{length} tokens")),
    );
    card.fact("size", size(model.size_bytes));
    let types: Vec<String> = model
        .compatible_worker_types
        .iter()
        .map(|worker_type| words::worker_type(*worker_type))
        .collect();
    card.known("served by", Some(types.join(", ")));
    card.fact("vendor", words::vendor(model.vendor));
    card.fact("added", format!("{} ago", age(model.added_at.as_ref(), now)));
    for file in &model.files {
        card.fact(
            "file",
            format!("{}  {}  sha256:{}", file.name, size(file.size_bytes), file.sha256),
        );
    }
    for (name, value) in &model.metadata {
        card.fact(&format!("  {name}"), value);
    }
    card
}
