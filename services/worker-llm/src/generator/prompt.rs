//! A conversation as the model's tokens.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::GenerateError;
use crate::domain::{Chat, ContextOverflow, Conversation, Message, Role};
use crate::text::{ChatMessage, ChatTemplate, Json, Marks, PromptInput, TemplateError, Tokenizer};

/// Tokens that an answer without a limit of its own finds free when turns are left out: a quarter of the
/// context, and no more than this.
pub const MOST_ROOM_TOKENS: usize = 1024;

/// A conversation, written down.
#[derive(Debug)]
pub(super) struct ChatPrompt {
    pub(super) ids: Vec<u32>,
    /// Messages that were left out.
    pub(super) dropped_messages: usize,
    /// The marks that the answer will have.
    pub(super) marks: Marks,
    /// Whether the answer begins within reasoning.
    pub(super) reasoning_is_open: bool,
}

/// What writes conversations down.
#[derive(Debug)]
pub(super) struct Writer {
    tokenizer: Arc<Tokenizer>,
    /// The error is kept for whoever wants to chat: the model can still complete plain text.
    template: Result<Written, Arc<TemplateError>>,
}

/// A template and the marks that go with it.
#[derive(Debug)]
struct Written {
    template: ChatTemplate,
    marks: Marks,
}

impl Written {
    fn new(template: ChatTemplate, tokenizer: &Tokenizer) -> Self {
        Self {
            marks: Marks::of(&template, tokenizer),
            template,
        }
    }
}

impl Writer {
    pub(super) fn new(tokenizer: Arc<Tokenizer>, template: Result<ChatTemplate, TemplateError>) -> Self {
        Self {
            template: template
                .map(|template| Written::new(template, &tokenizer))
                .map_err(Arc::new),
            tokenizer,
        }
    }

    pub(super) fn has_template(&self) -> bool {
        self.template.is_ok()
    }

    /// How many tokens a conversation is.
    pub(super) fn count(&self, conversation: &Conversation) -> Result<usize, GenerateError> {
        self.with_template(conversation, |writing| Ok(writing.write(0)?.0.len()))
    }

    /// Writes a conversation down, without its oldest turns if it wants that and does not fit otherwise.
    pub(super) fn prompt(
        &self,
        chat: &Chat,
        max_tokens: Option<usize>,
        context_length: usize,
    ) -> Result<ChatPrompt, GenerateError> {
        self.with_template(&chat.conversation, |writing| {
            let (left_out, (ids, reasoning_is_open)) = match chat.overflow {
                ContextOverflow::Refuse => (0, writing.write(0)?),
                ContextOverflow::DropOldestTurns => {
                    let room = max_tokens
                        .filter(|&limit| limit < context_length)
                        .unwrap_or((context_length / 4).min(MOST_ROOM_TOKENS));
                    writing.fit(context_length, room)?
                }
            };
            Ok(ChatPrompt {
                ids,
                dropped_messages: writing.messages.len() - writing.without(left_out).count(),
                marks: writing.written.marks,
                reasoning_is_open,
            })
        })
    }

    fn with_template<T>(
        &self,
        conversation: &Conversation,
        write: impl FnOnce(&Writing<'_>) -> Result<T, GenerateError>,
    ) -> Result<T, GenerateError> {
        let of_request;
        let written = match &conversation.template {
            Some(source) => {
                let template = ChatTemplate::from_request(source, &self.tokenizer)?;
                of_request = Written::new(template, &self.tokenizer);
                &of_request
            }
            None => self.template.as_ref().map_err(Arc::clone)?,
        };
        if !conversation.tools.is_empty() && !written.template.reads_tools() {
            return Err(written.template.knows_no_tools().into());
        }
        let (turns, turn_count) = conversation.turns();
        write(&Writing {
            written,
            tokenizer: &self.tokenizer,
            messages: chat_messages(&conversation.messages),
            tools: tools(conversation),
            variables: &conversation.variables,
            turns,
            turn_count,
        })
    }
}

/// One conversation on its way to a prompt.
struct Writing<'a> {
    written: &'a Written,
    tokenizer: &'a Tokenizer,
    messages: Vec<ChatMessage>,
    tools: Option<Json>,
    variables: &'a [(String, Json)],
    /// The turn of each message.
    turns: Vec<Option<usize>>,
    turn_count: usize,
}

