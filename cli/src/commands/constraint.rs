//! What `rbee chat` and `rbee complete` say of how an answer must look.

use std::path::Path;

use rbee_proto::worker::v1::OutputConstraint;
use rbee_proto::worker::v1::output_constraint::Constraint;

use crate::args::SamplingArgs;
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::Output;

/// Reads the files that are named, and checks that what is asked for can be shown.
pub(super) fn read(arguments: &SamplingArgs, output: Output) -> Result<Option<OutputConstraint>, Failure> {
    if arguments.logprobs.is_some() && !output.json {
        return Err(
            Failure::new(Exit::Usage, "--logprobs needs --json").hint("the document has them in `tokens`")
        );
    }
    let said = &arguments.constraint;
    let constraint = if said.json_object {
        Some(Constraint::JsonObject(true))
    } else if let Some(path) = &said.json_schema {
        Some(Constraint::JsonSchema(text(path)?))
    } else if let Some(path) = &said.grammar {
        Some(Constraint::LarkGrammar(text(path)?))
    } else {
        said.regex.clone().map(Constraint::Regex)
    };
    Ok(constraint.map(|constraint| OutputConstraint {
        constraint: Some(constraint),
    }))
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).doing(|| format!("can't read {}", path.display()))
}
