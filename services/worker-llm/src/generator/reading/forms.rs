//! How far a call is, in each of the forms.

use super::WrittenCall;
use super::json::{JsonScan, Scanned};
use super::written;
use crate::text::CallForm;

/// How far a call is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    More,
    /// This character ended it.
    Done(Vec<WrittenCall>),
    /// It is none. This character does not belong to it any more.
    Broken,
}

/// The end of a tagged call.
const CLOSE: &str = "</tool_call>";
/// Between name and arguments of a listed call.
const ARGUMENTS: &str = "[ARGS]";
/// Between name and id.
const ID: &str = "[CALL_ID]";

/// What may be a call, from behind its mark.
#[derive(Debug)]
pub(super) struct Candidate {
    form: CallForm,
    at: At,
    /// JSON so far.
    json: String,
    scan: JsonScan,
    /// What stands in the place that is read: a name, a mark, an id.
    word: String,
    name: String,
    id: Option<String>,
    /// What is complete already.
    calls: Vec<WrittenCall>,
    /// The first key of a bare call, so that an answer of other JSON does not have to wait for its end.
    key: FirstKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before JSON, or a name.
    Begin,
    Name,
    /// In `[ARGS]` or `[CALL_ID]`.
    Mark,
    Id,
    /// Before the arguments.
    Arguments,
    Json,
    /// After JSON: in the mark that closes, or before the next call.
    Behind,
}

impl Candidate {
    pub(super) fn new(form: CallForm) -> Self {
        Self {
            form,
            at: At::Begin,
            json: String::new(),
            scan: JsonScan::default(),
            word: String::new(),
            name: String::new(),
            id: None,
            calls: Vec::new(),
            key: FirstKey::default(),
        }
    }

    pub(super) fn push(&mut self, character: char) -> Step {
        match self.at {
            At::Begin | At::Arguments | At::Name if character == '{' => self.json(character),
            At::Begin if character == '[' && self.form == CallForm::Listed => self.json(character),
            At::Begin | At::Arguments if character.is_whitespace() => Step::More,
            At::Begin | At::Name if self.form == CallForm::Listed => self.name(character),
            At::Mark => self.mark(character),
            At::Id => match character {
                '[' => self.word(At::Mark, character),
                _ if character.is_ascii_alphanumeric() || matches!(character, '_' | '-') => {
                    self.id.get_or_insert_default().push(character);
                    Step::More
                }
                _ => Step::Broken,
            },
            At::Json => self.json(character),
            At::Behind => self.behind(character),
            At::Begin | At::Arguments | At::Name => Step::Broken,
        }
    }

    /// The calls of an answer that ended here; `None` if it is none.
    pub(super) fn finish(mut self) -> Option<Vec<WrittenCall>> {
        match (self.form, self.at) {
            // The mark that closes is often left out.
            (CallForm::Tagged, At::Behind) => Some(vec![written::call(&self.json)?]),
            (CallForm::Bare, At::Behind) => {
                self.calls.push(written::call(&self.json)?);
                Some(self.calls)
            }
            _ => None,
        }
    }

    fn name(&mut self, character: char) -> Step {
        match character {
            '[' if !self.name.is_empty() => self.word(At::Mark, character),
            _ if character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.') => {
                self.at = At::Name;
                self.name.push(character);
                Step::More
            }
            _ => Step::Broken,
        }
    }

    fn word(&mut self, at: At, character: char) -> Step {
        self.at = at;
        self.word = character.to_string();
        Step::More
    }

    fn mark(&mut self, character: char) -> Step {
        self.word.push(character);
        match self.word.as_str() {
            ARGUMENTS => self.at = At::Arguments,
            ID if self.id.is_none() => self.at = At::Id,
            word if ARGUMENTS.starts_with(word) || ID.starts_with(word) => {}
            _ => return Step::Broken,
        }
        Step::More
    }

    fn json(&mut self, character: char) -> Step {
        self.at = At::Json;
        self.json.push(character);
        match self.scan.push(character) {
            Scanned::More if self.form == CallForm::Bare && !self.key.fits(character) => Step::Broken,
            Scanned::More => Step::More,
            Scanned::Broken => Step::Broken,
            Scanned::Closed if self.form == CallForm::Listed => {
                let calls = if !self.name.is_empty() {
                    written::named(&self.name, &self.json, self.id.as_deref()).map(|call| vec![call])
                } else if self.json.starts_with('[') {
                    written::calls(&self.json)
                } else {
                    written::call(&self.json).map(|call| vec![call])
                };
                // A list that is none: all of it is text.
                calls.map_or(Step::Done(Vec::new()), Step::Done)
            }
            Scanned::Closed => {
                self.at = At::Behind;
                self.word.clear();
                Step::More
            }
        }
    }

    fn behind(&mut self, character: char) -> Step {
        if self.form == CallForm::Bare {
            return match character {
                '{' => match written::call(&std::mem::take(&mut self.json)) {
                    Some(call) => {
                        self.calls.push(call);
                        self.scan = JsonScan::default();
                        self.key = FirstKey::default();
                        self.json(character)
                    }
                    None => Step::Broken,
                },
                ';' => Step::More,
                _ if character.is_whitespace() => Step::More,
                _ => Step::Broken,
            };
        }
        if self.word.is_empty() && character.is_whitespace() {
            return Step::More;
        }
        self.word.push(character);
        match self.word.as_str() {
            CLOSE => Step::Done(written::call(&self.json).into_iter().collect()),
            word if CLOSE.starts_with(word) => Step::More,
            _ => Step::Broken,
        }
    }
}

/// Keys that a bare call may begin with.
const KEYS: &[&str] = &["name", "type", "function", "parameters", "arguments", "id"];
/// White space before the first key.
const MAX_SPACE: usize = 64;

/// The first key of an object, as far as it is written.
#[derive(Debug, Default)]
enum FirstKey {
    /// Not even the bracket.
    #[default]
    Bracket,
    /// So many characters of white space after it.
    Space(usize),
    Key(String),
    Fits,
}

impl FirstKey {
    /// Takes the next character of the object, its bracket first. Whether it may be a call.
    fn fits(&mut self, character: char) -> bool {
        match self {
            Self::Fits => return true,
            Self::Bracket => *self = Self::Space(0),
            Self::Space(_) if character == '"' => *self = Self::Key(String::new()),
            Self::Space(count) => {
                *count += 1;
                return character.is_whitespace() && *count <= MAX_SPACE;
            }
            Self::Key(key) if character == '"' => {
                if !KEYS.contains(&key.as_str()) {
                    return false;
                }
                *self = Self::Fits;
            }
            Self::Key(key) => {
                key.push(character);
                return KEYS.iter().any(|known| known.starts_with(key.as_str()));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::FirstKey;

    fn may_be_call(json: &str) -> bool {
        let mut key = FirstKey::default();
        json.chars().all(|character| key.fits(character))
    }

    #[test]
    fn the_first_key_tells() {
        for call in ["{", "{ \n", "{\"", "{\"na", "{\"name\"", "{ \"type\": \"fu"] {
            assert!(may_be_call(call), "{call}");
        }
        for other in ["{\"names\"", "{\"city", "{1", "{}", "{{", "{\"nam\""] {
            assert!(!may_be_call(other), "{other}");
        }
    }
}
