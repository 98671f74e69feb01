//! The tokenizer of a folder of safetensors: `tokenizer.json` and the small files beside it.
//!
//! Text is cut and merged by the crate that defines `tokenizer.json`, so that every normaliser and
//! splitter is as it was in training. What is special is found here, as for GGUF: which words are
//! control tokens depends on who wrote them, and that crate does not know it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{AddedToken, Tokenizer as Reference};

use super::error::TokenizerError;
use super::special::{Special, SpecialTokens, is_turn_mark};
use super::vocabulary::{TokenKind, Vocabulary};
use super::{Algorithm, Tokenizer, end_of_generation};
use crate::text::tokenizer::sentence_piece::byte_of_name;

const TOKENIZER: &str = "tokenizer.json";
/// The longest `tokenizer.json`: the largest have 35 MB.
const MAX_TOKENIZER_BYTES: u64 = 128 << 20;
/// The longest of the small files; a chat template may be in one.
const MAX_TEXT_BYTES: u64 = 8 << 20;

/// A text by the crate of `tokenizer.json`, control tokens left to others.
#[derive(Debug)]
pub(super) struct Checkpoint {
    reference: Reference,
    /// A text gets a space in front if it stands first and has none (Metaspace, `first`).
    space_first: bool,
    /// For what cannot be written.
    unknown: Option<u32>,
}

impl Checkpoint {
    /// Appends the ids of a text without control tokens.
    pub(super) fn encode(&self, text: &str, is_first: bool, ids: &mut Vec<u32>) {
        let with_space;
        let text = match self.space_first && is_first && !text.starts_with([' ', '▁']) {
            true => {
                with_space = format!(" {text}");
                &with_space
            }
            false => text,
        };
        match self.reference.encode_fast(text, false) {
            Ok(encoding) => ids.extend_from_slice(encoding.get_ids()),
            Err(error) => {
                tracing::warn!(%error, "the tokenizer cannot write a text; it becomes unknown");
                ids.extend(self.unknown);
            }
        }
    }
}

/// What of `tokenizer.json` is looked at here.
#[derive(Deserialize)]
struct Description {
    model: Model,
    decoder: Option<Value>,
}

#[derive(Deserialize)]
struct Model {
    unk_token: Option<String>,
}

impl Tokenizer {
    /// Reads the tokenizer of a folder whose model has `vocab_size` rows in its embedding.
    ///
    /// # Errors
    /// When a file is absent or broken, or asks for what is not supported; [`TokenizerError::field`] names
    /// the file.
    pub fn from_folder(folder: &Path, vocab_size: u32) -> Result<Self, TokenizerError> {
        let text = read(folder, TOKENIZER, MAX_TOKENIZER_BYTES)?.ok_or_else(|| {
            TokenizerError::unsupported(TOKENIZER, "is missing; tokenizer.model alone is not supported")
        })?;
        let broken = |error: String| TokenizerError::invalid(TOKENIZER, format!("is broken: {error}"));
        let description: Description =
            serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        let mut reference = Reference::from_bytes(&text).map_err(|error| broken(error.to_string()))?;
        drop(text);
        let settings = json(folder, "tokenizer_config.json")?.unwrap_or_default();
        let (add_bos, add_eos) = added_around(&mut reference)?;
        let space_first = take_first_space(&mut reference)?;
        let specials = take_specials(&mut reference)?;
        let unknown = description
            .model
            .unk_token
            .and_then(|token| reference.token_to_id(&token));
        let vocabulary = vocabulary(&reference, &description.decoder, unknown, vocab_size)?;

        let named = |key: &str| token_name(settings.get(key)).and_then(|name| reference.token_to_id(&name));
        let bos = add_bos.or_else(|| named("bos_token"));
        let eos = named("eos_token").or(add_eos);
        let mut ends = ends(folder)?;
        ends.extend(eos);
        let limit = vocabulary.len();
        Ok(Self {
            special: SpecialTokens::new(specials)?,
            end_of_generation: end_of_generation::of(ends.into_iter().filter(|&id| id < limit), &vocabulary),
            bos,
            eos,
            add_bos: add_bos.is_some(),
            add_eos: add_eos.is_some(),
            add_space_prefix: strips_a_space(&description.decoder),
            vocabulary,
            algorithm: Algorithm::Checkpoint(Box::new(Checkpoint {
                reference,
                space_first,
                unknown,
            })),
        })
    }
}

