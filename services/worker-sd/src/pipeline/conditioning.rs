//! What the UNet is told of the prompts.

use super::model::{CHUNK_TOKENS, Family, ImageModel, ModelError, ModelTraits, TextRow, TextState};
use super::settings::{Settings, Size};
use crate::prompt::{Chunk, Embedding, PromptReader, weigh};
use crate::schedule::Convention;

/// One prompt, encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditioning {
    /// A state for each token, of all text encoders side by side.
    pub context: Vec<f32>,
    /// Tokens of `context`.
    pub tokens: usize,
    /// SDXL's state for the whole prompt.
    pub pooled: Option<Vec<f32>>,
}

/// Both prompts, encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompts {
    /// What is to be seen.
    pub positive: Conditioning,
    /// What is not to be seen; absent without guidance.
    pub negative: Option<Conditioning>,
}

impl Prompts {
    /// Encodes the prompts of `settings`.
    ///
    /// # Errors
    /// When the model can't.
    pub fn encode(model: &mut dyn ImageModel, settings: &Settings) -> Result<Self, ModelError> {
        let positive = encode(model, settings, &settings.prompt)?;
        let negative = if settings.guidance > 1.0 {
            Some(encode_negative(model, settings, &positive)?)
        } else {
            None
        };
        Ok(Self { positive, negative })
    }
}

/// Tokens that the UNet will be told of `settings`' prompt and, with guidance, of its negative prompt: what the
/// prompts are read as, without the text encoders.
#[must_use]
pub fn prompt_tokens(traits: &ModelTraits, settings: &Settings) -> Vec<usize> {
    let reader = reader(traits, settings);
    let tokens = |prompt: &str| reader.read(prompt).first().map_or(0, Vec::len) * CHUNK_TOKENS;
    let positive = tokens(&settings.prompt);
    let negative = settings.negative_prompt.as_deref().unwrap_or_default();
    match settings.guidance > 1.0 {
        true if zeros_for_negative(traits, settings) => vec![positive; 2],
        true => vec![positive, tokens(negative)],
        false => vec![positive],
    }
}

fn reader<'a>(traits: &'a ModelTraits, settings: &'a Settings) -> PromptReader<'a> {
    PromptReader {
        syntax: settings.syntax,
        convention: settings.sampling.convention,
        towers: &traits.towers,
        embeddings: &settings.embeddings,
    }
}

/// SDXL without a negative prompt is told zeros by some.
fn zeros_for_negative(traits: &ModelTraits, settings: &Settings) -> bool {
    let text = settings.negative_prompt.as_deref();
    traits.family == Family::Sdxl
        && match settings.sampling.convention {
            Convention::Diffusers => text.is_none(),
            Convention::A1111 => text.unwrap_or_default().is_empty(),
            Convention::ComfyUi => false,
        }
}

fn encode_negative(
    model: &mut dyn ImageModel,
    settings: &Settings,
    positive: &Conditioning,
) -> Result<Conditioning, ModelError> {
    if zeros_for_negative(model.traits(), settings) {
        return Ok(Conditioning {
            context: vec![0.0; positive.context.len()],
            tokens: positive.tokens,
            pooled: positive.pooled.as_ref().map(|pooled| vec![0.0; pooled.len()]),
        });
    }
    let text = settings.negative_prompt.as_deref().unwrap_or_default();
    encode(model, settings, text)
}

/// Encodes one prompt.
fn encode(model: &mut dyn ImageModel, settings: &Settings, prompt: &str) -> Result<Conditioning, ModelError> {
    let traits = model.traits().clone();
    let reader = reader(&traits, settings);
    let mut towers = Vec::with_capacity(traits.towers.len());
    for (tower, chunks) in reader.read(prompt).into_iter().enumerate() {
        let mut rows: Vec<TextRow> = chunks
            .iter()
            .map(|chunk| row(chunk, tower, &settings.embeddings))
            .collect();
        let weighted = chunks
            .iter()
            .any(|chunk| chunk.weights.iter().any(|&weight| weight != 1.0));
        if weighted {
            rows.push(row(&reader.empty(tower), tower, &settings.embeddings));
        }
        let mut states = model.encode_text(tower, &rows, settings.clip_skip)?;
        let empty = if weighted { states.pop() } else { None };
        let empty = empty.map(|state| state.states).unwrap_or_default();
        for (state, chunk) in states.iter_mut().zip(&chunks) {
            weigh(
                settings.sampling.convention,
                &mut state.states,
                &chunk.weights,
                &empty,
            );
        }
        towers.push(states);
    }
    Ok(join(&towers))
}

fn row(chunk: &Chunk, tower: usize, embeddings: &[Embedding]) -> TextRow {
    let vector = |&(place, embedding, vector): &(usize, usize, usize)| {
        let vectors = embeddings.get(embedding)?.vectors.get(tower)?;
        Some((place, vectors.get(vector)?.clone()))
    };
    TextRow {
        ids: chunk.ids.clone(),
        vectors: chunk.vectors.iter().filter_map(vector).collect(),
    }
}

/// The encoders' states side by side, chunk after chunk. The state for the whole is that of the first chunk.
fn join(towers: &[Vec<TextState>]) -> Conditioning {
    let chunks = towers.first().map_or(0, Vec::len);
    let mut context = Vec::new();
    for chunk in 0..chunks {
        for token in 0..CHUNK_TOKENS {
            for tower in towers {
                let states = &tower[chunk].states;
                let width = states.len() / CHUNK_TOKENS;
                context.extend_from_slice(&states[token * width..(token + 1) * width]);
            }
        }
    }
    Conditioning {
        context,
        tokens: chunks * CHUNK_TOKENS,
        pooled: towers
            .iter()
            .filter_map(|tower| tower.first()?.pooled.clone())
            .next_back(),
    }
}

/// SDXL's six numbers: the size, no crop, and the size again.
pub(super) fn time_ids(size: Size) -> [f32; 6] {
    let (height, width) = (size.height as f32, size.width as f32);
    [height, width, 0.0, 0.0, height, width]
}
