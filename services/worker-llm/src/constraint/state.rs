//! A constraint on its way through one answer.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use llguidance::api::{GrammarInit, TopLevelGrammar};
use llguidance::derivre::ExprRef;
use llguidance::earley::lexerspec::LexerSpec;
use llguidance::{CancellationHandle, Logger, Matcher};
use serde_json::{Value, json};
use toktrie::SimpleVob;

use super::error::ConstraintError;
use super::gate::{Gate, Place};
use super::limits::{MASK_DEADLINE, MAX_OPTIONAL_RUN};
use super::mask::Mask;
use super::vocabulary::{ConstraintVocabulary, on_a_deep_stack};
use crate::domain::Constraint;

/// White space between the parts of JSON: enough for any layout, and an end to a model that writes nothing else.
const JSON_SPACE: &str = r"[ \n\r\t]{1,40}";

/// A constraint and how far the answer has come under it. One for each answer.
pub struct ConstraintState {
    /// The request's field that it comes from.
    field: &'static str,
    vocabulary: Arc<ConstraintVocabulary>,
    gate: Option<Gate>,
    place: Place,
    work: Work,
    cancel: Option<CancellationHandle>,
}

/// Where the parser is.
enum Work {
    /// Here, with the mask of the next token if it is known.
    Here(Box<Matcher>, Option<SimpleVob>),
    /// On another thread, which computes the mask.
    Away(Receiver<Computed>),
    /// It failed.
    Lost,
}

type Computed = (Box<Matcher>, anyhow::Result<SimpleVob>);

/// What a token did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// More may follow.
    GoesOn,
    /// The text is whole and nothing can follow.
    Complete,
}

impl fmt::Debug for ConstraintState {
    /// Leaves the answer out: logs hold none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConstraintState")
            .field("field", &self.field)
            .finish_non_exhaustive()
    }
}

impl ConstraintState {
    /// Compiles a constraint, and finds what may come first. May take tens of milliseconds, and a quarter of a
    /// second for the largest that is taken.
    ///
    /// # Errors
    /// [`ConstraintError::Refused`] if the constraint is wrong, too large, or allows nothing.
    pub fn compile(
        constraint: &Constraint,
        vocabulary: &Arc<ConstraintVocabulary>,
    ) -> Result<Self, ConstraintError> {
        let field = constraint.field();
        let refused = |words: String| ConstraintError::refused(field, &words);
        let compiled = on_a_deep_stack(|| {
            let factory = &vocabulary.factory;
            let (grammar, lexer) = GrammarInit::Serialized(grammar(constraint)?)
                .to_internal(Some(factory.tok_env().clone()), factory.limits().clone())
                .map_err(|error| error.to_string())?;
            if longest_optional_run(&lexer) > MAX_OPTIONAL_RUN {
                return Err(format!(
                    "more than {MAX_OPTIONAL_RUN} parts that may be left out follow each other"
                ));
            }
            let parser = factory.create_parser_from_init_ext(
                GrammarInit::Internal(grammar, lexer),
                Logger::new(0, 0),
                ConstraintVocabulary::capabilities(),
                factory.limits().clone(),
            );
            let mut matcher = Matcher::new(parser).into_cancellable();
            let mask = matcher.compute_mask().map_err(|error| error.to_string())?;
            Ok((matcher, mask))
        });
        let (matcher, mask) = compiled
            .map_err(|error| refused(error.to_string()))?
            .map_err(refused)?;
        Ok(Self {
            field,
            vocabulary: Arc::clone(vocabulary),
            gate: None,
            place: Place::Behind,
            cancel: matcher.cancellation_handle(),
            work: Work::Here(Box::new(matcher), Some(mask)),
        })
    }

    /// Lets the model write something else first.
    #[must_use]
    pub fn behind(mut self, gate: Gate) -> Self {
        self.place = gate.begin();
        self.gate = Some(gate);
        self
    }

    /// The tokens that may come next. End tokens are among them where the text is whole.
    ///
    /// # Errors
    /// [`ConstraintError::Refused`] if finding them takes more work than one step may, or there are none.
    pub fn mask(&mut self) -> Result<Mask, ConstraintError> {
        let allowed = match &self.place {
            Place::Behind => self.grammars()?,
            Place::Within(_) => {
                let mut all = SimpleVob::alloc_ones(self.vocabulary.trie().vocab_size());
                for &token in &self.vocabulary.end_tokens {
                    all.disallow_token(token);
                }
                all
            }
            &Place::Before(written) => {
                let mut allowed = if written == 0 {
                    self.grammars()?
                } else {
                    self.vocabulary.trie().alloc_token_set()
                };
                let rest = self.gate.as_ref().map_or(&[][..], |gate| gate.rest(written));
                for token in 0..self.vocabulary.trie().vocab_size() as u32 {
                    if Gate::goes_on(rest, self.vocabulary.bytes(token)) {
                        allowed.allow_token(token);
                    }
                }
                allowed
            }
        };
        Ok(Mask::new(allowed))
    }

