//! From words to words: messages → chat template → tokens → engine → text.
//!
//! ```text
//! Conversation ─ ChatTemplate ─▶ Prompt ─ Tokenizer ─▶ ids ─ Engine ─▶ TokenStream ─▶ Answer
//!                └──── Preparation's threads ────┘            │ engine thread │
//!                                                             └ TextSink: ids → text, stop strings
//! ```
//!
//! An [`Answer`] is a stream that owns its generation: who drops it ends it.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::constraint::{ConstraintError, ConstraintState, ConstraintVocabulary};
use crate::domain::{Chat, Conversation, Generation, Violations};
use crate::engine::{Engine, EngineError, GenerateRequest};
use crate::sampling::Random;
use crate::text::{ChatTemplate, Marks, TemplateError, Tokenizer};

mod answer;
mod call_ids;
mod constraining;
mod echo;
mod embedding;
mod error;
mod preparation;
mod prompt;
mod reading;
mod text_sink;

pub use answer::{Answer, AnswerEvent, CalledTool};
pub use embedding::Embedded;
pub use error::GenerateError;
pub use prompt::MOST_ROOM_TOKENS;

use answer::Beginning;
use call_ids::CallIds;
use echo::Echo;
use preparation::Preparation;
use prompt::{ChatPrompt, Writer};
use reading::Reading;
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
    writer: Writer,
    /// Made for the first request with a constraint.
    constraints: OnceLock<Result<Arc<ConstraintVocabulary>, ConstraintError>>,
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
        let tokenizer = Arc::new(tokenizer);
        let writer = Writer::new(Arc::clone(&tokenizer), template);
        Self {
            shared: Arc::new(Shared {
                worker_id,
                engine,
                tokenizer,
                writer,
                constraints: OnceLock::new(),
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
        self.shared.writer.has_template()
    }

    /// Answers a conversation.
    ///
    /// # Errors
    /// Everything that can be said before computing.
    pub async fn chat(&self, chat: Chat, generation: Generation) -> Result<Answer, GenerateError> {
        let arrived = Instant::now();
        let shared = Arc::clone(&self.shared);
        let max_tokens = generation.stop.max_tokens.map(|limit| limit as usize);
        let (prompt, chat) = self
            .prepare(move || {
                let context_length = shared.engine.info().context_length;
                let prompt = shared.writer.prompt(&chat, max_tokens, context_length)?;
                Ok::<_, GenerateError>((prompt, chat))
            })
            .await??;
        let constraint = self.constraint_of_chat(&chat, &prompt, &generation).await?;
        self.generate(
            Prompt {
                shown: self.shown(&chat, &prompt),
                reading: reading(&chat, &prompt),
                dropped_messages: prompt.dropped_messages,
                ids: prompt.ids,
                field: "messages",
                echo: None,
                constraint,
            },
            &generation,
            arrived,
        )
    }

    /// Continues a text. The names of control tokens in it stand for those tokens, as raw prompts
    /// for a model's other skills (filling in the middle, tools) need it. With `echo`, the prompt is given back
    /// first.
    ///
    /// # Errors
    /// Everything that can be said before computing.
    pub async fn complete(
        &self,
        text: String,
        echo: bool,
        generation: Generation,
    ) -> Result<Answer, GenerateError> {
        let arrived = Instant::now();
        let tokenizer = Arc::clone(&self.shared.tokenizer);
        let (ids, echo) = self
            .prepare(move || {
                let ids = tokenizer.encode(&text, true, true);
                let echo = echo.then(|| Echo::new(&tokenizer, &text, &ids));
                (ids, echo)
            })
            .await?;
        let prompt = Prompt {
            echo,
            constraint: self.constraint(generation.constraint.clone()).await?,
            ..Prompt::plain(ids)
        };
        self.generate(prompt, &generation, arrived)
    }

    /// How many tokens a conversation is.
    ///
    /// # Errors
    /// If it can't be written down as a prompt.
    pub async fn count(&self, conversation: Conversation) -> Result<usize, GenerateError> {
        let shared = Arc::clone(&self.shared);
        self.prepare(move || shared.writer.count(&conversation)).await?
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

    /// The control tokens that an answer shows: the marks that are read in it, or all of them if nothing is.
    fn shown(&self, chat: &Chat, prompt: &ChatPrompt) -> Vec<u32> {
        let marks = Marks {
            calls: prompt
                .marks
                .calls
                .filter(|_| chat.raw || !chat.conversation.tools.is_empty()),
            ..prompt.marks
        };
        marks.tokens(&self.shared.tokenizer)
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

    fn generate(
        &self,
        prompt: Prompt,
        generation: &Generation,
        arrived: Instant,
    ) -> Result<Answer, GenerateError> {
        let Shared {
            worker_id,
            engine,
            tokenizer,
            ..
        } = &*self.shared;
        let prompt_tokens = prompt.ids.len();
        let room = engine.info().context_length.saturating_sub(prompt_tokens);
        // A limit beyond the context is none; the answer then ends with the context.
        let max_tokens = generation
            .stop
            .max_tokens
            .map(|limit| limit as usize)
            .filter(|&limit| limit <= room);
        let end_tokens = tokenizer.end_of_generation();
        let sampling = generation.params(Random::from_entropy().next_u64(), end_tokens);
        let seed = sampling.seed.unwrap_or_default();
        let beginning = Beginning {
            prompt_tokens,
            seed,
            dropped_messages: prompt.dropped_messages,
            call_ids: CallIds::new(seed, &prompt.ids),
            reading: prompt.reading,
            tells: generation.top_log_probabilities.is_some(),
            echo: prompt.echo,
        };
        let sink = TextSink::new(Arc::clone(tokenizer), prompt.shown, &generation.stop.strings);
        let request = GenerateRequest {
            prompt: prompt.ids,
            sampling,
            max_tokens,
            end_tokens: end_tokens.to_vec(),
            // Who names a seed wants the same answer again.
            reproducible: generation.sampling.seed.is_some(),
            log_probabilities: generation.top_log_probabilities.map(|top| top as usize),
            prompt_log_probabilities: beginning.echo.is_some(),
            constraint: prompt.constraint,
            sink: Box::new(sink),
        };
        let prepared = arrived.elapsed();
        let tokens = engine.generate(request).map_err(|error| match error {
            EngineError::EmptyPrompt => GenerateError::Invalid(Violations::of(
                prompt.field,
                "must give the model at least one token",
            )),
            error => error.into(),
        })?;
        Ok(Answer::new(worker_id.clone(), tokens, beginning, prepared))
    }
}

/// What an answer goes on from, and how it is read.
struct Prompt {
    ids: Vec<u32>,
    /// Where it came from, to be named if it is empty.
    field: &'static str,
    dropped_messages: usize,
    /// Control tokens that show in the answer.
    shown: Vec<u32>,
    reading: Reading,
    /// The prompt, if it is given back first.
    echo: Option<Echo>,
    /// What the answer must look like.
    constraint: Option<ConstraintState>,
}

impl Prompt {
    /// A text, whose continuation is text.
    fn plain(ids: Vec<u32>) -> Self {
        Self {
            ids,
            field: "prompt",
            dropped_messages: 0,
            shown: Vec::new(),
            reading: Reading::default(),
            echo: None,
            constraint: None,
        }
    }
}

/// What is read out of the answer to a conversation.
fn reading(chat: &Chat, prompt: &ChatPrompt) -> Reading {
    if chat.raw {
        return Reading::default();
    }
    let tools = &chat.conversation.tools;
    let names = || tools.iter().map(|tool| tool.name.clone()).collect();
    Reading {
        reasoning: prompt
            .marks
            .reasoning
            .map(|marks| (marks, prompt.reasoning_is_open)),
        calls: prompt
            .marks
            .calls
            .filter(|_| !tools.is_empty())
            .map(|form| (form, names())),
    }
}