impl Writing<'_> {
    /// The messages without the first turns.
    fn without(&self, left_out: usize) -> impl Iterator<Item = &ChatMessage> {
        let messages = self.messages.iter().zip(&self.turns);
        messages
            .filter(move |(_, turn)| turn.is_none_or(|turn| turn >= left_out))
            .map(|(message, _)| message)
    }

    /// The tokens without the first turns, and whether they end within reasoning.
    fn write(&self, left_out: usize) -> Result<(Vec<u32>, bool), GenerateError> {
        let messages: Vec<ChatMessage> = self.without(left_out).cloned().collect();
        let input = PromptInput {
            tools: self.tools.as_ref(),
            variables: self.variables,
            ..PromptInput::new(&messages, jiff::Zoned::now().datetime())
        };
        let control_texts = self.tokenizer.control_texts();
        let prompt = self.written.template.render_prompt(&input, control_texts)?;
        let reasoning = self.written.marks.reasoning;
        let is_open = reasoning.is_some_and(|marks| marks.opened_by(&prompt.text));
        Ok((self.tokenizer.encode_prompt(&prompt), is_open))
    }

    /// The longest end of the conversation that leaves `room` in the context: how many turns are left out,
    /// and what is written then. If even the last turn alone leaves less, that.
    ///
    /// Goes by halves, for one rendering for each turn would be far too many.
    fn fit(&self, context_length: usize, room: usize) -> Result<(usize, (Vec<u32>, bool)), GenerateError> {
        let fits = |ids: &[u32]| ids.len() + room <= context_length;
        let whole = self.write(0)?;
        if fits(&whole.0) || self.turn_count < 2 {
            return Ok((0, whole));
        }
        let mut too_few = 0;
        let mut enough = self.turn_count - 1;
        let mut written = self.write(enough)?;
        while fits(&written.0) && enough - too_few > 1 {
            let middle = too_few + (enough - too_few) / 2;
            let tried = self.write(middle)?;
            if fits(&tried.0) {
                (enough, written) = (middle, tried);
            } else {
                too_few = middle;
            }
        }
        Ok((enough, written))
    }
}

/// The messages as published templates expect them: as transformers hands them over.
fn chat_messages(messages: &[Message]) -> Vec<ChatMessage> {
    let mut called: HashMap<&str, &str> = HashMap::new();
    let mut written = Vec::with_capacity(messages.len());
    for message in messages {
        let mut fields: Vec<(&str, Json)> = vec![
            ("role", message.role.name().into()),
            ("content", message.text.as_str().into()),
        ];
        if !message.reasoning.is_empty() {
            fields.push(("reasoning_content", message.reasoning.as_str().into()));
        }
        if !message.tool_calls.is_empty() {
            let calls = message.tool_calls.iter().map(|call| {
                let function = Json::object([
                    ("name", call.name.as_str().into()),
                    ("arguments", call.arguments.clone()),
                ]);
                Json::object([
                    ("id", call.id.as_str().into()),
                    ("type", "function".into()),
                    ("function", function),
                ])
            });
            fields.push(("tool_calls", Json::array(calls)));
            let names = message.tool_calls.iter();
            called.extend(names.map(|call| (call.id.as_str(), call.name.as_str())));
        }
        if message.role == Role::Tool {
            let id = message.tool_call_id.as_str();
            let name = match message.tool_name.as_str() {
                "" => called.get(id).copied().unwrap_or_default(),
                name => name,
            };
            fields.push(("name", name.into()));
            if !id.is_empty() {
                fields.push(("tool_call_id", id.into()));
            }
        }
        written.extend(ChatMessage::from_json(Json::object(fields)));
    }
    written
}

/// The tools as published templates expect them.
fn tools(conversation: &Conversation) -> Option<Json> {
    let tools = conversation.tools.iter().map(|tool| {
        let function = Json::object([
            ("name", tool.name.as_str().into()),
            ("description", tool.description.as_str().into()),
            ("parameters", tool.parameters.clone()),
        ]);
        Json::object([("type", "function".into()), ("function", function)])
    });
    (!conversation.tools.is_empty()).then(|| Json::array(tools))
}

#[cfg(test)]
mod tests;
