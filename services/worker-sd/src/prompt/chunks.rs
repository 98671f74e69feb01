//! Chunks of 75 tokens.

use super::attention::{Part, parts};
use super::cleaning::Cleaning;
use super::tokenizer::{BEGIN, COMMA, ClipTokenizer, END};
use crate::pipeline::{CHUNK_TOKENS, TowerTraits};
use crate::schedule::Convention;

/// Tokens of a chunk between begin and end.
const ROOM: usize = CHUNK_TOKENS - 2;
/// A1111 moves what follows a comma into the next chunk if it is no more than this.
const COMMA_BACKTRACK: usize = 20;
/// ComfyUI splits words of this many tokens at the end of a chunk, and moves shorter ones.
const LONG_WORD: usize = 8;

/// How a prompt is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptSyntax {
    /// As it is; what is beyond one chunk is left out.
    Plain,
    /// With weights, in as many chunks as it takes.
    Weighted,
}

/// A textual inversion: vectors that stand for a word.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The word.
    pub word: String,
    /// For each text encoder its vectors, each of the encoder's width; at most 75.
    pub vectors: Vec<Vec<Vec<f32>>>,
}

/// One pass through a text encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// [`CHUNK_TOKENS`] ids.
    pub ids: Vec<u32>,
    /// How much each token counts.
    pub weights: Vec<f32>,
    /// Places of vectors: where, which embedding, which of its vectors.
    pub vectors: Vec<(usize, usize, usize)>,
}

/// What stands at one place of a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    Token(u32),
    Vector(usize, usize),
}

/// Reads prompts for the text encoders of one model.
#[derive(Debug, Clone, Copy)]
pub struct PromptReader<'a> {
    /// How a prompt is read.
    pub syntax: PromptSyntax,
    /// Whose rules hold.
    pub convention: Convention,
    /// The text encoders.
    pub towers: &'a [TowerTraits],
    /// Words that stand for vectors.
    pub embeddings: &'a [Embedding],
}

impl PromptReader<'_> {
    /// For each text encoder the chunks of a prompt, at least one, and equally many for all.
    #[must_use]
    pub fn read(&self, prompt: &str) -> Vec<Vec<Chunk>> {
        let mut towers: Vec<Vec<Chunk>> = (0..self.towers.len())
            .map(|tower| self.read_for(prompt, tower))
            .collect();
        let most = towers.iter().map(Vec::len).max().unwrap_or(0);
        for (chunks, tower) in towers.iter_mut().zip(self.towers) {
            while chunks.len() < most {
                chunks.push(Unfinished::default().finish(tower.pad_id));
            }
        }
        towers
    }

    /// The chunk of a prompt without words.
    #[must_use]
    pub fn empty(&self, tower: usize) -> Chunk {
        Unfinished::default().finish(self.pad_id(tower))
    }

    fn pad_id(&self, tower: usize) -> u32 {
        self.towers.get(tower).map_or(END, |tower| tower.pad_id)
    }

    /// The token ids of a text, without begin and end.
    #[must_use]
    pub fn tokens(&self, text: &str, tower: usize) -> Vec<u32> {
        let cleaning = match self.convention {
            Convention::Diffusers => Cleaning::Transformers,
            Convention::A1111 | Convention::ComfyUi => Cleaning::Original,
        };
        ClipTokenizer::shared().encode(text, cleaning, self.pad_id(tower) == 0)
    }

    fn read_for(&self, prompt: &str, tower: usize) -> Vec<Chunk> {
        let words: Vec<(Vec<u32>, usize)> = self
            .embeddings
            .iter()
            .enumerate()
            .map(|(index, embedding)| (self.tokens(&embedding.word, tower), index))
            .filter(|(ids, _)| !ids.is_empty())
            .collect();
        let mut writer = Writer {
            chunks: Vec::new(),
            chunk: Unfinished::default(),
            pad_id: self.pad_id(tower),
        };
        match self.syntax {
            PromptSyntax::Plain => {
                let pieces = self.pieces(prompt, tower, &words).into_iter().flatten();
                for piece in pieces.take(ROOM) {
                    writer.chunk.push(piece, 1.0);
                }
            }
            PromptSyntax::Weighted => {
                for part in parts(prompt) {
                    match part {
                        Part::Break => writer.next(),
                        Part::Text(text, weight) => self.write(&mut writer, &text, weight, tower, &words),
                    }
                }
            }
        }
        writer.end()
    }

    fn write(&self, writer: &mut Writer, text: &str, weight: f32, tower: usize, words: &[(Vec<u32>, usize)]) {
        if self.convention == Convention::ComfyUi {
            let text = text.replace("embedding:", "");
            for word in text.split(' ') {
                let pieces: Vec<Piece> = self.pieces(word, tower, words).into_iter().flatten().collect();
                writer.word(&pieces, weight);
            }
        } else {
            for group in self.pieces(text, tower, words) {
                writer.group(&group, weight);
            }
        }
    }

    /// The pieces of a text; the vectors of an embedding together, each token alone.
    fn pieces(&self, text: &str, tower: usize, words: &[(Vec<u32>, usize)]) -> Vec<Vec<Piece>> {
        let ids = self.tokens(text, tower);
        let mut groups = Vec::new();
        let mut rest = ids.as_slice();
        while let Some((&id, after)) = rest.split_first() {
            let found = words
                .iter()
                .filter(|(word, _)| rest.starts_with(word))
                .max_by_key(|(word, _)| word.len());
            match found {
                Some((word, index)) => {
                    let vectors = self.embeddings[*index].vectors.get(tower).map_or(0, Vec::len);
                    groups.push(
                        (0..vectors.min(ROOM))
                            .map(|vector| Piece::Vector(*index, vector))
                            .collect(),
                    );
                    rest = &rest[word.len()..];
                }
                None => {
                    groups.push(vec![Piece::Token(id)]);
                    rest = after;
                }
            }
        }
        groups
    }
}

