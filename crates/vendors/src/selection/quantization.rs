//! How weights are stored, by the name of a GGUF file.

/// The formats in the order in which they are preferred.
///
/// First those that the project's users are given unless they ask: `Q4_K_M` is the usual balance of size and
/// quality, then `Q5_K_M`, `Q8_0`. Then what is near them, larger before smaller; then the unquantized, which
/// cost most; then the smallest K-quants. Behind these, and behind files that do not say, comes what no worker
/// of this project reads yet (the `IQ` family, ternary and MXFP4), and last what llama.cpp itself has dropped.
pub const QUANTIZATIONS: &[&str] = &[
    "Q4_K_M", "Q5_K_M", "Q8_0", "Q6_K", "Q5_K_S", "Q4_K_S", "Q4_K_L", "Q5_K_L", "Q6_K_L", "Q8_0_L",
    "Q4_K_XL", "Q5_K_XL", "Q6_K_XL", "Q8_K_XL", "Q4_K", "Q5_K", "Q8_K", "Q4", "Q5", "Q6", "Q8", "Q5_1",
    "Q5_0", "Q4_1", "Q4_0", "Q3_K_XL", "Q3_K_L", "Q3_K_M", "Q3_K", "Q3_K_S", "BF16", "F16", "F32", "Q2_K_XL",
    "Q2_K_L", "Q2_K", "Q2_K_S",
];

/// What no worker reads yet.
const NOT_READ: &[&str] = &[
    "MXFP4", "IQ4_NL", "IQ4_XS", "IQ3_M", "IQ3_S", "IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XS",
    "IQ2_XXS", "IQ1_M", "IQ1_S", "TQ2_0", "TQ1_0", "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8",
];

/// Other ways to write one of them.
const ALIASES: [(&str, &str); 2] = [("FP16", "F16"), ("FP32", "F32")];

/// The format that a file's name (without folders) tells, in the usual spelling: the longest label in it, of two
/// alike the last.
#[must_use]
pub fn quantization_of(name: &str) -> Option<&'static str> {
    find(name).map(|(label, _)| label)
}

/// The label and where it stands, in bytes.
pub(super) fn find(name: &str) -> Option<(&'static str, std::ops::Range<usize>)> {
    // Labels are ASCII, and so is the change of case: places stay the same.
    let upper = name.to_ascii_uppercase();
    let known = QUANTIZATIONS.iter().chain(NOT_READ).map(|label| (*label, *label));
    known
        .chain(ALIASES)
        .filter_map(|(written, label)| {
            let place = upper
                .match_indices(written)
                .map(|(at, _)| at..at + written.len())
                .filter(|place| stands_alone(&upper, place))
                .last()?;
            Some((label, place))
        })
        .max_by_key(|(_, place)| (place.len(), place.start))
}

fn stands_alone(text: &str, place: &std::ops::Range<usize>) -> bool {
    let before = text[..place.start].chars().next_back();
    let behind = text[place.end..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !behind.is_some_and(char::is_alphanumeric)
}

/// The place of a label in the order; the lower, the better.
pub(super) fn rank(label: Option<&str>) -> usize {
    let place = |list: &[&str]| list.iter().position(|have| Some(*have) == label);
    let unsaid = QUANTIZATIONS.len();
    place(QUANTIZATIONS).unwrap_or_else(|| place(NOT_READ).map_or(unsaid, |place| unsaid + 1 + place))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_published_files() {
        for (name, label) in [
            ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", Some("Q4_K_M")),
            ("llama-2-7b-chat.Q5_K_S.gguf", Some("Q5_K_S")),
            ("qwen2.5-0.5b-instruct-q4_k_m.gguf", Some("Q4_K_M")),
            ("qwen2.5-7b-instruct-fp16-00001-of-00004.gguf", Some("F16")),
            ("Phi-3-mini-4k-instruct-q4.gguf", Some("Q4")),
            ("gemma-2-9b-it-Q6_K_L.gguf", Some("Q6_K_L")),
            ("gemma-2-9b-it-Q4_0_4_8.gguf", Some("Q4_0_4_8")),
            ("Qwen3-8B-UD-Q4_K_XL.gguf", Some("Q4_K_XL")),
            ("model.i1-IQ2_XXS.gguf", Some("IQ2_XXS")),
            ("model_Q8_0.gguf", Some("Q8_0")),
            ("gpt-oss-20b-mxfp4.gguf", Some("MXFP4")),
            ("gemma-2-9b-it-Q8_0-f16.gguf", Some("Q8_0")),
            ("BF16.gguf", Some("BF16")),
            ("mistral.gguf", None),
            ("modelQ4_K_Mx.gguf", None),
        ] {
            assert_eq!(quantization_of(name), label, "{name}");
        }
    }

    #[test]
    fn the_order_is_the_one_promised() {
        let ranks = [
            Some("Q4_K_M"),
            Some("Q5_K_M"),
            Some("Q8_0"),
            Some("F16"),
            None,
            Some("IQ4_XS"),
            Some("Q4_0_8_8"),
        ]
        .map(rank);
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }

    proptest! {
        #[test]
        fn every_label_is_found_where_it_stands(
            at in 0..QUANTIZATIONS.len(), before in "[a-pr-z]{1,8}[-.]", behind in "([-.][a-pr-z]{1,8})?"
        ) {
            let label = QUANTIZATIONS[at];
            let name = format!("{before}{}{behind}", label.to_lowercase());
            prop_assert_eq!(quantization_of(&name), Some(label));
        }
    }
}
