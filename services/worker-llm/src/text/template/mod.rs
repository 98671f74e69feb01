//! Chat templates: from a conversation to the prompt that the model was trained on.
//!
//! A model's file brings its template, a Jinja program written for Python. `environment` makes
//! minijinja behave as transformers' `apply_chat_template` does (with `dialect` for what that adds to
//! Jinja, and `python` for how Python prints and for methods of its strings), and bounds it: a template is a program from the internet, so its
//! size, its work, its depth and its output are limited. What these limits do not hold against, the worker's program
//! keeps away from itself: it compiles and renders in processes of their own ([`apart`]).
//!
//! Rendering gives one text in which the template's control tokens and people's words look alike:
//! a user who writes `<|im_end|>` could end their own turn and speak as the system. `prompt` keeps the
//! two apart; see [`ChatTemplate::render_prompt`].

pub mod apart;
mod dialect;
mod environment;
mod error;
mod message;
mod prompt;
mod python;
mod rendering;

use rbee_artifacts::gguf::GgufHeader;

use self::apart::{Apart, Renderers};
use self::error::Trouble;
use self::prompt::Protection;
use self::rendering::{Rendering, Values};
use super::tokenizer::{ControlTexts, Tokenizer};

pub use self::error::{TemplateError, TemplateOrigin};
pub use self::message::{ChatMessage, Json, JsonError, PromptInput};
pub use self::prompt::Prompt;

const TEMPLATE_KEY: &str = "tokenizer.chat_template";

/// The longest template that is compiled. Published ones stay below 100 KB.
const MAX_SOURCE_BYTES: usize = 1 << 20;

/// A compiled chat template. Immutable: share it in an `Arc`.
#[derive(Debug)]
pub struct ChatTemplate {
    compiled: Compiled,
    origin: TemplateOrigin,
    reads_tools: bool,
    source: String,
}

/// Where it is rendered.
#[derive(Debug)]
enum Compiled {
    Here(Box<Rendering>),
    Apart(Apart),
}

impl Compiled {
    /// Compiles a template, and tells whether it reads tools.
    fn new(source: &str, bos_token: String, eos_token: String) -> Result<(Self, bool), Trouble> {
        Ok(match Renderers::of_this_process() {
            Some(renderers) => {
                let (template, reads_tools) = Apart::compile(renderers, source, bos_token, eos_token)?;
                (Self::Apart(template), reads_tools)
            }
            None => {
                let template = Rendering::compile(source, bos_token, eos_token)?;
                let reads_tools = template.reads_tools();
                (Self::Here(Box::new(template)), reads_tools)
            }
        })
    }
}

impl ChatTemplate {
    /// The template in a model's file.
    ///
    /// # Errors
    /// [`TemplateError::NoChatTemplate`] if it has none; otherwise when the template is too long or no
    /// Jinja. A model with a broken template can still complete plain text: keep the error for the first
    /// chat.
    pub fn from_gguf(header: &GgufHeader, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        let source = header
            .metadata
            .str(TEMPLATE_KEY)
            .map_err(|error| TemplateError::broken(TemplateOrigin::Model, error.to_string()))?
            .ok_or(TemplateError::NoChatTemplate)?;
        Self::for_tokenizer(source, TemplateOrigin::Model, tokenizer)
    }

    /// The template in a model's folder.
    ///
    /// # Errors
    /// When the template is too long or no Jinja.
    pub fn from_model(source: &str, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        Self::for_tokenizer(source, TemplateOrigin::Model, tokenizer)
    }

    /// A template that a request brings with it.
    ///
    /// # Errors
    /// When the template is too long or no Jinja.
    pub fn from_request(source: &str, tokenizer: &Tokenizer) -> Result<Self, TemplateError> {
        Self::for_tokenizer(source, TemplateOrigin::Request, tokenizer)
    }

    fn for_tokenizer(
        source: &str,
        origin: TemplateOrigin,
        tokenizer: &Tokenizer,
    ) -> Result<Self, TemplateError> {
        let bos_token = tokenizer.token_name(tokenizer.bos());
        let eos_token = tokenizer.token_name(tokenizer.eos());
        Self::from_source(source, origin, bos_token, eos_token)
    }

    /// Compiles a template, which can print the names of the two tokens.
    ///
    /// # Errors
    /// When the template is too long or no Jinja.
    pub fn from_source(
        source: &str,
        origin: TemplateOrigin,
        bos_token: String,
        eos_token: String,
    ) -> Result<Self, TemplateError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(TemplateError::TooLong {
                origin,
                size_bytes: source.len(),
                limit_bytes: MAX_SOURCE_BYTES,
            });
        }
        let (compiled, reads_tools) =
            Compiled::new(source, bos_token, eos_token).map_err(|trouble| trouble.of(origin))?;
        Ok(Self {
            compiled,
            origin,
            reads_tools,
            source: source.to_owned(),
        })
    }

    /// Whether the template looks at the tools that a request brings.
    #[must_use]
    pub fn reads_tools(&self) -> bool {
        self.reads_tools
    }

    /// The error that it does not.
    #[must_use]
    pub fn knows_no_tools(&self) -> TemplateError {
        TemplateError::NoTools { origin: self.origin }
    }

    /// The template itself.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders a conversation as one text, exactly as the model expects it.
    ///
    /// To encode it, use [`ChatTemplate::render_prompt`]: in this text, control tokens of the template
    /// and the same names in people's words look alike.
    ///
    /// # Errors
    /// When the template refuses the conversation ([`TemplateError::Refused`], with its own words), does
    /// too much work, or goes wrong.
    pub fn render(&self, input: &PromptInput<'_>) -> Result<String, TemplateError> {
        self.render_values(&Values::of(input))
    }

    /// Renders a conversation so that nothing that people wrote in it can become a control token.
    ///
    /// The text is that of [`ChatTemplate::render`], with the places in it that
    /// [`Tokenizer::encode_prompt`](super::Tokenizer::encode_prompt) is to take literally: where a
    /// message, tool or document has the name of a control token, or a part of one at its edge that
    /// other text could complete. They are found by rendering a second time with the first character of
    /// each such name replaced by a private one, which the template carries to where the text ends up,
    /// however it trims, cuts or joins. A conversation without such names is rendered once.
    ///
    /// Should a template treat the private characters differently (compare, escape or sort by them), the
    /// two renderings differ; then no control token whose name is in the conversation is recognised
    /// anywhere in this prompt. The model may then miss a mark of its template, but nobody can forge one.
    ///
    /// The caller answers for roles and for names of tools being what they should: a template that writes
    /// `<|{{ role }}|>` makes a mark of whatever the role is.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`].
    pub fn render_prompt(
        &self,
        input: &PromptInput<'_>,
        control_texts: &ControlTexts,
    ) -> Result<Prompt, TemplateError> {
        let values = Values::of(input);
        let text = self.render_values(&values)?;
        let protection = Protection::of(values.all(), control_texts);
        if !protection.is_needed() {
            return Ok(Prompt {
                text,
                literal: Vec::new(),
            });
        }
        let marked = values.map(|value| protection.mark(value));
        if let Ok(marked_text) = self.render_values(&marked) {
            let prompt = protection.unmark(&marked_text);
            if prompt.text == text {
                return Ok(prompt);
            }
        }
        Ok(protection.all_literal(text))
    }

    fn render_values(&self, values: &Values) -> Result<String, TemplateError> {
        let rendered = match &self.compiled {
            Compiled::Here(template) => template.render(values),
            Compiled::Apart(template) => template.render(values),
        };
        rendered.map_err(|trouble| trouble.of(self.origin))
    }
}
