//! Searching a hub, in words that fit both.

use jiff::Timestamp;
use rbee_artifacts::{ModelId, Sha256, StableDiffusionVersion, Vendor};

use crate::error::VendorError;
use crate::http::encode;
use crate::resolution::Gate;

/// Longest text to look for, in bytes.
const MAX_TEXT_BYTES: usize = 256;
/// Longest name of an account, in bytes.
const MAX_AUTHOR_BYTES: usize = 96;
/// Longest cursor of a hub that is handed on, in bytes.
const MAX_CURSOR_BYTES: usize = 1024;
const DEFAULT_HITS: u32 = 20;
const MAX_HITS: u32 = 100;

/// What is searched for. What is empty is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// Words to look for.
    pub text: String,
    /// Only these kinds.
    pub kinds: Vec<SearchKind>,
    /// Only what goes with these generations of Stable Diffusion.
    pub base_versions: Vec<StableDiffusionVersion>,
    /// Only models of this account.
    pub author: String,
    /// Only repositories with GGUF files (Hugging Face).
    pub gguf_only: bool,
    /// Also what is not safe for work (CivitAI).
    pub include_nsfw: bool,
    /// In which order.
    pub sort: SearchSort,
    /// Most hits wanted; 0 means 20, and more than 100 means 100.
    pub page_size: u32,
    /// [`SearchPage::next_page`] of the page before; empty for the first.
    pub page_token: String,
}

/// A kind of model that hubs have words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchKind {
    /// Language models.
    Llm,
    /// Stable Diffusion models.
    StableDiffusion,
    /// LoRAs and their relatives.
    Lora,
    /// VAEs.
    Vae,
    /// Textual-inversion embeddings.
    Embedding,
    /// ControlNets.
    ControlNet,
}

/// The order of hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchSort {
    /// The hub's own.
    #[default]
    Relevance,
    /// Most downloads first.
    Downloads,
    /// Most likes first.
    Likes,
    /// Newest first.
    Newest,
    /// What many look at now first.
    Trending,
}

/// A page of hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPage {
    /// The hits. There can be fewer than were asked for although more follow.
    pub hits: Vec<SearchHit>,
    /// The token of the next page. It is good for this query only.
    pub next_page: Option<String>,
}

/// One hit. What the hub does not say is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    /// The id to resolve or download it by.
    pub id: ModelId,
    /// Where.
    pub vendor: Vendor,
    /// A name to show.
    pub name: String,
    /// Whose it is.
    pub author: Option<String>,
    /// What kind of model the hub says it is.
    pub kind: Option<SearchKind>,
    /// What it is derived from, in the hub's words.
    pub base_model: Option<String>,
    /// Number of downloads.
    pub downloads: Option<u64>,
    /// Number of likes.
    pub likes: Option<u64>,
    /// The licence, in the hub's words.
    pub licence: Option<String>,
    /// Whether the hub asks for consent.
    pub gate: Gate,
    /// Whether only some may see it.
    pub private: bool,
    /// Whether the hub marks it as not safe for work.
    pub nsfw: bool,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// Size in bytes of what would be fetched, as far as the hub rounds it.
    pub size_bytes: Option<u64>,
    /// A picture, `https` only. It is not fetched here.
    pub thumbnail_url: Option<String>,
    /// The hub's page about it.
    pub page_url: String,
    /// Words that describe it, or that call it up in a prompt.
    pub tags: Vec<String>,
    /// The name of the version, where the hub has several of one model.
    pub version_name: Option<String>,
    /// Other versions, newest first.
    pub versions: Vec<HubVersion>,
}

/// One of several versions of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubVersion {
    /// The id to resolve or download it by.
    pub id: ModelId,
    /// Its name.
    pub name: String,
    /// What it is derived from, in the hub's words.
    pub base_model: Option<String>,
    /// Size in bytes of what would be fetched, as far as the hub rounds it.
    pub size_bytes: Option<u64>,
}

impl SearchQuery {
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> VendorError {
        VendorError::InvalidQuery {
            field,
            problem: problem.into(),
        }
    }