    /// Notes that a token of the mask was chosen, which is no end token, and begins to compute the next mask.
    ///
    /// # Errors
    /// [`ConstraintError::Refused`] if the token does not fit, or takes too much work.
    pub fn accept(&mut self, token: u32) -> Result<Accepted, ConstraintError> {
        let bytes = self.vocabulary.bytes(token);
        let place = match (&self.gate, &self.place) {
            (Some(gate), Place::Within(last)) => gate.written(last.clone(), bytes),
            (Some(gate), &Place::Before(written)) if written > 0 => gate.opened(written, bytes),
            (Some(gate), Place::Before(_)) => {
                let opened = gate.opened(0, bytes);
                let fits = Gate::goes_on(gate.rest(0), bytes);
                if self.grammars()?.is_allowed(token) || !fits {
                    self.place = Place::Behind;
                    return self.consume(token);
                }
                opened
            }
            _ => return self.consume(token),
        };
        self.place = place;
        Ok(Accepted::GoesOn)
    }

    fn consume(&mut self, token: u32) -> Result<Accepted, ConstraintError> {
        let mut matcher = self.take()?.0;
        if let Err(error) = matcher.consume_token(token) {
            return Err(self.refused(&error.to_string()));
        }
        if matcher.is_stopped() {
            self.work = Work::Here(matcher, None);
            return Ok(Accepted::Complete);
        }
        let (done, result) = sync_channel(1);
        rayon::spawn(move || {
            let mask = matcher.compute_mask();
            // Nobody waits for it any more if the answer has ended.
            let _ = done.send((matcher, mask));
        });
        self.work = Work::Away(result);
        Ok(Accepted::GoesOn)
    }

    /// What the grammar allows now.
    fn grammars(&mut self) -> Result<SimpleVob, ConstraintError> {
        let (mut matcher, mask) = self.take()?;
        let mask = match mask {
            Some(mask) => mask,
            None => matcher
                .compute_mask()
                .map_err(|error| self.refused(&error.to_string()))?,
        };
        self.work = Work::Here(matcher, Some(mask.clone()));
        Ok(mask)
    }

    /// The parser, with the mask if it is known; waits for it.
    fn take(&mut self) -> Result<(Box<Matcher>, Option<SimpleVob>), ConstraintError> {
        match std::mem::replace(&mut self.work, Work::Lost) {
            Work::Here(matcher, mask) => Ok((matcher, mask)),
            Work::Away(result) => match result.recv_timeout(MASK_DEADLINE) {
                Ok((matcher, Ok(mask))) => Ok((matcher, Some(mask))),
                Ok((_, Err(error))) => Err(self.refused(&error.to_string())),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(cancel) = &self.cancel {
                        cancel.cancel();
                    }
                    Err(self.refused("it takes too long to find what may follow"))
                }
                Err(RecvTimeoutError::Disconnected) => Err(self.refused("the grammar library failed")),
            },
            Work::Lost => Err(self.refused("it has failed before")),
        }
    }

    fn refused(&self, words: &str) -> ConstraintError {
        ConstraintError::refused(self.field, words)
    }
}

/// How many parts of the regular expressions can be left out one after the other, at most. An estimate from above:
/// alternatives count as if they followed each other.
fn longest_optional_run(lexer: &LexerSpec) -> u32 {
    let expressions = lexer.regex_builder.exprset();
    // Parts come before what is made of them.
    let mut runs = vec![0_u32; expressions.len()];
    for index in 1..expressions.len() {
        let id = ExprRef::new(index as u32);
        if !expressions.is_valid(id) {
            continue;
        }
        let parts = expressions.get_args(id);
        let mut run = u32::from(parts.is_empty());
        for &part in parts {
            run = run.saturating_add(runs.get(part.as_usize()).copied().unwrap_or_default());
            if !expressions.is_nullable(part) {
                break;
            }
        }
        runs[index] = run;
    }
    runs.into_iter().max().unwrap_or_default()
}

fn grammar(constraint: &Constraint) -> Result<TopLevelGrammar, String> {
    Ok(match constraint {
        Constraint::JsonObject => TopLevelGrammar::from_json_schema(with_layout(json!({"type": "object"}))),
        Constraint::JsonSchema(schema) => {
            let schema: Value =
                serde_json::from_str(schema).map_err(|error| format!("it is no JSON: {error}"))?;
            TopLevelGrammar::from_json_schema(with_layout(schema))
        }
        Constraint::Regex(regex) => TopLevelGrammar::from_regex(regex),
        Constraint::Lark(grammar) | Constraint::Calls(grammar) => TopLevelGrammar::from_lark(grammar.clone()),
    })
}

/// Bounds the white space, unless the schema has words of its own for the library.
pub(super) fn with_layout(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema
            .entry("x-guidance")
            .or_insert_with(|| json!({"whitespace_pattern": JSON_SPACE}));
    }
    schema
}
