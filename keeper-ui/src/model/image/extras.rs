//! What few requests have: a second, larger pass, and embeddings.

use serde::{Deserialize, Serialize};

use super::size::{EDGES, Size};
use crate::model::ids::ModelId;

/// Most embeddings of one request.
pub const MAX_EMBEDDINGS: usize = 32;
/// Most bytes of an embedding's word.
pub const MAX_WORD_BYTES: usize = 128;
/// Smallest scale of a second pass that makes a difference.
pub const LEAST_SCALE: f32 = 1.1;
/// Largest scale of a second pass.
pub const MOST_SCALE: f32 = 4.0;
/// Least share that a second pass makes anew.
pub const LEAST_STRENGTH: f32 = 0.05;

/// An embedding to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUse {
    /// Which.
    pub model_id: ModelId,
    /// The word that stands for it in the prompts.
    pub word: String,
}

/// A second, larger picture made from the first one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HighResolution {
    /// How many times wider and higher.
    pub scale: f32,
    /// How much is made anew.
    pub strength: f32,
    /// Steps; `None` for those of the first pass.
    pub steps: Option<u32>,
}

impl Default for HighResolution {
    fn default() -> Self {
        Self {
            scale: 2.0,
            strength: 0.5,
            steps: None,
        }
    }
}

impl HighResolution {
    /// Sets how many times larger, within what a worker takes.
    pub fn set_scale(&mut self, scale: f32) {
        if scale.is_finite() {
            self.scale = scale.clamp(LEAST_SCALE, MOST_SCALE);
        }
    }

    /// Sets how much is made anew, within what a worker takes.
    pub fn set_strength(&mut self, strength: f32) {
        if strength.is_finite() {
            self.strength = strength.clamp(LEAST_STRENGTH, 1.0);
        }
    }

    /// The size after it.
    #[must_use]
    pub fn size(&self, first: Size) -> Size {
        let edge = |edge: u32| Size::nearest_edge((f64::from(edge) * f64::from(self.scale)).round() as u64);
        Size {
            width: edge(first.width),
            height: edge(first.height),
        }
    }

    /// Whether a first pass of this size becomes no larger than a worker makes.
    #[must_use]
    pub fn is_possible(&self, first: Size) -> bool {
        let edge = f64::from(first.width.max(first.height)) * f64::from(self.scale);
        edge <= f64::from(*EDGES.end())
    }
}

/// What is wrong with the words of embeddings, in a sentence.
#[must_use]
pub fn problem_of_words(embeddings: &[EmbeddingUse]) -> Option<String> {
    let wrong = |word: &str| word.is_empty() || word.trim() != word || word.len() > MAX_WORD_BYTES;
    if let Some(embedding) = embeddings.iter().find(|embedding| wrong(&embedding.word)) {
        return Some(format!(
            "The embedding {} needs a word of 1 to {MAX_WORD_BYTES} letters.",
            embedding.model_id
        ));
    }
    let twice = embeddings.iter().enumerate().find(|(index, embedding)| {
        embeddings[..*index]
            .iter()
            .any(|other| other.word == embedding.word)
    });
    twice.map(|(_, embedding)| format!("Two embeddings have the word {}.", embedding.word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(id: &str, word: &str) -> EmbeddingUse {
        EmbeddingUse {
            model_id: id.into(),
            word: word.into(),
        }
    }

    #[test]
    fn a_second_pass_stays_within_what_a_worker_takes() {
        let mut pass = HighResolution::default();
        let first = Size {
            width: 512,
            height: 768,
        };
        assert_eq!(
            pass.size(first),
            Size {
                width: 1024,
                height: 1536
            }
        );
        pass.set_scale(99.0);
        pass.set_scale(f32::NAN);
        pass.set_strength(-1.0);
        assert_eq!((pass.scale, pass.strength), (MOST_SCALE, LEAST_STRENGTH));
        assert!(pass.is_possible(first));
        assert!(!pass.is_possible(Size {
            width: 1032,
            height: 8
        }));
    }

    #[test]
    fn words_are_there_and_differ() {
        assert_eq!(
            problem_of_words(&[embedding("local:a", "a"), embedding("local:b", "b")]),
            None
        );
        for (wrong, told) in [
            (vec![embedding("local:a", "")], "local:a needs"),
            (vec![embedding("local:a", " a")], "local:a needs"),
            (
                vec![embedding("local:a", "a"), embedding("local:b", "a")],
                "word a",
            ),
        ] {
            assert!(problem_of_words(&wrong).unwrap().contains(told));
        }
    }
}
