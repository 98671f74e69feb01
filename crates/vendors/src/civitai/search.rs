//! Search: `/api/v1/models?…`.

use rbee_artifacts::Vendor;
use serde_json::Value;

use super::facts;
use crate::error::VendorError;
use crate::http::Hub;
use crate::json;
use crate::resolution::Gate;
use crate::search::{HubVersion, SearchHit, SearchKind, SearchPage, SearchQuery, SearchSort};

/// The hub's types of models of a kind; none for what it does not have.
fn types(kind: SearchKind) -> &'static [&'static str] {
    match kind {
        SearchKind::Llm => &[],
        SearchKind::StableDiffusion => &["Checkpoint"],
        SearchKind::Lora => &["LORA", "LoCon", "DoRA"],
        SearchKind::Vae => &["VAE"],
        SearchKind::Embedding => &["TextualInversion"],
        SearchKind::ControlNet => &["Controlnet"],
    }
}

/// All that can be used.
const ALL_KINDS: [SearchKind; 5] = [
    SearchKind::StableDiffusion,
    SearchKind::Lora,
    SearchKind::Vae,
    SearchKind::Embedding,
    SearchKind::ControlNet,
];

pub(super) async fn search(hub: &Hub, query: &SearchQuery) -> Result<SearchPage, VendorError> {
    let cursor = query.cursor(hub.vendor)?;
    let Some(parameters) = parameters(query, cursor.as_deref())? else {
        return Ok(SearchPage {
            hits: Vec::new(),
            next_page: None,
        });
    };
    let url = hub.url(&format!("api/v1/models?{parameters}"))?;
    let explain = |error| super::refusal::explain(hub, "the search", "", error);
    let answer = hub.json(&url, explain).await?.value;
    let Some(Value::Array(items)) = answer.get("items") else {
        return Err(hub.invalid("a search's answer has no list of items"));
    };
    let hits = items.iter().filter_map(|item| hit(hub, item)).collect();
    let next = answer
        .get("metadata")
        .and_then(|metadata| match metadata.get("nextCursor")? {
            Value::String(cursor) if !cursor.is_empty() => Some(cursor.clone()),
            Value::Number(cursor) => Some(cursor.to_string()),
            _ => None,
        });
    Ok(SearchPage {
        hits,
        next_page: next.map(|cursor| query.token(hub.vendor, &cursor)),
    })
}

/// The query as the hub takes it; `None` if it has nothing of the kinds that are asked for.
fn parameters(query: &SearchQuery, cursor: Option<&str>) -> Result<Option<String>, VendorError> {
    if query.gguf_only {
        return Err(SearchQuery::invalid(
            "gguf_only",
            "CivitAI can't be asked for GGUF files",
        ));
    }
    let kinds = if query.kinds.is_empty() {
        &ALL_KINDS[..]
    } else {
        &query.kinds
    };
    let types: Vec<&str> = kinds.iter().flat_map(|kind| types(*kind)).copied().collect();
    if types.is_empty() {
        return Ok(None);
    }
    let mut pairs = vec![
        ("query", query.text()?.to_owned()),
        ("username", query.author()?.to_owned()),
    ];
    // Repeated, never joined with commas.
    pairs.extend(types.into_iter().map(|kind| ("types", kind.to_owned())));
    let mut bases: Vec<&str> = query
        .base_versions
        .iter()
        .flat_map(|version| facts::base_models(*version))
        .copied()
        .collect();
    bases.sort_unstable();
    bases.dedup();
    pairs.extend(bases.into_iter().map(|base| ("baseModels", base.to_owned())));
    pairs.push(("nsfw", query.include_nsfw.to_string()));
    let (sort, period) = match query.sort {
        SearchSort::Relevance => ("", ""),
        SearchSort::Downloads => ("Most Downloaded", "AllTime"),
        SearchSort::Likes => ("Highest Rated", "AllTime"),
        SearchSort::Newest => ("Newest", "AllTime"),
        SearchSort::Trending => ("Most Downloaded", "Week"),
    };
    pairs.push(("sort", sort.to_owned()));
    pairs.push(("period", period.to_owned()));
    pairs.push(("limit", query.limit().to_string()));
    pairs.push(("cursor", cursor.unwrap_or_default().to_owned()));
    Ok(Some(crate::search::encode_pairs(&pairs)))
}

