//! What an answer must look like, compiled: what the request says, or calls of its tools.

use std::sync::Arc;

use super::prompt::ChatPrompt;
use super::{GenerateError, Generator, Shared};
use crate::constraint::{ConstraintState, ConstraintVocabulary, Gate, compile_calls};
use crate::domain::{Chat, Constraint, Generation, ToolChoice};

impl Generator {
    /// What the answer to a conversation must look like: as asked, or a call of a tool.
    pub(super) async fn constraint_of_chat(
        &self,
        chat: &Chat,
        prompt: &ChatPrompt,
        generation: &Generation,
    ) -> Result<Option<ConstraintState>, GenerateError> {
        let state = if chat.tool_choice == ToolChoice::Required {
            Some(self.calls(chat, prompt).await?)
        } else {
            self.constraint(generation.constraint.clone()).await?
        };
        // As the model writes it, the whole answer looks as asked.
        let gate = reasoning_gate(prompt).filter(|_| !chat.raw);
        Ok(state.map(|state| match gate {
            Some(gate) => state.behind(gate),
            None => state,
        }))
    }

    /// Compiles what a request says, off the runtime's threads.
    pub(super) async fn constraint(
        &self,
        constraint: Option<Constraint>,
    ) -> Result<Option<ConstraintState>, GenerateError> {
        let Some(constraint) = constraint else {
            return Ok(None);
        };
        let shared = Arc::clone(&self.shared);
        let compile = move || ConstraintState::compile(&constraint, shared.constraints()?);
        Ok(Some(self.prepare(compile).await??))
    }

    async fn calls(&self, chat: &Chat, prompt: &ChatPrompt) -> Result<ConstraintState, GenerateError> {
        let spelling = prompt.marks.spelling.ok_or(GenerateError::CallsUnknown)?;
        let tools = chat.conversation.tools.clone();
        let shared = Arc::clone(&self.shared);
        let compile = move || compile_calls(&tools, spelling, &shared.tokenizer, shared.constraints()?);
        Ok(self.prepare(compile).await??)
    }
}

impl Shared {
    /// The vocabulary as constraints walk it; made for the first that asks.
    fn constraints(&self) -> Result<&Arc<ConstraintVocabulary>, crate::constraint::ConstraintError> {
        let build = || Ok(Arc::new(ConstraintVocabulary::build(&self.tokenizer)?));
        self.constraints.get_or_init(build).as_ref().map_err(Clone::clone)
    }
}

/// Where the answer to a conversation must begin to look as asked: behind the reasoning that the model marks.
fn reasoning_gate(prompt: &ChatPrompt) -> Option<Gate> {
    prompt.marks.reasoning.map(|marks| Gate {
        opens: (!prompt.reasoning_is_open).then(|| marks.open.as_bytes().to_vec()),
        closes: marks.close.as_bytes().to_vec(),
    })
}
