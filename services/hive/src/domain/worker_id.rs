//! Ids for new workers.

use rbee_artifacts::{ModelId, WorkerId};

/// The alphabet of random parts: no vowels, so no words, and nothing that looks like something else.
const ALPHABET: &[u8; 24] = b"bcdfghjkmnpqrstvwxz23456";

/// Random characters of an id: 24^8 is about 10^11.
const RANDOM_CHARACTERS: usize = 8;

/// Most characters that an id takes from its model's.
const SLUG_CHARACTERS: usize = 20;

/// Longest id that is made here, in bytes.
pub const MAX_BYTES: usize = SLUG_CHARACTERS + 1 + RANDOM_CHARACTERS;

/// An id for a worker of a model, from 64 random bits: short enough to type, with a hint at the
/// model, such as `qwen-7kx3mc2d`.
///
/// # Panics
/// Never: what it puts together is an id.
#[must_use]
pub fn generate(model_id: &ModelId, mut random: u64) -> WorkerId {
    let mut id = slug(model_id.as_str());
    id.push('-');
    for _ in 0..RANDOM_CHARACTERS {
        id.push(char::from(ALPHABET[(random % ALPHABET.len() as u64) as usize]));
        random /= ALPHABET.len() as u64;
    }
    id.parse()
        .expect("lower-case letters, digits and dashes between letters or digits are an id")
}

/// What of a model's id makes a worker recognisable: the file of `org/repo:file.gguf`, the name of
/// `local:name`, without what can't stand in an id.
fn slug(model_id: &str) -> String {
    let name = model_id
        .rsplit([':', '/'])
        .next()
        .unwrap_or(model_id)
        .to_ascii_lowercase();
    let name = name
        .strip_suffix(".gguf")
        .or_else(|| name.strip_suffix(".safetensors"))
        .unwrap_or(&name);
    let mut slug = String::new();
    for character in name.chars() {
        if slug.len() == SLUG_CHARACTERS {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "worker".to_owned()
    } else {
        slug.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_hints_at_its_model() {
        for (model, start) in [
            ("local:qwen", "qwen-"),
            (
                "Qwen/Qwen2.5-0.5B:qwen2.5-0.5b-q4_k_m.gguf",
                "qwen2-5-0-5b-q4-k-m-",
            ),
            ("org/A-Very-Long-Model-Name-Indeed", "a-very-long-model-na-"),
            ("civitai:12345", "12345-"),
        ] {
            let id = generate(&model.parse().unwrap(), 0x0123_4567_89ab_cdef);
            assert!(id.as_str().starts_with(start), "{id}");
            assert_eq!(id.as_str().len(), start.len() + RANDOM_CHARACTERS);
        }
        assert_eq!(slug("org/repo:模型.gguf"), "worker");
    }

    proptest! {
        #[test]
        fn whatever_the_name_it_is_an_id(name in "\\PC{0,60}", random: u64) {
            let id = generate(&ModelId::local_for_file(&name), random);
            prop_assert!(id.as_str().len() <= MAX_BYTES);
            prop_assert_eq!(id.as_str().parse::<WorkerId>().unwrap(), id);
        }
    }
}
