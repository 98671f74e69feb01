//! From words to words: messages → chat template → tokens → engine → text.
//!
//! ```text
//! Conversation ─ ChatTemplate ─▶ Prompt ─ Tokenizer ─▶ ids ─ Engine ─▶ TokenStream ─▶ Answer
//!                └──── Preparation's threads ────┘            │ engine thread │
//!                                                             └ TextSink: ids → text, stop strings
//! ```
//!
//! An [`Answer`] is a stream that owns its generation: who drops it ends it.

use std::sync::Arc;
use std::time::Instant;

use crate::domain::{Conversation, Generation, Violations};
use crate::engine::{Engine, EngineError, GenerateRequest};
use crate::sampling::Random;
use crate::text::{ChatMessage, ChatTemplate, PromptInput, TemplateError, Tokenizer};

mod answer;
mod error;
mod preparation;
mod text_sink;

pub use answer::{Answer, AnswerEvent};
pub use error::GenerateError;

use preparation::Preparation;
use text_sink::TextSink;

/// A loaded model with everything around it that turns words into words. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Generator {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    worker_id: String,
    engine: Engine,
    tokenizer: Arc<Tokenizer>,
    /// The error is kept for whoever wants to chat: the model can still complete plain text.
    template: Result<ChatTemplate, Arc<TemplateError>>,
    preparation: Preparation,
}

impl Generator {
    /// Puts the parts together. `template` is the model's own, or why there is none.
    #[must_use]
    pub fn new(
        worker_id: String,
        engine: Engine,
        tokenizer: Tokenizer,
        template: Result<ChatTemplate, TemplateError>,
    ) -> Self {
        let config = engine.config();
        // Half of the cores at most: the other requests' tokens are computed meanwhile.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let preparation = Preparation::new((cores / 2).max(1), config.slots + config.queue);
        let (tokenizer, template) = (Arc::new(tokenizer), template.map_err(Arc::new));
        Self {
            shared: Arc::new(Shared {
                worker_id,
                engine,
                tokenizer,
                template,
                preparation,
            }),
        }
    }

    /// Id of the worker that it belongs to, for narration.
    #[must_use]
    pub fn worker_id(&self) -> &str {
        &self.shared.worker_id
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.shared.tokenizer
    }

    /// Whether the model brings a chat template that can be used.
    #[must_use]
    pub fn has_chat_template(&self) -> bool {
        self.shared.template.is_ok()
    }

    /// Answers a conversation.
    ///
    /// # Errors
    /// Everything that can be said before computing.
    pub async fn chat(
        &self,
        conversation: Conversation,
        generation: Generation,
    ) -> Result<Answer, GenerateError> {
        let arrived = Instant::now();
        let prompt = self.prompt(conversation).await?;
        self.generate(prompt, "messages", &generation, arrived)
    }

    /// Continues a text. The names of control tokens in it stand for those tokens, as raw prompts
    /// for a model's other skills (filling in the middle, tools) need it.
    ///
    /// # Errors
    /// Everything that can be said before computing.
    pub async fn complete(&self, text: String, generation: Generation) -> Result<Answer, GenerateError> {
        let arrived = Instant::now();
        let prompt = self.tokenize(text, true, true).await?;
        self.generate(prompt, "prompt", &generation, arrived)
    }

    /// How many tokens a conversation is.
    ///
    /// # Errors
    /// If it can't be written down as a prompt.
    pub async fn count(&self, conversation: Conversation) -> Result<usize, GenerateError> {
        Ok(self.prompt(conversation).await?.len())
    }

    /// The ids of a text.
    ///
    /// # Errors
    /// If too many requests are being prepared.
    pub async fn tokenize(
        &self,
        text: String,
        add_special: bool,
        parse_special: bool,
    ) -> Result<Vec<u32>, GenerateError> {
        let tokenizer = Arc::clone(&self.shared.tokenizer);
        self.prepare(move || tokenizer.encode(&text, add_special, parse_special))
            .await
    }

    /// The text of ids, control tokens by their names.
    ///
    /// # Errors
    /// If too many requests are being prepared.
    pub async fn detokenize(&self, ids: Vec<u32>) -> Result<String, GenerateError> {
        let tokenizer = Arc::clone(&self.shared.tokenizer);
        self.prepare(move || tokenizer.decode(&ids, true)).await
    }

    async fn prompt(&self, conversation: Conversation) -> Result<Vec<u32>, GenerateError> {
        let shared = Arc::clone(&self.shared);
        self.prepare(move || shared.render(&conversation)).await?
    }

    async fn prepare<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, GenerateError> {
        let config = self.shared.engine.config();
        self.shared
            .preparation
            .run(work)
            .await
            .map_err(|error| GenerateError::from_preparation(error, config.slots, config.queue))
    }

    /// `field` is where the prompt came from, to be named if it is empty.
    fn generate(
        &self,
        prompt: Vec<u32>,
        field: &str,
        generation: &Generation,
        arrived: Instant,
    ) -> Result<Answer, GenerateError> {
        let Shared {
            worker_id,
            engine,
            tokenizer,
            ..
        } = &*self.shared;
        let prompt_tokens = prompt.len();
        let room = engine.info().context_length.saturating_sub(prompt_tokens);
        // A limit beyond the context is none; the answer then ends with the context.
        let max_tokens = generation
            .stop
            .max_tokens
            .map(|limit| limit as usize)
            .filter(|&limit| limit <= room);
        let sampling = generation.sampling.params(Random::from_entropy().next_u64());
        let seed = sampling.seed.unwrap_or_default();
        let request = GenerateRequest {
            prompt,
            sampling,
            max_tokens,
            end_tokens: tokenizer.end_of_generation().to_vec(),
            // Who names a seed wants the same answer again.
            reproducible: generation.sampling.seed.is_some(),
            sink: Box::new(TextSink::new(Arc::clone(tokenizer), &generation.stop.strings)),
        };
        let prepared = arrived.elapsed();
        let tokens = engine.generate(request).map_err(|error| match error {
            EngineError::EmptyPrompt => {
                GenerateError::Invalid(Violations::of(field, "must give the model at least one token"))
            }
            error => error.into(),
        })?;
        Ok(Answer::new(
            worker_id.clone(),
            tokens,
            prompt_tokens,
            seed,
            prepared,
        ))
    }
}

impl Shared {
    /// Writes a conversation down as the model's tokens.
    fn render(&self, conversation: &Conversation) -> Result<Vec<u32>, GenerateError> {
        let of_request;
        let template = match &conversation.template {
            Some(source) => {
                of_request = ChatTemplate::from_request(source, &self.tokenizer)?;
                &of_request
            }
            None => self.template.as_ref().map_err(Arc::clone)?,
        };
        let messages: Vec<ChatMessage> = conversation
            .messages
            .iter()
            .map(|message| ChatMessage::new(message.role.name(), message.text.as_str()))
            .collect();
        let input = PromptInput::new(&messages, jiff::Zoned::now().datetime());
        let prompt = template.render_prompt(&input, self.tokenizer.control_texts())?;
        Ok(self.tokenizer.encode_prompt(&prompt))
    }
}