/// One hit: a model by its newest version. `None` for models without one.
fn hit(hub: &Hub, item: &Value) -> Option<SearchHit> {
    let model = json::count(item, "id")?;
    let versions = json::items(item, "modelVersions");
    let mut known = versions.iter().filter_map(version);
    let newest = known.next()?;
    let about = versions
        .iter()
        .find(|about| version(about).as_ref() == Some(&newest))?;
    let statistics = item.get("stats").unwrap_or(&Value::Null);
    let mut tags = json::words(about, "trainedWords");
    tags.extend(json::words(item, "tags"));
    tags.truncate(20);
    let number = newest.id.as_str().trim_start_matches("civitai:").to_owned();
    Some(SearchHit {
        vendor: Vendor::CivitAi,
        name: json::text(item, "name").unwrap_or_else(|| newest.name.clone()),
        author: item
            .get("creator")
            .and_then(|creator| json::text(creator, "username")),
        kind: json::text(item, "type").and_then(|kind| facts::search_kind(&kind)),
        base_model: newest.base_model.clone(),
        downloads: json::count(statistics, "downloadCount"),
        likes: json::count(statistics, "thumbsUpCount"),
        licence: None,
        gate: Gate::Open,
        private: false,
        nsfw: json::is_true(item, "nsfw"),
        updated_at: ["publishedAt", "updatedAt", "createdAt"]
            .iter()
            .find_map(|key| json::time(about, key)),
        size_bytes: newest.size_bytes,
        thumbnail_url: facts::thumbnails(about).into_iter().next(),
        page_url: hub.page(&format!("models/{model}?modelVersionId={number}")),
        tags,
        version_name: Some(newest.name).filter(|name| !name.is_empty()),
        versions: known.take(50).collect(),
        id: newest.id,
    })
}

fn version(about: &Value) -> Option<HubVersion> {
    let id = json::count(about, "id")?;
    let files = facts::files(about);
    let primary = files.iter().find(|file| file.primary).or_else(|| files.first());
    Some(HubVersion {
        id: format!("civitai:{id}").parse().ok()?,
        name: json::text(about, "name").unwrap_or_default(),
        base_model: json::text(about, "baseModel"),
        size_bytes: primary.and_then(|file| file.size_bytes),
    })
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::StableDiffusionVersion;

    use super::*;

    #[test]
    fn types_and_bases_repeat_and_cursors_are_encoded() {
        let query = SearchQuery {
            text: "a|b".to_owned(),
            kinds: vec![SearchKind::Lora, SearchKind::Vae],
            base_versions: vec![StableDiffusionVersion::XlTurbo],
            sort: SearchSort::Downloads,
            page_size: 3,
            ..SearchQuery::default()
        };
        assert_eq!(
            parameters(&query, Some("90|0|1001")).unwrap().unwrap(),
            "query=a%7Cb&types=LORA&types=LoCon&types=DoRA&types=VAE&baseModels=SDXL%20Turbo&nsfw=false\
             &sort=Most%20Downloaded&period=AllTime&limit=3&cursor=90%7C0%7C1001"
        );
        let llm = SearchQuery {
            kinds: vec![SearchKind::Llm],
            ..SearchQuery::default()
        };
        assert_eq!(parameters(&llm, None).unwrap(), None);
        let gguf = SearchQuery {
            gguf_only: true,
            ..SearchQuery::default()
        };
        assert!(parameters(&gguf, None).is_err());
    }
}