    /// The words to look for.
    pub(crate) fn text(&self) -> Result<&str, VendorError> {
        let text = self.text.trim();
        match text.len() <= MAX_TEXT_BYTES && !text.contains(char::is_control) {
            true => Ok(text),
            false => Err(Self::invalid(
                "text",
                format!("must be one line of at most {MAX_TEXT_BYTES} bytes"),
            )),
        }
    }

    pub(crate) fn author(&self) -> Result<&str, VendorError> {
        let author = self.author.trim();
        match author.len() <= MAX_AUTHOR_BYTES && !author.contains(|c: char| c.is_control() || c == '/') {
            true => Ok(author),
            false => Err(Self::invalid("author", "must be the name of one account")),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        match self.page_size {
            0 => DEFAULT_HITS,
            wanted => wanted.min(MAX_HITS),
        }
    }

    /// The hub's cursor out of the page's token.
    pub(crate) fn cursor(&self, vendor: Vendor) -> Result<Option<String>, VendorError> {
        if self.page_token.is_empty() {
            return Ok(None);
        }
        let read = || {
            let (query, cursor) = self.page_token.split_once('.')?;
            (query == self.fingerprint(vendor)).then_some(())?;
            let cursor = percent_encoding::percent_decode_str(cursor).decode_utf8().ok()?;
            (!cursor.is_empty() && cursor.len() <= MAX_CURSOR_BYTES).then(|| cursor.into_owned())
        };
        let problem = "is not the token of a page of this search; begin with the first page";
        read()
            .map(Some)
            .ok_or_else(|| Self::invalid("page_token", problem))
    }

    /// The token under which a page with this cursor can be asked for.
    pub(crate) fn token(&self, vendor: Vendor, cursor: &str) -> String {
        format!("{}.{}", self.fingerprint(vendor), encode(cursor))
    }

    /// What a token belongs to: everything but the place in the list. A cursor means nothing to another query.
    fn fingerprint(&self, vendor: Vendor) -> String {
        let first = Self {
            page_token: String::new(),
            ..self.clone()
        };
        let digest = Sha256::digest(format!("{vendor} {first:?}").as_bytes());
        digest.to_string()[..16].to_owned()
    }
}

/// Pairs as a query; those without a value are left out.
pub(crate) fn encode_pairs(pairs: &[(&str, String)]) -> String {
    let written = pairs.iter().filter(|(_, value)| !value.is_empty());
    let written: Vec<String> = written
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    written.join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_query_only() {
        let query = SearchQuery {
            text: "qwen".to_owned(),
            ..SearchQuery::default()
        };
        let token = query.token(Vendor::CivitAi, "90|0|1001");
        let next = SearchQuery {
            page_token: token.clone(),
            ..query
        };
        assert_eq!(
            next.cursor(Vendor::CivitAi).unwrap().as_deref(),
            Some("90|0|1001")
        );
        assert!(next.cursor(Vendor::HuggingFace).is_err());
        let other = SearchQuery {
            text: "llama".to_owned(),
            page_token: token,
            ..SearchQuery::default()
        };
        assert_eq!(
            other.cursor(Vendor::CivitAi).unwrap_err().reason(),
            "INVALID_ARGUMENT"
        );
        for odd in ["x", ".", "0123456789abcdef.x", "é.é"] {
            let odd = SearchQuery {
                page_token: odd.to_owned(),
                ..SearchQuery::default()
            };
            assert!(odd.cursor(Vendor::CivitAi).is_err());
        }
    }

    #[test]
    fn limits_and_texts_are_bounded() {
        let of = |page_size| {
            SearchQuery {
                page_size,
                ..SearchQuery::default()
            }
            .limit()
        };
        assert_eq!((of(0), of(7), of(5000)), (20, 7, 100));
        let text = |text: &str| {
            SearchQuery {
                text: text.to_owned(),
                ..SearchQuery::default()
            }
            .text()
            .is_ok()
        };
        assert!(text(" fine ") && !text("a\nb") && !text(&"x".repeat(257)));
    }

    proptest! {
        #[test]
        fn cursors_survive(cursor in "[ -~é|&=]{1,60}") {
            let query = SearchQuery::default();
            let token = query.token(Vendor::CivitAi, &cursor);
            let next = SearchQuery { page_token: token, ..query };
            prop_assert_eq!(next.cursor(Vendor::CivitAi).unwrap(), Some(cursor));
        }
    }
}