/// A chunk that is being filled.
#[derive(Default)]
struct Unfinished {
    pieces: Vec<(Piece, f32)>,
    /// Where the last comma stands.
    comma: Option<usize>,
}

impl Unfinished {
    fn push(&mut self, piece: Piece, weight: f32) {
        self.pieces.push((piece, weight));
    }

    fn finish(self, pad_id: u32) -> Chunk {
        let mut chunk = Chunk {
            ids: vec![BEGIN],
            weights: vec![1.0; CHUNK_TOKENS],
            vectors: Vec::new(),
        };
        for (piece, weight) in self.pieces.into_iter().take(ROOM) {
            let place = chunk.ids.len();
            chunk.weights[place] = weight;
            match piece {
                Piece::Token(id) => chunk.ids.push(id),
                Piece::Vector(embedding, vector) => {
                    chunk.vectors.push((place, embedding, vector));
                    chunk.ids.push(0);
                }
            }
        }
        chunk.ids.push(END);
        chunk.ids.resize(CHUNK_TOKENS, pad_id);
        chunk
    }
}

struct Writer {
    chunks: Vec<Chunk>,
    chunk: Unfinished,
    pad_id: u32,
}

impl Writer {
    fn next(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        self.chunks.push(chunk.finish(self.pad_id));
    }

    /// As A1111: chunks end after a comma if one is near, and the vectors of an embedding stay together.
    fn group(&mut self, group: &[Piece], weight: f32) {
        let full = self.chunk.pieces.len() == ROOM;
        if group == [Piece::Token(COMMA)] {
            self.chunk.comma = Some(self.chunk.pieces.len());
        } else if let Some(comma) = self.chunk.comma
            && full
            && ROOM - comma <= COMMA_BACKTRACK
        {
            let moved = self.chunk.pieces.split_off(comma + 1);
            self.next();
            self.chunk.pieces = moved;
        }
        if self.chunk.pieces.len() + group.len() > ROOM {
            self.next();
        }
        for &piece in group {
            self.chunk.push(piece, weight);
        }
    }

    /// As ComfyUI: a word that does not fit goes into the next chunk, unless it is long.
    fn word(&mut self, word: &[Piece], weight: f32) {
        let mut rest = word;
        while !rest.is_empty() {
            let room = ROOM - self.chunk.pieces.len();
            if rest.len() <= room {
                rest.iter().for_each(|&piece| self.chunk.push(piece, weight));
                return;
            }
            if word.len() >= LONG_WORD {
                let (now, later) = rest.split_at(room);
                now.iter().for_each(|&piece| self.chunk.push(piece, weight));
                rest = later;
            }
            self.next();
        }
    }

    fn end(mut self) -> Vec<Chunk> {
        if !self.chunk.pieces.is_empty() || self.chunks.is_empty() {
            self.next();
        }
        self.chunks
    }
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
