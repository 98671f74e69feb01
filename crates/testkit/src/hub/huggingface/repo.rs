//! What a test puts on the hub: plain data.

use serde_json::Value;

use crate::hub::FileBody;

/// Whether files of a repository need more than a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gated {
    /// Anyone may take them.
    #[default]
    No,
    /// After agreeing to terms: `"auto"`.
    Auto,
    /// After the owner agreed: `"manual"`.
    Manual,
}

/// A file of a repository.
#[derive(Debug, Clone)]
pub struct RepoFile {
    /// With slashes between folders; anything may stand in it.
    pub path: String,
    /// Its content.
    pub body: FileBody,
    /// Whether it lies in git LFS, as large files do.
    pub lfs: bool,
    /// The size that listings and `X-Linked-Size` tell, if it is not the true one.
    pub claimed_size: Option<u64>,
    /// The SHA-256 that listings and `X-Linked-Etag` tell of a large file, if it is not the true one.
    pub claimed_sha256: Option<String>,
}

impl RepoFile {
    /// A large file.
    #[must_use]
    pub fn lfs(path: &str, body: FileBody) -> Self {
        Self {
            path: path.to_owned(),
            body,
            lfs: true,
            claimed_size: None,
            claimed_sha256: None,
        }
    }

    /// A small file.
    #[must_use]
    pub fn small(path: &str, body: FileBody) -> Self {
        Self {
            lfs: false,
            ..Self::lfs(path, body)
        }
    }

    /// With a size that is not its own.
    #[must_use]
    pub fn claiming_size(mut self, bytes: u64) -> Self {
        self.claimed_size = Some(bytes);
        self
    }

    /// With a SHA-256 that is not its own.
    #[must_use]
    pub fn claiming_sha256(mut self, digits: &str) -> Self {
        self.claimed_sha256 = Some(digits.to_owned());
        self
    }
}

/// A model repository. What a builder method doesn't set is as on a small public repository.
#[derive(Debug, Clone)]
pub struct Repo {
    /// `org/name`, or a bare name.
    pub id: String,
    /// Names it had before: they redirect here.
    pub previous_ids: Vec<String>,
    /// Hidden from all but granted tokens.
    pub private: bool,
    /// Whether its files need granted access.
    pub gated: Gated,
    /// `license` of the model card.
    pub license: Option<String>,
    /// Tags beside the licence's: `gguf`, `text-generation`, …
    pub tags: Vec<String>,
    /// Times downloaded.
    pub downloads: u64,
    /// Times liked.
    pub likes: u64,
    /// RFC 3339; searches sort by it.
    pub last_modified: String,
    /// Whether its page lists names without sizes and hashes whatever was asked, as some mirrors do.
    pub lists_names_only: bool,
    /// What its page and its hits say beside, by key: `gguf`, `config`, `pipeline_tag`, `cardData`, …
    pub facts: serde_json::Map<String, Value>,
    /// Names of a revision (branches, tags, `refs/pr/1`) with the files there; the first has the name `main`.
    pub revisions: Vec<(String, Vec<RepoFile>)>,
}

impl Repo {
    /// An empty public repository.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            previous_ids: Vec::new(),
            private: false,
            gated: Gated::No,
            license: None,
            tags: Vec::new(),
            downloads: 0,
            likes: 0,
            last_modified: "2026-01-02T03:04:05.000Z".to_owned(),
            lists_names_only: false,
            facts: serde_json::Map::new(),
            revisions: vec![("main".to_owned(), Vec::new())],
        }
    }

    /// A large file on the newest revision added (`main` to begin with).
    #[must_use]
    pub fn lfs(self, path: &str, body: FileBody) -> Self {
        self.file(RepoFile::lfs(path, body))
    }

    /// A small file on the newest revision added (`main` to begin with).
    #[must_use]
    pub fn small(self, path: &str, body: FileBody) -> Self {
        self.file(RepoFile::small(path, body))
    }

    /// This file on the newest revision added (`main` to begin with).
    #[must_use]
    pub fn file(mut self, file: RepoFile) -> Self {
        let (_, files) = self
            .revisions
            .last_mut()
            .expect("a repository has a revision from the beginning");
        files.push(file);
        self
    }

    /// Another revision, empty; files named after this lie on it.
    #[must_use]
    pub fn revision(mut self, name: &str) -> Self {
        self.revisions.push((name.to_owned(), Vec::new()));
        self
    }

    /// Gated so.
    #[must_use]
    pub fn gated(mut self, gated: Gated) -> Self {
        self.gated = gated;
        self
    }

    /// Private.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Formerly known as.
    #[must_use]
    pub fn previously(mut self, id: &str) -> Self {
        self.previous_ids.push(id.to_owned());
        self
    }

    /// With these tags.
    #[must_use]
    pub fn tags(mut self, tags: &[&str]) -> Self {
        self.tags.extend(tags.iter().map(|tag| (*tag).to_owned()));
        self
    }

    /// Under this licence.
    #[must_use]
    pub fn license(mut self, license: &str) -> Self {
        self.license = Some(license.to_owned());
        self
    }

    /// Listing names without sizes and hashes.
    #[must_use]
    pub fn listing_names_only(mut self) -> Self {
        self.lists_names_only = true;
        self
    }

    /// Saying this of itself beside, as `gguf`, `config`, `pipeline_tag` or `cardData`.
    #[must_use]
    pub fn fact(mut self, key: &str, value: Value) -> Self {
        self.facts.insert(key.to_owned(), value);
        self
    }

    /// Downloaded and liked so often.
    #[must_use]
    pub fn popularity(mut self, downloads: u64, likes: u64) -> Self {
        (self.downloads, self.likes) = (downloads, likes);
        self
    }
}

/// A token that the hub issued.
#[derive(Debug, Clone)]
pub struct Token {
    /// What stands behind `Bearer`.
    pub secret: String,
    /// The account that it is of.
    pub owner: String,
    /// Repositories that it opens although they are private or gated.
    pub opens: Vec<String>,
}

impl Token {
    /// A token that opens these repositories.
    #[must_use]
    pub fn new(secret: &str, opens: &[&str]) -> Self {
        Self {
            secret: secret.to_owned(),
            owner: "somebody".to_owned(),
            opens: opens.iter().map(|id| (*id).to_owned()).collect(),
        }
    }
}
