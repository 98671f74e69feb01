//! Text as it arrives: what `rbee chat` and `rbee complete` have in common.

use std::future::Future;
use std::io::{self, IsTerminal as _, Read as _};

use rbee_proto::types::v1::Worker;
use rbee_proto::worker::v1::{
    ChatResponse, CompleteResponse, GenerationFinished, GenerationStarted, TextDelta, ToolCall,
    chat_response, complete_response,
};
use tokio_stream::StreamExt as _;
use tonic::{Response, Status, Streaming};

use super::interrupt::{Outcome, or_ctrl_c};
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::{Output, note};
use crate::render::screen::Screen;
use crate::render::stats::Answer;

/// One event of an answer, whichever call it comes from.
#[derive(Debug)]
pub(super) enum Event {
    /// First.
    Started(GenerationStarted),
    /// A piece of what the model thinks.
    Reasoning(TextDelta),
    /// A piece of text.
    Delta(TextDelta),
    /// A call of a tool.
    ToolCall(ToolCall),
    /// Last.
    Finished(GenerationFinished),
}

impl TryFrom<ChatResponse> for Event {
    type Error = ();

    fn try_from(response: ChatResponse) -> Result<Self, ()> {
        Ok(match response.event.ok_or(())? {
            chat_response::Event::Started(started) => Self::Started(started),
            chat_response::Event::Delta(delta) => Self::Delta(delta),
            chat_response::Event::Reasoning(delta) => Self::Reasoning(delta),
            chat_response::Event::ToolCall(call) => Self::ToolCall(call),
            chat_response::Event::Finished(finished) => Self::Finished(finished),
        })
    }
}

impl TryFrom<CompleteResponse> for Event {
    type Error = ();

    fn try_from(response: CompleteResponse) -> Result<Self, ()> {
        Ok(match response.event.ok_or(())? {
            complete_response::Event::Started(started) => Self::Started(started),
            complete_response::Event::Delta(delta) => Self::Delta(delta),
            complete_response::Event::Finished(finished) => Self::Finished(finished),
        })
    }
}

/// Shows an answer as it arrives. Ctrl-C stops it: the stream is dropped, which stops the worker,
/// and what has arrived is the answer, `interrupted`.
pub(super) async fn show<T>(
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
    model: &str,
    worker: &Worker,
    output: Output,
) -> Result<Answer, Failure>
where
    T: TryInto<Event>,
{
    let mut screen = Screen::new(output);
    let mut answer = Answer::begin(model, &worker.id);
    let outcome = or_ctrl_c(receive(call, &mut answer, &mut screen)).await;
    screen.end()?;
    match outcome {
        Outcome::Done(Ok(())) | Outcome::Interrupted => Ok(answer),
        Outcome::Done(Err(failure)) => Err(failure),
    }
}

async fn receive<T>(
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
    answer: &mut Answer,
    screen: &mut Screen,
) -> Result<(), Failure>
where
    T: TryInto<Event>,
{
    let doing = || format!("no answer from worker {}", answer.worker_id);
    let mut events = call.await.doing(doing)?.into_inner();
    while let Some(message) = events.next().await {
        let message = message.doing(|| format!("worker {} broke its answer off", answer.worker_id))?;
        match message.try_into() {
            Ok(Event::Started(started)) => answer.started(&started),
            Ok(Event::Reasoning(delta)) => {
                answer.completion_tokens = delta.completion_tokens;
                answer.reasoning.push_str(&delta.text);
                answer.told(delta.tokens);
                screen.think(&delta.text)?;
            }
            Ok(Event::ToolCall(call)) => {
                screen.call(&call)?;
                answer.tool_calls.push(call);
            }
            Ok(Event::Delta(delta)) => {
                answer.completion_tokens = delta.completion_tokens;
                answer.text.push_str(&delta.text);
                answer.told(delta.tokens);
                screen.show(&delta.text)?;
            }
            Ok(Event::Finished(finished)) => {
                answer.finished(&finished);
                return Ok(());
            }
            // An event that a newer worker knows and this program doesn't.
            Err(_) => {}
        }
    }
    Err(Failure::new(
        Exit::Failed,
        format!("worker {} broke its answer off", answer.worker_id),
    )
    .because("the stream ended without its last message"))
}

/// Tells what an answer took, and turns an interrupted one into the exit code for that.
pub(super) fn conclude(answer: &Answer, output: Output) -> Result<(), Failure> {
    if output.json {
        output.json_line(answer)?;
    } else {
        note(&output.remark_paint.faint(&answer.line()));
    }
    if was_interrupted(answer) {
        Err(Failure::new(Exit::Interrupted, "interrupted"))
    } else {
        Ok(())
    }
}

/// Whether Ctrl-C ended an answer.
pub(super) fn was_interrupted(answer: &Answer) -> bool {
    answer.finish_reason == "interrupted"
}

/// The prompt of a command that answers once; absent for a conversation.
pub(super) fn one_shot_prompt(prompt: Option<&str>, output: Output) -> Result<Option<String>, Failure> {
    let piped = !io::stdin().is_terminal();
    let text = match prompt {
        Some("-") => read_stdin()?,
        Some(text) => text.to_owned(),
        None if piped => read_stdin()?,
        None if output.json => {
            return Err(
                Failure::new(Exit::Usage, "--json needs a prompt").hint("give --prompt TEXT, or pipe it in")
            );
        }
        None => return Ok(None),
    };
    if text.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "the prompt is empty"));
    }
    Ok(Some(text))
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut text)
        .doing(|| "can't read standard input".into())?;
    Ok(text)
}
