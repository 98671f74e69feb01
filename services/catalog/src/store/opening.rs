//! What the catalog finds when it starts, and what it does with documents that it can't use.
//!
//! | the document | becomes |
//! |---|---|
//! | is damaged, or describes something else | moved aside in its folder; its place is free |
//! | was written by a newer version | left where it is, and its place kept: that version finds it again |
//! | can't be read just now | left where it is, and its place kept |
//!
//! Nothing is removed, each is told as a warning, and the rest of the catalog works.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use rbee_artifacts::document::{self, DocumentError};
use rbee_artifacts::{Artifact, ArtifactId as _};
use rbee_service_kit::fault::Chain;
use rbee_service_kit::narrate_warn;
use rbee_store::{Store, StoreError};

use super::entry::{CatalogEntry, Recorded};
use super::filesystem::OpenError;

/// Documents that are read at the same time.
const CONCURRENT_READS: usize = 32;

/// What is in a collection.
pub(super) struct Found<T: Artifact> {
    /// The entries.
    pub(super) entries: BTreeMap<T::Id, Arc<Recorded<T>>>,
    /// Storage keys whose documents can't be used and stay where they are, and why.
    pub(super) kept: HashMap<String, String>,
}

/// Why a document can't be used.
enum Unusable {
    /// It never will be.
    Damaged(String),
    /// It may be later, or by another version.
    NotNow(String),
}

/// Reads a collection.
pub(super) async fn read_all<T: CatalogEntry>(store: &Store) -> Result<Found<T>, OpenError> {
    let collection = T::COLLECTION;
    let keys = store
        .list_documents(collection)
        .await
        .map_err(|source| OpenError { collection, source })?;
    let read = stream::iter(keys).map(async |key| {
        let recorded = read::<T>(store, &key).await;
        (key, recorded)
    });
    let mut found = Found {
        entries: BTreeMap::new(),
        kept: HashMap::new(),
    };
    let mut read = std::pin::pin!(read.buffer_unordered(CONCURRENT_READS));
    while let Some((key, recorded)) = read.next().await {
        let document = format!("{collection}/{key}");
        match recorded {
            Ok(recorded) => {
                let id = recorded.entry.id().clone();
                found.entries.insert(id, Arc::new(recorded));
            }
            Err(Unusable::NotNow(why)) => {
                narrate_warn!(%document, "a {} is set aside where it is: {why}", T::NOUN);
                found.kept.insert(key, why);
            }
            Err(Unusable::Damaged(why)) => match move_aside::<T>(store, &key).await {
                Ok(place) => {
                    narrate_warn!(%document, "a {} is set aside as {place}: {why}", T::NOUN);
                }
                Err(error) => {
                    narrate_warn!(%document, "a {} is set aside where it is, because it cannot be moved ({}): {why}", T::NOUN, Chain(&error));
                    found.kept.insert(key, why);
                }
            },
        }
    }
    Ok(found)
}

async fn move_aside<T: CatalogEntry>(store: &Store, key: &str) -> Result<String, StoreError> {
    let place = store.set_document_aside(T::COLLECTION, key).await?;
    Ok(place.unwrap_or_else(|| "nothing, for it vanished".to_owned()))
}

/// Reads one document.
async fn read<T: CatalogEntry>(store: &Store, key: &str) -> Result<Recorded<T>, Unusable> {
    let bytes = store
        .get_document(T::COLLECTION, key)
        .await
        .map_err(|error| Unusable::NotNow(Chain(&error).to_string()))?
        .ok_or_else(|| Unusable::NotNow("it vanished while the catalog was opened".to_owned()))?;
    let recorded: Recorded<T> = document::decode(&bytes).map_err(|error| {
        let why = Chain(&error).to_string();
        match error {
            DocumentError::Newer { .. } => Unusable::NotNow(why),
            _ => Unusable::Damaged(why),
        }
    })?;
    let id = recorded.entry.id();
    if id.storage_key() != key {
        return Err(Unusable::Damaged(format!(
            "it describes {id}, which belongs elsewhere"
        )));
    }
    // Revisions begin with the microseconds since 1970; one beyond this was not written by a catalog,
    // and counting on from it would end at the end of the numbers.
    let revision = recorded.revision;
    if revision > u64::MAX / 2 {
        return Err(Unusable::Damaged(format!(
            "its revision {revision} makes no sense"
        )));
    }
    Ok(recorded)
}
