//! Vectors of texts.

use std::sync::Arc;

use super::{GenerateError, Generator};
use crate::domain::embedding::MAX_VECTORS_BYTES;
use crate::domain::{Embedding, Violations};
use crate::engine::EmbedRequest;
use crate::model::Pooling;

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// One for each text, in their order.
    pub vectors: Vec<Vec<f32>>,
    /// How they were made.
    pub pooling: Pooling,
    /// Tokens of all texts together.
    pub prompt_tokens: usize,
}

impl Generator {
    /// Turns texts into vectors. What a model expects around a text is added; names of control tokens in it are
    /// text.
    ///
    /// # Errors
    /// If the model declares no pooling, a text is empty or too long, or the computation fails.
    pub async fn embed(&self, embedding: Embedding) -> Result<Embedded, GenerateError> {
        let info = self.engine().info();
        let pooling = info.pooling.ok_or(GenerateError::EmbeddingUnsupported)?;
        let most = MAX_VECTORS_BYTES / (info.embedding_length.max(1) * size_of::<f32>());
        if embedding.inputs.len() > most {
            let words = format!("must be at most {most} texts, so that their vectors fit into one answer");
            return Err(Violations::of("inputs", words).into());
        }
        let tokenizer = Arc::clone(&self.shared.tokenizer);
        let texts = embedding.inputs;
        let inputs: Vec<Vec<u32>> = self
            .prepare(move || {
                let encode = |text: &String| tokenizer.encode(text, true, false);
                texts.iter().map(encode).collect()
            })
            .await?;
        self.check_inputs(&inputs)?;
        let prompt_tokens = inputs.iter().map(Vec::len).sum();
        let mut vectors = self.engine().embed(EmbedRequest { inputs, pooling }).await?;
        if !embedding.raw {
            vectors.iter_mut().for_each(|vector| normalise(vector));
        }
        Ok(Embedded {
            vectors,
            pooling,
            prompt_tokens,
        })
    }

    fn check_inputs(&self, inputs: &[Vec<u32>]) -> Result<(), GenerateError> {
        let mut violations = Violations::default();
        for (index, _) in inputs.iter().enumerate().filter(|(_, ids)| ids.is_empty()) {
            violations.add(
                format!("inputs[{index}]"),
                "must give the model at least one token",
            );
        }
        violations.check(())?;
        let context_length = self.engine().info().context_length;
        match inputs.iter().position(|ids| ids.len() > context_length) {
            None => Ok(()),
            Some(input) => Err(GenerateError::InputOverflow {
                input,
                prompt_tokens: inputs[input].len(),
                context_length,
                by_tokens: inputs[input].len() - context_length,
            }),
        }
    }
}

/// Gives a vector the length 1; one of zeros stays as it is.
fn normalise(vector: &mut [f32]) {
    let squares: f64 = vector
        .iter()
        .map(|number| f64::from(*number) * f64::from(*number))
        .sum();
    if squares > 0.0 {
        let factor = squares.sqrt().recip();
        for number in vector {
            *number = (f64::from(*number) * factor) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_get_the_length_one() {
        let mut vector = [3.0, -4.0];
        normalise(&mut vector);
        assert_eq!(vector, [0.6, -0.8]);
        let mut zeros = [0.0; 3];
        normalise(&mut zeros);
        assert_eq!(zeros, [0.0; 3]);
    }
}
