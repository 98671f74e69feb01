//! Chat templates: what transformers makes of conversations.

use std::collections::HashMap;
use std::path::Path;

use jiff::civil::DateTime;
use serde::Deserialize;

use super::golden::json_if_there;
use super::{FidelityError, Report};
use crate::text::template::TemplateOrigin;
use crate::text::{ChatMessage, ChatTemplate, Json, PromptInput, TemplateError};

#[derive(Deserialize)]
struct Golden {
    now: DateTime,
    conversations: HashMap<String, Conversation>,
    templates: Vec<Template>,
}

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Json>,
    tools: Option<Json>,
    documents: Option<Json>,
}

#[derive(Deserialize)]
struct Template {
    /// Its source; absent where it is a model's own.
    file: Option<String>,
    special_tokens: Option<SpecialTokens>,
    #[serde(default)]
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone)]
struct SpecialTokens {
    bos_token: String,
    eos_token: String,
}

#[derive(Deserialize)]
struct Case {
    conversation: String,
    kwargs: HashMap<String, Json>,
    text: Option<String>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

#[derive(Deserialize)]
struct Snippets {
    now: DateTime,
    context: SnippetContext,
    snippets: Vec<Snippet>,
}

#[derive(Deserialize)]
struct SnippetContext {
    #[serde(flatten)]
    tokens: SpecialTokens,
    add_generation_prompt: bool,
    #[serde(flatten)]
    conversation: Conversation,
}

#[derive(Deserialize)]
struct Snippet {
    template: String,
    text: String,
}

/// Compares the templates and snippets of a folder.
pub(super) fn check(folder: &Path, report: &mut Report) -> Result<(), FidelityError> {
    match json_if_there::<Golden>(&folder.join("cases.json"))? {
        Some(golden) => golden.check(folder, report)?,
        None => report.absent.push("chat cases".to_owned()),
    }
    match json_if_there::<Snippets>(&folder.join("snippets.json"))? {
        Some(snippets) => snippets.check(report),
        None => report.absent.push("chat snippets".to_owned()),
    }
    Ok(())
}

impl Golden {
    fn check(&self, folder: &Path, report: &mut Report) -> Result<(), FidelityError> {
        for template in &self.templates {
            let (Some(file), Some(tokens)) = (&template.file, &template.special_tokens) else {
                continue;
            };
            let case = format!("chat {file}");
            if !report.wants(&case) {
                continue;
            }
            // Files are named from the folder above.
            let path = folder.join("..").join(file);
            let source = std::fs::read_to_string(&path)
                .map_err(|error| FidelityError::new(&path, format!("it cannot be read: {error}")))?;
            match compile(&source, tokens) {
                Ok(compiled) => {
                    let wrong: Vec<String> = template
                        .cases
                        .iter()
                        .filter_map(|one| one.check(&compiled, self).err())
                        .collect();
                    report.none_differ(&case, "renderings", template.cases.len(), &wrong);
                }
                Err(error) => report.failed(&case, "renderings", &error),
            }
        }
        Ok(())
    }
}

impl Case {
    /// Renders, and says what is wrong with the result.
    fn check(&self, template: &ChatTemplate, golden: &Golden) -> Result<(), String> {
        let name = &self.conversation;
        let conversation = golden
            .conversations
            .get(name)
            .ok_or_else(|| format!("there is no conversation {name}"))?;
        let found = conversation.render(template, &self.kwargs, golden.now);
        let same = match (&self.text, &self.error, &found) {
            (Some(text), _, Ok(found)) => found == text,
            // Words of the template itself must be in the error; those of Python need not.
            (None, Some(error), Err(TemplateError::Refused { message, .. })) => {
                error.kind != "TemplateError" || *message == error.message
            }
            (None, Some(error), Err(_)) => error.kind != "TemplateError",
            _ => false,
        };
        let expected = self
            .text
            .as_ref()
            .or(self.error.as_ref().map(|error| &error.message));
        same.then_some(())
            .ok_or_else(|| format!("{name}: {found:?} and not {expected:?}"))
    }
}

impl Conversation {
    fn render(
        &self,
        template: &ChatTemplate,
        kwargs: &HashMap<String, Json>,
        now: DateTime,
    ) -> Result<String, TemplateError> {
        let messages: Vec<ChatMessage> = self
            .messages
            .iter()
            .filter_map(|json| ChatMessage::from_json(json.clone()))
            .collect();
        let variables: Vec<(String, Json)> = kwargs
            .iter()
            .map(|(name, json)| (name.clone(), json.clone()))
            .collect();
        template.render(&PromptInput {
            tools: self.tools.as_ref(),
            documents: self.documents.as_ref(),
            variables: &variables,
            ..PromptInput::new(&messages, now)
        })
    }
}

impl Snippets {
    fn check(&self, report: &mut Report) {
        let case = "chat snippets";
        if !report.wants(case) {
            return;
        }
        let generation_prompt = Json::from(self.context.add_generation_prompt);
        let kwargs = HashMap::from([("add_generation_prompt".to_owned(), generation_prompt)]);
        let conversation = &self.context.conversation;
        let wrong: Vec<String> = self
            .snippets
            .iter()
            .filter_map(|Snippet { template, text }| {
                let found = compile(template, &self.context.tokens)
                    .and_then(|compiled| conversation.render(&compiled, &kwargs, self.now));
                let same = found.as_ref().ok() == Some(text);
                (!same).then(|| format!("{template}: {found:?} and not {text:?}"))
            })
            .collect();
        report.none_differ(case, "one-feature templates", self.snippets.len(), &wrong);
    }
}

fn compile(source: &str, tokens: &SpecialTokens) -> Result<ChatTemplate, TemplateError> {
    let SpecialTokens { bos_token, eos_token } = tokens.clone();
    ChatTemplate::from_source(source, TemplateOrigin::Model, bos_token, eos_token)
}
