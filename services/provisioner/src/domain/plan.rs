//! What a download fetches, decided once: a restart goes on with the same commit and the same files.

use std::collections::BTreeMap;

use rbee_artifacts::detect::Claim;
use rbee_artifacts::{ModelId, ModelType, RelativePath, Sha256};
use serde::{Deserialize, Serialize};

/// A model as its hub has it, down to each file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The id that the model gets: a file that was chosen is named in it.
    pub model_id: ModelId,
    /// A name to show.
    pub name: String,
    /// The commit that the files are of; absent where the hub has none.
    pub revision: Option<String>,
    /// What is fetched.
    pub files: Vec<PlannedFile>,
    /// What kind of model the hub says it is; absent where it does not.
    pub model_type: Option<ModelType>,
    /// How the weights are stored, by the hub.
    pub quantization: Option<String>,
    /// Facts that are kept with the model.
    pub metadata: BTreeMap<String, String>,
    /// What was chosen and why; empty if there was nothing to choose.
    pub choice: String,
    /// What the hub says of the files, to be held against what they are.
    #[serde(default)]
    pub claim: PlannedClaim,
}

/// One file of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Its name within the model.
    pub name: RelativePath,
    /// Its size in bytes; absent where the hub does not say it exactly.
    pub size_bytes: Option<u64>,
    /// SHA-256 of the content; absent where the hub does not say.
    pub sha256: Option<Sha256>,
    /// Git's SHA-1 of the content in 40 hexadecimal digits; absent where the hub does not say.
    pub git_sha1: Option<String>,
    /// The hub's own address of it: without a token, and not signed.
    pub url: String,
    /// Whether the file itself is text. If not, a text in its place is an error's page.
    #[serde(default)]
    pub is_text: bool,
}

/// A [`Claim`] that can be written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedClaim {
    /// The kind of model, in the hub's words.
    pub kind: Option<String>,
    /// What it is derived from, in the hub's words.
    pub base_model: Option<String>,
    /// The format, in the hub's words.
    pub format: Option<String>,
}

impl From<&PlannedClaim> for Claim {
    fn from(claim: &PlannedClaim) -> Self {
        Self {
            kind: claim.kind.clone(),
            base_model: claim.base_model.clone(),
            format: claim.format.clone(),
        }
    }
}

impl Plan {
    /// Size of all files in bytes; `None` where it is not known of each.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.files
            .iter()
            .try_fold(0_u64, |sum, file| sum.checked_add(file.size_bytes?))
    }
}
