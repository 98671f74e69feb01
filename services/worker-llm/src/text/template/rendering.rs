//! A compiled template and what it is rendered with.

use jiff::civil::DateTime;
use minijinja::{Environment, ErrorKind, Value};

use super::environment::{self, BoundedOutput, TEMPLATE_NAME, fuel_for, strftime_now};
use super::error::Trouble;
use super::message::{ChatMessage, Json, PromptInput};
use super::{dialect, prompt};

/// A compiled template. Immutable.
#[derive(Debug)]
pub(super) struct Rendering {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

impl Rendering {
    pub(super) fn compile(source: &str, bos_token: String, eos_token: String) -> Result<Self, Trouble> {
        let mut environment = environment::environment();
        environment
            .add_template_owned(TEMPLATE_NAME, dialect::translate(source))
            .map_err(|error| Trouble::from_engine(&error))?;
        Ok(Self {
            environment,
            bos_token,
            eos_token,
        })
    }

    /// Whether the template looks at the tools that a request brings.
    pub(super) fn reads_tools(&self) -> bool {
        let template = self.environment.get_template(TEMPLATE_NAME);
        template.is_ok_and(|template| template.undeclared_variables(false).contains("tools"))
    }

    pub(super) fn render(&self, values: &Values) -> Result<String, Trouble> {
        // A clone shares the compiled template; it is there for its own fuel.
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(fuel_for(values.size_bytes())));
        let template = environment
            .get_template(TEMPLATE_NAME)
            .map_err(|error| Trouble::from_engine(&error))?;

        let mut context: Vec<(&str, Value)> = vec![
            ("bos_token", Value::from(&self.bos_token)),
            ("eos_token", Value::from(&self.eos_token)),
            ("add_generation_prompt", Value::from(values.add_generation_prompt)),
            ("strftime_now", strftime_now(values.now)),
            ("messages", values.messages.clone()),
            // Defined, but none if absent: templates ask `tools is not none`.
            ("tools", values.tools.clone()),
            ("documents", values.documents.clone()),
        ];
        let variables = values.variables.iter();
        context.extend(variables.map(|(name, value)| (name.as_str(), value.clone())));

        let mut output = BoundedOutput::default();
        match template.render_captured_to(Value::from_pairs(context), &mut output) {
            Ok(_) => output.into_text().ok_or(Trouble::TooMuchOutput),
            Err(_) if output.is_full() => Err(Trouble::TooMuchOutput),
            Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(Trouble::TooMuchWork),
            Err(error) => Err(Trouble::from_engine(&error)),
        }
    }
}

/// What a conversation is to the template.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) messages: Value,
    pub(super) tools: Value,
    pub(super) documents: Value,
    pub(super) variables: Vec<(String, Value)>,
    pub(super) add_generation_prompt: bool,
    pub(super) now: DateTime,
}

impl Values {
    pub(super) fn of(input: &PromptInput<'_>) -> Self {
        let optional = |json: Option<&Json>| json.map_or(Value::from(()), |json| json.value().clone());
        let variables = input.variables.iter();
        Self {
            messages: input.messages.iter().map(ChatMessage::value).collect(),
            tools: optional(input.tools),
            documents: optional(input.documents),
            variables: variables
                .map(|(name, json)| (name.clone(), json.value().clone()))
                .collect(),
            add_generation_prompt: input.add_generation_prompt,
            now: input.now,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        [&self.messages, &self.tools, &self.documents]
            .into_iter()
            .chain(self.variables.iter().map(|(_, value)| value))
    }

    pub(super) fn map(&self, mut change: impl FnMut(&Value) -> Value) -> Self {
        let variables = self.variables.iter();
        Self {
            messages: change(&self.messages),
            tools: change(&self.tools),
            documents: change(&self.documents),
            variables: variables
                .map(|(name, value)| (name.clone(), change(value)))
                .collect(),
            add_generation_prompt: self.add_generation_prompt,
            now: self.now,
        }
    }

    /// How many bytes of text there are.
    fn size_bytes(&self) -> usize {
        let mut size = 0;
        for value in self.all() {
            prompt::each_string(value, &mut |text| size += text.len());
        }
        size
    }
}