/// The chat template of a folder, if it has one.
///
/// # Errors
/// When one of its files cannot be read.
pub fn chat_template(folder: &Path) -> Result<Option<String>, TokenizerError> {
    let name = "chat_template.jinja";
    if let Some(text) = read(folder, name, MAX_TEXT_BYTES)? {
        let text = String::from_utf8(text).map_err(|_| TokenizerError::invalid(name, "is no UTF-8"))?;
        return Ok(Some(text));
    }
    let settings = json(folder, "tokenizer_config.json")?.unwrap_or_default();
    Ok(match settings.get("chat_template") {
        Some(Value::String(source)) => Some(source.clone()),
        // Several by name.
        Some(Value::Array(all)) => all
            .iter()
            .find(|one| one.get("name").and_then(Value::as_str) == Some("default"))
            .and_then(|one| Some(one.get("template")?.as_str()?.to_owned())),
        _ => None,
    })
}

/// The tokens that end an answer by the folder's settings for generation.
fn ends(folder: &Path) -> Result<Vec<u32>, TokenizerError> {
    let mut ids = Vec::new();
    for name in ["generation_config.json", "config.json"] {
        let settings = json(folder, name)?.unwrap_or_default();
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        match settings.get("eos_token_id") {
            Some(Value::Array(all)) => ids.extend(all.iter().filter_map(id)),
            Some(one) => ids.extend(id(one)),
            None => {}
        }
    }
    Ok(ids)
}

/// What the file puts before and after a text: the begin, the end, or nothing.
fn added_around(reference: &mut Reference) -> Result<(Option<u32>, Option<u32>), TokenizerError> {
    let broken = |error: tokenizers::Error| TokenizerError::invalid(TOKENIZER, error.to_string());
    reference.with_truncation(None).map_err(broken)?;
    reference.with_padding(None);
    let plain = reference.encode_fast("a", false).map_err(broken)?;
    let whole = reference.encode_fast("a", true).map_err(broken)?;
    let (plain, whole) = (plain.get_ids(), whole.get_ids());
    let at = whole.windows(plain.len().max(1)).position(|part| part == plain);
    match at.map(|at| (&whole[..at], &whole[at + plain.len()..])) {
        Some((before @ ([] | [_]), after @ ([] | [_]))) => {
            Ok((before.first().copied(), after.first().copied()))
        }
        _ => Err(TokenizerError::unsupported(
            TOKENIZER,
            "has a post_processor that does more than to add a begin and an end",
        )),
    }
}

/// A text is encoded part by part here, of which only the first is at the start: the space that the
/// file wants there is added here, too.
fn take_first_space(reference: &mut Reference) -> Result<bool, TokenizerError> {
    match reference.get_pre_tokenizer() {
        Some(PreTokenizerWrapper::Metaspace(metaspace))
            if metaspace.prepend_scheme == PrependScheme::First =>
        {
            let mut metaspace = metaspace.clone();
            metaspace.prepend_scheme = PrependScheme::Never;
            reference.with_pre_tokenizer(Some(metaspace));
            Ok(true)
        }
        Some(PreTokenizerWrapper::Sequence(parts))
            if parts.as_ref().iter().any(|part| {
                matches!(part, PreTokenizerWrapper::Metaspace(metaspace)
                    if metaspace.prepend_scheme == PrependScheme::First)
            }) =>
        {
            Err(TokenizerError::unsupported(
                TOKENIZER,
                "has a Metaspace for the first word among other pre-tokenizers",
            ))
        }
        _ => Ok(false),
    }
}

/// The tokens that people's words must not become. From now on the crate takes their names for text.
fn take_specials(reference: &mut Reference) -> Result<Vec<Special>, TokenizerError> {
    let mut specials = Vec::new();
    let mut promoted = Vec::new();
    for (id, token) in reference.get_added_tokens_decoder() {
        if !(token.special || is_turn_mark(&token.content)) {
            continue;
        }
        if token.lstrip || token.single_word {
            return Err(TokenizerError::unsupported(
                TOKENIZER,
                format!(
                    "has \"{}\" with lstrip or single_word",
                    token.content.escape_debug()
                ),
            ));
        }
        if !token.special {
            promoted.push(AddedToken {
                special: true,
                ..token.clone()
            });
        }
        specials.push(Special {
            id,
            text: token.content,
            control: token.special,
            guarded: true,
            takes_space: token.rstrip,
        });
    }
    reference
        .add_special_tokens(promoted)
        .map_err(|error| TokenizerError::invalid(TOKENIZER, error.to_string()))?;
    reference.set_encode_special_tokens(true);
    specials.sort_by_key(|special| special.id);
    Ok(specials)
}

