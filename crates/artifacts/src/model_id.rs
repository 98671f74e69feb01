//! What models are called.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::names::{excerpt, named_enum, serde_as_text};
use crate::relative_path::RelativePath;
use crate::sha256::Sha256;

named_enum! {
    /// Where a model comes from.
    pub enum Vendor ("vendor") {
        /// Hugging Face.
        HuggingFace = "huggingface",
        /// CivitAI.
        CivitAi = "civitai",
        /// A file of the user's own.
        Local = "local",
    }
}

/// The id of a model, as users write it:
///
/// | id | meaning |
/// |---|---|
/// | `org/repo` | a repository of Hugging Face; `hf:` may stand in front |
/// | `org/repo:file.gguf` | one file of it |
/// | `org/repo@revision:file.gguf` | at a branch, tag or commit |
/// | `civitai:123456` | a model version of CivitAI |
/// | `civitai:123456:model.safetensors` | one file of it |
/// | `local:name` | a file of the user's own, by the name it was given |
///
/// Each model has one way to write its id, which is what [`Display`](fmt::Display) gives.
#[derive(Debug, Clone)]
pub struct ModelId {
    text: String,
    source: ModelSource,
}

/// The parts of a model id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A repository of Hugging Face.
    HuggingFace {
        /// `org/repo`.
        repository: String,
        /// A branch, tag or commit; the main branch if absent.
        revision: Option<String>,
        /// One file of the repository; the whole, or the best choice, if absent.
        file: Option<RelativePath>,
    },
    /// A model version of CivitAI.
    CivitAi {
        /// The id of the version (not of the model).
        version: u64,
        /// One file of the version; its primary file if absent.
        file: Option<RelativePath>,
    },
    /// A file of the user's own.
    Local {
        /// The name it was given.
        name: String,
    },
}

/// Text that is no model id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not a model id: {problem}", excerpt(.given))]
pub struct ModelIdError {
    /// The text that was given.
    pub given: String,
    /// What is wrong with it.
    pub problem: String,
}

const FORMS: &str = "write org/repo, org/repo:file.gguf, civitai:123456 or local:name";
/// Hugging Face's own limit for each part of `org/repo`.
const MAX_NAME_BYTES: usize = 96;
const MAX_REVISION_BYTES: usize = 128;

impl ModelId {
    /// The id of a local model by its name.
    ///
    /// # Errors
    /// When `name` is no name: see [`ModelId::local_for_file`] for one that is made to fit.
    pub fn local(name: &str) -> Result<Self, ModelIdError> {
        format!("local:{name}").parse()
    }

    /// An id for a file that was given no name: its file name without the extension, and with "-" for
    /// what a name cannot hold.
    #[must_use]
    pub fn local_for_file(file_name: &str) -> Self {
        let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
        let mut name = String::new();
        for letter in stem.chars() {
            if name.len() == MAX_NAME_BYTES {
                break;
            }
            let fits = letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
            let letter = if fits { letter } else { '-' };
            // A name holds neither ".." nor "--".
            if !(matches!(letter, '.' | '-') && name.ends_with(['.', '-'])) {
                name.push(letter);
            }
        }
        let name = name.trim_matches(['.', '-', '_']);
        let name = if name.is_empty() { "model" } else { name };
        Self {
            text: format!("local:{name}"),
            source: ModelSource::Local {
                name: name.to_owned(),
            },
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its parts.
    #[must_use]
    pub fn source(&self) -> &ModelSource {
        &self.source
    }

    /// Where the model comes from.
    #[must_use]
    pub fn vendor(&self) -> Vendor {
        match self.source {
            ModelSource::HuggingFace { .. } => Vendor::HuggingFace,
            ModelSource::CivitAi { .. } => Vendor::CivitAi,
            ModelSource::Local { .. } => Vendor::Local,
        }
    }

    /// A name for the model in the store: one part of a path, at most 109 bytes out of a-z, 0-9 and
    /// "-". Distinct ids have distinct keys, also where the file system ignores case: the key ends in
    /// 128 bits of the id's SHA-256; what comes before is for people who look into the store.
    #[must_use]
    pub fn storage_key(&self) -> String {
        const MAX_READABLE_BYTES: usize = 64;
        let mut readable = String::new();
        let spelled = self
            .text
            .split_once(':')
            .filter(|_| self.vendor() != Vendor::HuggingFace);
        for letter in spelled.map_or(self.text.as_str(), |(_, rest)| rest).chars() {
            if readable.len() == MAX_READABLE_BYTES {
                break;
            }
            match letter.to_ascii_lowercase() {
                letter @ ('a'..='z' | '0'..='9') => readable.push(letter),
                _ if !readable.ends_with('-') => readable.push('-'),
                _ => {}
            }
        }
        let digest = Sha256::digest(self.text.as_bytes()).to_string();
        format!(
            "{}-{}-{}",
            self.vendor(),
            readable.trim_matches('-'),
            &digest[..32]
        )
    }
}

/// Letters, digits and ".", "_", "-", as Hugging Face allows them: none of ".", "-" at the ends, no "..",
/// no "--".
fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !text.starts_with(['.', '-'])
        && !text.ends_with(['.', '-'])
        && !text.contains("..")
        && !text.contains("--")
}

/// Names of branches and tags, with "/" within (`refs/pr/1`), and commits.
fn is_revision(text: &str) -> bool {
    text.len() <= MAX_REVISION_BYTES
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b'+'))
        && text
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(".."))
}

