//! A file that is to become a model: which, under which name, and how it gets into the store.

use std::path::Path;

/// The longest name that a local model may have, in bytes.
const LONGEST_NAME: usize = 96;

/// How a file gets into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ImportMode {
    /// A second name for the same bytes where the file system can, else a copy.
    #[default]
    LinkOrCopy,
    /// Always a copy.
    Copy,
    /// The file stays where it is and is used there.
    InPlace,
}

impl ImportMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LinkOrCopy, Self::Copy, Self::InPlace];

    /// Its name in ids.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::LinkOrCopy => "link",
            Self::Copy => "copy",
            Self::InPlace => "in-place",
        }
    }

    /// The words for a person.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::LinkOrCopy => "Link where possible, else copy",
            Self::Copy => "Copy",
            Self::InPlace => "Leave it where it is",
        }
    }

    /// The one of an id.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.id() == id)
    }
}

/// An import before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportDraft {
    /// The file or folder, on the provisioner's host.
    pub path: String,
    /// The name that the model gets; its id becomes `local:<name>`.
    pub name: String,
    /// How it gets into the store.
    pub mode: ImportMode,
}

impl ImportDraft {
    /// An import of a file, under the name that the file has.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let has_known_ending = path.extension().is_some_and(|ending| {
            ["gguf", "safetensors"]
                .iter()
                .any(|known| ending.eq_ignore_ascii_case(known))
        });
        let stem = if has_known_ending {
            path.file_stem()
        } else {
            path.file_name()
        };
        let stem = stem.unwrap_or_default().to_string_lossy();
        Self {
            path: path.to_string_lossy().into_owned(),
            name: usable_name(&stem),
            mode: ImportMode::default(),
        }
    }

    /// What is wrong with its name, if anything is.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        if self.name.is_empty() {
            Some("It needs a name.")
        } else if self.name.len() > LONGEST_NAME {
            Some("This name is too long.")
        } else if usable_name(&self.name) != self.name {
            Some("Letters, digits, underscores, and single dots and hyphens between them.")
        } else {
            None
        }
    }

    /// The id that the model will have.
    #[must_use]
    pub fn id(&self) -> String {
        format!("local:{}", self.name)
    }
}

/// The nearest to some words that is a name: letters, digits, `_`, and `.` and `-` inside, no two of them in a row.
fn usable_name(words: &str) -> String {
    let mut name = String::new();
    for character in words.trim().chars() {
        let character = if character.is_ascii_alphanumeric() || "._".contains(character) {
            character
        } else {
            '-'
        };
        let is_inner = ".-".contains(character);
        if name.len() < LONGEST_NAME && !(is_inner && (name.is_empty() || name.ends_with(['.', '-']))) {
            name.push(character);
        }
    }
    name.truncate(name.trim_end_matches(['.', '-']).len());
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_gives_its_name_without_its_ending() {
        let name = |path: &str| ImportDraft::of(Path::new(path)).name;
        assert_eq!(name("/models/Qwen2.5-0.5B-Q4_K_M.gguf"), "Qwen2.5-0.5B-Q4_K_M");
        assert_eq!(name("/models/sd 1.5 (pruned).safetensors"), "sd-1.5-pruned");
        assert_eq!(
            name("/models/Llama-3.1-8B"),
            "Llama-3.1-8B",
            "a folder has no ending"
        );
        assert_eq!(
            name("/models/量化.gguf"),
            "",
            "nothing is left; the person is asked"
        );
    }

    #[test]
    fn a_name_that_is_none_is_said_to_be() {
        let draft = |name: &str| ImportDraft {
            name: name.to_owned(),
            ..ImportDraft::of(Path::new("/a.gguf"))
        };
        assert!(draft("").problem().is_some());
        assert!(draft("a b").problem().is_some());
        assert!(draft("-a").problem().is_some());
        assert!(draft("a--b").problem().is_some());
        assert!(draft("a.").problem().is_some());
        assert_eq!(draft("_a").problem(), None);
        assert!(draft(&"a".repeat(LONGEST_NAME + 1)).problem().is_some());
        assert_eq!(draft("qwen-2").problem(), None);
        assert_eq!(draft("qwen-2").id(), "local:qwen-2");
    }

    proptest! {
        #[test]
        fn what_is_proposed_can_be_used(stem in "[^/\0]{1,120}") {
            let draft = ImportDraft::of(Path::new(&format!("/{stem}.gguf")));
            prop_assert!(draft.name.is_empty() || draft.problem().is_none(), "{:?}", draft);
        }
    }
}