fn vocabulary(
    reference: &Reference,
    decoder: &Option<Value>,
    unknown: Option<u32>,
    vocab_size: u32,
) -> Result<Vocabulary, TokenizerError> {
    let byte_level = mentions(decoder, "ByteLevel");
    if !(byte_level || mentions(decoder, "ByteFallback") || mentions(decoder, "Metaspace")) {
        return Err(TokenizerError::unsupported(
            TOKENIZER,
            "has a decoder that is neither byte-level nor SentencePiece's",
        ));
    }
    let highest = reference.get_vocab(true).into_values().max();
    if highest.is_none_or(|highest| highest >= vocab_size) {
        return Err(TokenizerError::invalid(
            TOKENIZER,
            format!("has tokens up to {highest:?}, but the embedding has {vocab_size} rows"),
        ));
    }
    let added = reference.get_added_tokens_decoder();
    let is_added: HashSet<u32> = added.keys().copied().collect();
    let mut tokens = Vec::with_capacity(vocab_size as usize);
    let mut kinds = Vec::with_capacity(vocab_size as usize);
    for id in 0..vocab_size {
        let text = reference.id_to_token(id);
        kinds.push(match &text {
            None => TokenKind::Unused,
            Some(_) if Some(id) == unknown => TokenKind::Unknown,
            Some(_) if added.get(&id).is_some_and(|token| token.special) => TokenKind::Control,
            Some(_) if is_added.contains(&id) => TokenKind::UserDefined,
            Some(text) if !byte_level && byte_of_name(text).is_some() => TokenKind::Byte,
            Some(_) => TokenKind::Normal,
        });
        tokens.push(text.unwrap_or_default());
    }
    let tokens = tokens.iter().map(String::as_str);
    match byte_level {
        true => Ok(Vocabulary::byte_level(tokens, kinds)),
        false => Vocabulary::sentence_piece(tokens, kinds, true),
    }
}

/// Whether a decoder, or one of those in it, is of this type.
fn mentions(decoder: &Option<Value>, kind: &str) -> bool {
    parts(decoder).any(|part| part.get("type").and_then(Value::as_str) == Some(kind))
}

/// Whether the text of a whole answer loses a space in front.
fn strips_a_space(decoder: &Option<Value>) -> bool {
    parts(decoder).any(|part| match part.get("type").and_then(Value::as_str) {
        Some("Strip") => {
            part.get("content").and_then(Value::as_str) == Some(" ")
                && part.get("start").and_then(Value::as_u64) == Some(1)
        }
        Some("Metaspace") => part.get("prepend_scheme").and_then(Value::as_str) != Some("never"),
        _ => false,
    })
}

/// A decoder, or those that it is a sequence of.
fn parts(decoder: &Option<Value>) -> impl Iterator<Item = &Value> {
    let sequence = decoder
        .iter()
        .filter_map(|decoder| decoder.get("decoders")?.as_array());
    decoder.iter().chain(sequence.flatten())
}

/// The name of a token in `tokenizer_config.json`: a string, or an object with one.
fn token_name(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(name) => Some(name.clone()),
        Value::Object(token) => Some(token.get("content")?.as_str()?.to_owned()),
        _ => None,
    }
}

/// An object of JSON; `None` where there is no such file.
fn json(folder: &Path, name: &str) -> Result<Option<Map<String, Value>>, TokenizerError> {
    let Some(text) = read(folder, name, MAX_TEXT_BYTES)? else {
        return Ok(None);
    };
    let object = serde_json::from_slice(&text);
    object
        .map(Some)
        .map_err(|error| TokenizerError::invalid(name, format!("is broken: {error}")))
}

/// A file's bytes; `None` where there is none.
fn read(folder: &Path, name: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, TokenizerError> {
    let mut text = Vec::new();
    let read = File::open(folder.join(name)).and_then(|file| file.take(max_bytes + 1).read_to_end(&mut text));
    match read {
        Ok(_) if text.len() as u64 > max_bytes => Err(TokenizerError::invalid(
            name,
            format!("has more than {max_bytes} bytes, which no real one has"),
        )),
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TokenizerError::invalid(name, format!("cannot be read: {error}"))),
    }
}