fn parse(text: &str) -> Result<ModelSource, String> {
    let (scheme, rest) = match text.split_once(':') {
        // A ":" behind a "/" separates the file of a repository.
        Some((before, after)) if !before.contains('/') => (Some(before), after),
        _ => (None, text),
    };
    match scheme {
        None | Some("hf") => parse_hugging_face(rest),
        Some("civitai") => parse_civitai(rest),
        Some("local") if is_name(rest) => Ok(ModelSource::Local {
            name: rest.to_owned(),
        }),
        Some("local") => Err(format!(
            "behind \"local:\" comes a name of at most {MAX_NAME_BYTES} letters, digits, \".\", \"_\" and \"-\", \
             which begins and ends with neither \".\" nor \"-\", and has no two of them in a row"
        )),
        Some(other) => Err(format!("no vendor is called \"{}\"; {FORMS}", excerpt(other))),
    }
}

fn parse_file(text: Option<&str>) -> Result<Option<RelativePath>, String> {
    text.map(|file| file.parse::<RelativePath>().map_err(|error| error.to_string()))
        .transpose()
}

fn parse_hugging_face(text: &str) -> Result<ModelSource, String> {
    let (head, file) = match text.split_once(':') {
        Some((head, file)) => (head, Some(file)),
        None => (text, None),
    };
    let (repository, revision) = match head.split_once('@') {
        Some((repository, revision)) => (repository, Some(revision)),
        None => (head, None),
    };
    match repository.split_once('/') {
        Some((owner, name)) if is_name(owner) && is_name(name) => {}
        Some(_) => {
            return Err(format!(
                "\"{}\" is not a repository of Hugging Face",
                excerpt(repository)
            ));
        }
        None => return Err(FORMS.to_owned()),
    }
    if let Some(revision) = revision.filter(|revision| !is_revision(revision)) {
        return Err(format!("\"{}\" is not a revision", excerpt(revision)));
    }
    Ok(ModelSource::HuggingFace {
        repository: repository.to_owned(),
        revision: revision.map(str::to_owned),
        file: parse_file(file)?,
    })
}

