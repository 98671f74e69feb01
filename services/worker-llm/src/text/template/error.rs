//! What can go wrong with a chat template.

use std::error::Error as _;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::environment::Refusal;

/// Where a template came from; shown as the field at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateOrigin {
    /// The model's file.
    Model,
    /// The request.
    Request,
}

impl fmt::Display for TemplateOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "tokenizer.chat_template",
            Self::Request => "the request's chat template",
        })
    }
}

/// Why a conversation did not become a prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The model's file has no template, as those of base models.
    #[error(
        "the model has no chat template (tokenizer.chat_template): it was not trained to chat; \
         send plain text to complete, or bring a template with the request"
    )]
    NoChatTemplate,
    /// The template is longer than any in use.
    #[error("{origin} is {size_bytes} bytes long; at most {limit_bytes} are allowed")]
    TooLong {
        /// Which template.
        origin: TemplateOrigin,
        /// Its length.
        size_bytes: usize,
        /// The longest allowed.
        limit_bytes: usize,
    },
    /// The template raised an exception in its own words: the conversation is not of a kind that the
    /// model knows.
    #[error("{origin} refuses this conversation: {message}")]
    Refused {
        /// Which template.
        origin: TemplateOrigin,
        /// What the template gave to `raise_exception`.
        message: String,
    },
    /// The request brings tools, and the template does not look at them: the model would not see them.
    #[error("{origin} does not know tools: the model would not see them")]
    NoTools {
        /// Which template.
        origin: TemplateOrigin,
    },
    /// The template did not come to an end within its budget.
    #[error("{origin} does more work than a template may: it was stopped")]
    TooMuchWork {
        /// Which template.
        origin: TemplateOrigin,
    },
    /// The template printed more than a prompt can be.
    #[error("{origin} prints more than a prompt can be: it was stopped")]
    TooMuchOutput {
        /// Which template.
        origin: TemplateOrigin,
    },
    /// Templates are rendered in processes of their own, and none could be started.
    #[error("the process that renders chat templates can't be started: {message}")]
    NoHelper {
        /// What the system said.
        message: String,
    },
    /// The template is no Jinja, asks for what is not there, or went wrong with this conversation.
    #[error("{origin} is broken{}: {message}", line.map(|line| format!(" in line {line}")).unwrap_or_default())]
    Broken {
        /// Which template.
        origin: TemplateOrigin,
        /// The line in it, counted from 1.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
}

impl TemplateError {
    pub(super) fn broken(origin: TemplateOrigin, message: String) -> Self {
        Self::Broken {
            origin,
            line: None,
            message,
        }
    }
}

/// Why a template gave nothing, whosever it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Trouble {
    /// In its own words.
    Refused(String),
    TooMuchWork,
    TooMuchOutput,
    /// There is no process to render it.
    NoHelper(String),
    Broken {
        line: Option<usize>,
        message: String,
    },
}

impl Trouble {
    pub(super) fn of(self, origin: TemplateOrigin) -> TemplateError {
        match self {
            Self::Refused(message) => TemplateError::Refused { origin, message },
            Self::TooMuchWork => TemplateError::TooMuchWork { origin },
            Self::TooMuchOutput => TemplateError::TooMuchOutput { origin },
            Self::NoHelper(message) => TemplateError::NoHelper { message },
            Self::Broken { line, message } => TemplateError::Broken {
                origin,
                line,
                message,
            },
        }
    }

    pub(super) fn from_engine(error: &minijinja::Error) -> Self {
        // An error in a macro or block is wrapped once for each call; the innermost says most.
        let mut innermost = error;
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(refusal) = cause.downcast_ref::<Refusal>() {
                return Self::Refused(refusal.0.clone());
            }
            if let Some(cause) = cause.downcast_ref::<minijinja::Error>() {
                innermost = cause;
            }
            source = cause.source();
        }
        let message = match innermost.detail() {
            Some(detail) => format!("{}: {detail}", innermost.kind()),
            None => innermost.kind().to_string(),
        };
        Self::Broken {
            line: innermost.line().or_else(|| error.line()),
            message,
        }
    }
}
