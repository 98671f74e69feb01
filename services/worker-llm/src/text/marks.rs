//! How a model sets what it thinks, and its calls of tools, apart from the answer.
//!
//! No file says it outright. The chat template does by what it writes for earlier turns, and the
//! vocabulary by the special tokens that it has; the model's name is never asked.

use super::{ChatTemplate, Tokenizer};

/// What stands around the reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasoningMarks {
    /// Before it. Some templates end the prompt with it, and then the answer begins after it.
    pub open: &'static str,
    /// After it.
    pub close: &'static str,
}

/// The pairs that published models use: DeepSeek R1, Qwen 3 and most others; Magistral; Command A; Seed.
const REASONING: &[ReasoningMarks] = &[
    ReasoningMarks {
        open: "<think>",
        close: "</think>",
    },
    ReasoningMarks {
        open: "[THINK]",
        close: "[/THINK]",
    },
    ReasoningMarks {
        open: "<|START_THINKING|>",
        close: "<|END_THINKING|>",
    },
    ReasoningMarks {
        open: "<seed:think>",
        close: "</seed:think>",
    },
];

/// How a call of a tool is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallForm {
    /// Hermes, Qwen 2.5 and 3: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, one after the other.
    Tagged,
    /// Llama 3.1 and later: `{"name": …, "parameters": {…}}` as the whole answer, or after
    /// `<|python_tag|>`.
    Bare,
    /// Mistral: `[TOOL_CALLS] [{"name": …, "arguments": {…}}]`, and later
    /// `[TOOL_CALLS]name[ARGS]{…}`.
    Listed,
}

impl CallForm {
    /// Marks that begin a call.
    #[must_use]
    pub fn openers(self) -> &'static [&'static str] {
        match self {
            Self::Tagged => &["<tool_call>"],
            Self::Bare => &["<|python_tag|>"],
            Self::Listed => &["[TOOL_CALLS]"],
        }
    }

    /// All marks of the form.
    fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Tagged => &["<tool_call>", "</tool_call>"],
            Self::Bare => &["<|python_tag|>"],
            Self::Listed => &["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"],
        }
    }

    /// The form whose marks a template writes.
    fn of_template(source: &str) -> Option<Self> {
        let writes = |text: &str| source.contains(text);
        if writes("<tool_call>") {
            Some(Self::Tagged)
        } else if writes("[TOOL_CALLS]") {
            Some(Self::Listed)
        } else if writes("<|python_tag|>") || (writes("{\"name\": ") && writes("\"parameters\": ")) {
            Some(Self::Bare)
        } else {
            None
        }
    }

    /// The form for which a vocabulary has special tokens.
    fn of_vocabulary(tokenizer: &Tokenizer) -> Option<Self> {
        [Self::Tagged, Self::Listed, Self::Bare]
            .into_iter()
            .find(|form| tokenizer.special_token(form.openers()[0]).is_some())
    }
}

/// How a call is spelled by a model that has to make one: narrower than what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallSpelling {
    /// `<tool_call>`, an object with `name` and `arguments`, `</tool_call>`.
    Tagged,
    /// An object with `name` and `parameters`. One only: templates of this form can't write two.
    Bare,
    /// `[TOOL_CALLS]` and a list of objects.
    List,
    /// `[TOOL_CALLS]`, name, `[ARGS]`, arguments; between them perhaps `[CALL_ID]` and an id.
    Named {
        /// Whether ids are written.
        ids: bool,
    },
}

impl CallSpelling {
    /// That of a form as a template writes it. None if the template writes something else between the marks, as
    /// those of Qwen 3 Coder and GLM do.
    fn of(form: CallForm, source: &str, tokenizer: &Tokenizer) -> Option<Self> {
        let writes = |text: &str| source.contains(text);
        match form {
            CallForm::Tagged if writes("<function=") || writes("<arg_key>") => None,
            CallForm::Tagged => Some(Self::Tagged),
            CallForm::Bare => Some(Self::Bare),
            CallForm::Listed => {
                let is_silent = !writes("[TOOL_CALLS]");
                let named = writes("[ARGS]") || is_silent && tokenizer.special_token("[ARGS]").is_some();
                Some(if named {
                    Self::Named {
                        ids: writes("[CALL_ID]"),
                    }
                } else {
                    Self::List
                })
            }
        }
    }
}

/// The marks that a model uses with a template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Around what it thinks; none if it does not set that apart.
    pub reasoning: Option<ReasoningMarks>,
    /// Of calls of tools; none if no form that is known here is used.
    pub calls: Option<CallForm>,
    /// How calls are spelled, where that is known, too.
    pub spelling: Option<CallSpelling>,
}

impl Marks {
    /// Those of a model with this vocabulary, prompted by this template.
    #[must_use]
    pub fn of(template: &ChatTemplate, tokenizer: &Tokenizer) -> Self {
        let source = template.source();
        let of_template =
            |marks: &&ReasoningMarks| source.contains(marks.open) || source.contains(marks.close);
        let of_vocabulary = |marks: &&ReasoningMarks| {
            [marks.open, marks.close]
                .iter()
                .all(|mark| tokenizer.special_token(mark).is_some())
        };
        let reasoning = REASONING
            .iter()
            .find(of_template)
            .or_else(|| REASONING.iter().find(of_vocabulary));
        let calls = CallForm::of_template(source).or_else(|| CallForm::of_vocabulary(tokenizer));
        Self {
            reasoning: reasoning.copied(),
            calls,
            spelling: calls.and_then(|form| CallSpelling::of(form, source, tokenizer)),
        }
    }

    /// The tokens that are marks: as control tokens they would not show in a text.
    #[must_use]
    pub fn tokens(&self, tokenizer: &Tokenizer) -> Vec<u32> {
        let reasoning = self
            .reasoning
            .map(|marks| [marks.open, marks.close])
            .into_iter()
            .flatten();
        let calls = self.calls.map(CallForm::marks).unwrap_or_default();
        reasoning
            .chain(calls.iter().copied())
            .filter_map(|mark| tokenizer.special_token(mark))
            .collect()
    }
}

impl ReasoningMarks {
    /// Whether a prompt ends with the mark that opens, so that the answer begins with reasoning.
    #[must_use]
    pub fn opened_by(&self, prompt: &str) -> bool {
        prompt.trim_end().ends_with(self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_that_of_the_template() {
        for (source, form) in [
            (
                "{{ '<tool_call>\\n{\"name\": \"' ~ call.name }}",
                Some(CallForm::Tagged),
            ),
            ("{{ '[TOOL_CALLS] [' }}", Some(CallForm::Listed)),
            (
                "{{ '{\"name\": \"' + tool_call.name + '\", ' }}{{ '\"parameters\": ' }}",
                Some(CallForm::Bare),
            ),
            ("{{ '<|python_tag|>' }}", Some(CallForm::Bare)),
            ("{% for tool in tools %}{{ tool | tojson }}{% endfor %}", None),
        ] {
            assert_eq!(CallForm::of_template(source), form, "{source}");
        }
    }

    #[test]
    fn a_prompt_may_open_the_reasoning() {
        let marks = REASONING[0];
        assert!(marks.opened_by("<|im_start|>assistant\n<think>\n"));
        assert!(!marks.opened_by("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
        assert!(!marks.opened_by("<|im_start|>assistant\n"));
    }
}
