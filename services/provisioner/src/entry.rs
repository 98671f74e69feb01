//! What the catalog is told of a model.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rbee_artifacts::detect::Summary;
use rbee_artifacts::{ModelEntry, ModelFile, ModelId, ModelStatus};

/// Longest fact that is kept, in bytes: files' and hubs' own words are bounded by nobody else.
const MAX_FACT_BYTES: usize = 256;
/// Most facts that are kept of a model.
const MAX_FACTS: usize = 64;

/// The entry of a model whose files are stored. What the header says goes before `facts`, which are a hub's.
pub(crate) fn available(
    id: &ModelId,
    name: &str,
    summary: Summary,
    facts: BTreeMap<String, String>,
    files: Vec<ModelFile>,
) -> ModelEntry {
    let mut metadata = summary.metadata;
    for (name, value) in facts {
        metadata.entry(name).or_insert(value);
    }
    ModelEntry {
        id: id.clone(),
        name: shortened(name.to_owned()),
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
        status: ModelStatus::Available,
        // The catalog sets it.
        added_at: Timestamp::UNIX_EPOCH,
        model_type: bounded_type(summary.model_type),
        quantization: summary.quantization.map(shortened),
        context_length: summary.context_length,
        parameter_count: summary.parameter_count.filter(|count| *count > 0),
        metadata: bounded(metadata),
        files,
    }
}

fn bounded_type(model_type: rbee_artifacts::ModelType) -> rbee_artifacts::ModelType {
    match model_type {
        rbee_artifacts::ModelType::Llm { architecture } => rbee_artifacts::ModelType::Llm {
            architecture: shortened(architecture),
        },
        other => other,
    }
}

/// Facts, each shortened, and no more than are of use.
pub(crate) fn bounded(facts: BTreeMap<String, String>) -> BTreeMap<String, String> {
    facts
        .into_iter()
        .filter(|(name, _)| !name.is_empty() && name.len() <= 64)
        .take(MAX_FACTS)
        .map(|(name, value)| (name, shortened(value)))
        .collect()
}

/// Words that nobody bounded, cut.
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() > MAX_FACT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_FACT_BYTES - '…'.len_utf8()));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_bounded_is_cut_between_letters() {
        assert_eq!(shortened("short".into()), "short");
        let cut = shortened("é".repeat(1000));
        assert!(cut.len() <= MAX_FACT_BYTES && cut.ends_with("é…"));
        let many = (0..1000).map(|number| (number.to_string(), "x".repeat(9999)));
        let kept = bounded(many.collect());
        assert_eq!(kept.len(), MAX_FACTS);
        assert!(kept.values().all(|value| value.len() <= MAX_FACT_BYTES));
    }
}