fn parse_civitai(text: &str) -> Result<ModelSource, String> {
    let (version, file) = match text.split_once(':') {
        Some((version, file)) => (version, Some(file)),
        None => (text, None),
    };
    let number = version
        .parse::<u64>()
        .ok()
        .filter(|number| number.to_string() == version && *number > 0);
    let Some(version) = number else {
        return Err(format!(
            "\"{}\" is not the number of a model version of CivitAI",
            excerpt(version)
        ));
    };
    Ok(ModelSource::CivitAi {
        version,
        file: parse_file(file)?,
    })
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match self {
            Self::HuggingFace {
                repository,
                revision,
                file,
            } => {
                f.write_str(repository)?;
                if let Some(revision) = revision {
                    write!(f, "@{revision}")?;
                }
                file
            }
            Self::CivitAi { version, file } => {
                write!(f, "civitai:{version}")?;
                file
            }
            Self::Local { name } => return write!(f, "local:{name}"),
        };
        match file {
            Some(file) => write!(f, ":{file}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ModelId {
    type Err = ModelIdError;

    fn from_str(text: &str) -> Result<Self, ModelIdError> {
        match parse(text) {
            Ok(source) => Ok(Self {
                text: source.to_string(),
                source,
            }),
            Err(problem) => Err(ModelIdError {
                given: text.to_owned(),
                problem,
            }),
        }
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for ModelId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ModelId {}

impl Hash for ModelId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for ModelId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ModelId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

serde_as_text!(ModelId);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> ModelId {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_taken_apart() {
        assert_eq!(
            id("Qwen/Qwen2.5-0.5B-Instruct-GGUF@refs/pr/1:sub/qwen q4.gguf").source(),
            &ModelSource::HuggingFace {
                repository: "Qwen/Qwen2.5-0.5B-Instruct-GGUF".to_owned(),
                revision: Some("refs/pr/1".to_owned()),
                file: Some("sub/qwen q4.gguf".parse().unwrap()),
            }
        );
        assert_eq!(
            id("civitai:123456:model.safetensors").source(),
            &ModelSource::CivitAi {
                version: 123_456,
                file: Some("model.safetensors".parse().unwrap())
            }
        );
        assert_eq!(
            id("local:qwen").source(),
            &ModelSource::Local {
                name: "qwen".to_owned()
            }
        );
        assert_eq!(id("local:qwen").vendor(), Vendor::Local);
    }

    #[test]
    fn the_prefix_of_hugging_face_may_be_left_out() {
        assert_eq!(id("hf:org/repo:a.gguf"), id("org/repo:a.gguf"));
        assert_eq!(id("hf:org/repo").to_string(), "org/repo");
    }

    #[test]
    fn what_is_no_id_is_told_why() {
        for (text, word) in [
            ("", "org/repo"),
            ("qwen", "org/repo"),
            ("gguf:qwen", "no vendor"),
            ("org/", "repository"),
            ("a/b/c", "repository"),
            ("../etc", "repository"),
            ("org/re po", "repository"),
            ("org/repo:", "empty"),
            ("org/repo:../../x", ".."),
            ("org/repo:/x", "/"),
            ("org/repo@:x", "revision"),
            ("org/repo@a..b", "revision"),
            ("civitai:", "number"),
            ("civitai:0", "number"),
            ("civitai:007", "number"),
            ("civitai:+7", "number"),
            ("civitai:99999999999999999999", "number"),
            ("local:", "name"),
            ("local:../x", "name"),
            ("local:a/b", "name"),
            ("local:a b", "name"),
        ] {
            let error = text.parse::<ModelId>().unwrap_err();
            assert!(error.problem.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_message_repeats_no_control_characters_and_no_novels() {
        let error = format!("\u{1b}[31m{}", "x".repeat(10_000))
            .parse::<ModelId>()
            .unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'));
        assert!(error.to_string().len() < 300);
    }

    #[test]
    fn files_without_a_name_get_one_that_fits() {
        assert_eq!(
            id("local:qwen2.5-coder-0.5b-q4_k_m"),
            ModelId::local_for_file("qwen2.5-coder-0.5b-q4_k_m.gguf")
        );
        assert_eq!(
            id("local:my-model-v2"),
            ModelId::local_for_file("my model (v2).gguf")
        );
        assert_eq!(id("local:model"), ModelId::local_for_file("模型.gguf"));
    }

    #[test]
    fn keys_say_what_they_are_for() {
        let key = id("Qwen/Qwen2.5:Q4.gguf").storage_key();
        assert!(key.starts_with("huggingface-qwen-qwen2-5-q4-gguf-"), "{key}");
        assert!(id("local:qwen").storage_key().starts_with("local-qwen-"));
    }

    fn any_id() -> impl Strategy<Value = ModelId> {
        let name = "[A-Za-z0-9][A-Za-z0-9_]{0,8}([.-][A-Za-z0-9_]{1,4}){0,2}";
        let file = prop::option::of("[A-Za-z0-9 #%?+@=,._-]{1,12}(/[a-zA-Z][a-z.]{0,6}){0,2}");
        let with = |head: String, file: Option<String>| match file {
            Some(file) => format!("{head}:{file}"),
            None => head,
        };
        prop_oneof![
            (
                name,
                name,
                prop::option::of("[a-z0-9]{1,8}(/[a-z0-9]{1,3})?"),
                file.clone()
            )
                .prop_map(move |(owner, repo, revision, file)| {
                    let head = match revision {
                        Some(revision) => format!("{owner}/{repo}@{revision}"),
                        None => format!("{owner}/{repo}"),
                    };
                    with(head, file)
                }),
            (1_u64.., file).prop_map(move |(version, file)| with(format!("civitai:{version}"), file)),
            name.prop_map(|name| format!("local:{name}")),
        ]
        .prop_filter_map("no id", |text| text.parse().ok())
    }

    proptest! {
        #[test]
        fn an_id_is_what_it_displays(id in any_id()) {
            let again: ModelId = id.to_string().parse().unwrap();
            prop_assert_eq!(again.source(), id.source());
            prop_assert_eq!(&again, &id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ModelId>(&json).unwrap(), id);
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text in "\\PC{0,40}") {
            if let Ok(id) = text.parse::<ModelId>() {
                prop_assert_eq!(id.to_string().parse::<ModelId>().unwrap(), id);
            }
        }

        #[test]
        fn any_file_gives_a_name(file_name in ".{0,150}") {
            let id = ModelId::local_for_file(&file_name);
            prop_assert_eq!(id.to_string().parse::<ModelId>().unwrap(), id);
        }

        #[test]
        fn a_key_is_one_safe_part_of_a_path(id in any_id()) {
            let key = id.storage_key();
            prop_assert!(key.len() <= 109, "{}", key);
            prop_assert!(key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
        }

        #[test]
        fn distinct_ids_have_distinct_keys(a in any_id(), b in any_id()) {
            prop_assert_eq!(a == b, a.storage_key() == b.storage_key());
            let upper = a.to_string().replace(['a', 'e', 'o'], "A");
            if let Ok(other) = upper.parse::<ModelId>() {
                prop_assert_eq!(a == other, a.storage_key().eq_ignore_ascii_case(&other.storage_key()));
            }
        }
    }
}
