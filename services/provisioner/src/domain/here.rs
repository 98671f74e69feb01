//! Which of a hub's models are here already.

use std::collections::HashMap;

use rbee_artifacts::{ModelId, ModelSource};

/// What a hub's search lists as one: a repository, or a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Listed {
    Repository(String),
    Version(u64),
}

fn listed(id: &ModelId) -> Option<Listed> {
    match id.source() {
        // The hub tells repositories apart whatever the case, and so would two people.
        ModelSource::HuggingFace { repository, .. } => Some(Listed::Repository(repository.to_lowercase())),
        ModelSource::CivitAi { version, .. } => Some(Listed::Version(*version)),
        ModelSource::Local { .. } => None,
    }
}

/// The models that are here.
#[derive(Debug, Clone, Default)]
pub struct Here(HashMap<Listed, ModelId>);

impl Here {
    /// These are here.
    pub fn new(ids: impl IntoIterator<Item = ModelId>) -> Self {
        let mut here = HashMap::new();
        for id in ids {
            if let Some(listed) = listed(&id) {
                // The first by id, so that the answer is always the same.
                let first = here.entry(listed).or_insert_with(|| id.clone());
                if id < *first {
                    *first = id;
                }
            }
        }
        Self(here)
    }

    /// The model that is here of what a hub lists under this id, any file of it.
    #[must_use]
    pub fn of(&self, id: &ModelId) -> Option<&ModelId> {
        self.0.get(&listed(id)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_repository_or_version_is_enough() {
        let id = |text: &str| text.parse::<ModelId>().unwrap();
        let here = Here::new([
            id("Org/Repo:b.gguf"),
            id("org/repo@v1:a.gguf"),
            id("civitai:7:x.safetensors"),
            id("local:q"),
        ]);
        assert_eq!(here.of(&id("Org/Repo")), Some(&id("Org/Repo:b.gguf")));
        assert_eq!(here.of(&id("civitai:7")), Some(&id("civitai:7:x.safetensors")));
        for text in ["org/other", "civitai:8", "local:q"] {
            assert_eq!(here.of(&id(text)), None, "{text}");
        }
    }
}
