//! Search: `/api/models?…`.

use http::HeaderMap;
use rbee_artifacts::{StableDiffusionVersion, Vendor};
use serde_json::Value;
use url::Url;

use super::facts;
use crate::error::VendorError;
use crate::http::{Hub, encode_path};
use crate::json;
use crate::search::{SearchHit, SearchKind, SearchPage, SearchQuery, SearchSort};

/// What a hit is to say; each is asked for by name, since without `full` most are left out.
const EXPANDED: [&str; 11] = [
    "author",
    "cardData",
    "createdAt",
    "downloads",
    "gated",
    "lastModified",
    "library_name",
    "likes",
    "pipeline_tag",
    "private",
    "tags",
];

pub(super) async fn search(hub: &Hub, query: &SearchQuery) -> Result<SearchPage, VendorError> {
    let cursor = query.cursor(hub.vendor)?;
    let url = hub.url(&format!("api/models?{}", parameters(query, cursor.as_deref())?))?;
    let explain = |error| super::refusal::explain(hub, "the search", "", error);
    let answer = hub.json(&url, explain).await?;
    let Value::Array(items) = &answer.value else {
        return Err(hub.invalid("a search's answer is no list"));
    };
    let hits = items.iter().filter_map(|item| hit(hub, item)).collect();
    let next_page = next_cursor(&answer.headers, &url).map(|cursor| query.token(hub.vendor, &cursor));
    Ok(SearchPage { hits, next_page })
}

/// The query as the hub takes it.
fn parameters(query: &SearchQuery, cursor: Option<&str>) -> Result<String, VendorError> {
    let text = query.text()?;
    let mut filters = Vec::new();
    match query.kinds.as_slice() {
        [] => {}
        [kind] => filters.extend(tags(*kind)),
        _ => {
            return Err(SearchQuery::invalid(
                "kinds",
                "Hugging Face can be asked for one kind at a time",
            ));
        }
    }
    match query.base_versions.as_slice() {
        [] => {}
        [version] => filters.push(match version {
            StableDiffusionVersion::V1_5 | StableDiffusionVersion::V2_1 => "stable-diffusion",
            StableDiffusionVersion::Xl
            | StableDiffusionVersion::XlTurbo
            | StableDiffusionVersion::XlRefiner => "stable-diffusion-xl",
        }),
        _ => {
            let problem = "Hugging Face can be asked for one generation at a time";
            return Err(SearchQuery::invalid("base_versions", problem));
        }
    }
    if query.gguf_only {
        filters.push("gguf");
    }
    let mut pairs = vec![
        ("search", text.to_owned()),
        ("author", query.author()?.to_owned()),
    ];
    pairs.extend(filters.into_iter().map(|tag| ("filter", tag.to_owned())));
    pairs.push((
        "sort",
        match query.sort {
            SearchSort::Relevance => String::new(),
            SearchSort::Downloads => "downloads".to_owned(),
            SearchSort::Likes => "likes".to_owned(),
            SearchSort::Newest => "createdAt".to_owned(),
            SearchSort::Trending => "trendingScore".to_owned(),
        },
    ));
    if query.sort != SearchSort::Relevance {
        pairs.push(("direction", "-1".to_owned()));
    }
    pairs.push(("limit", query.limit().to_string()));
    pairs.extend(EXPANDED.iter().map(|name| ("expand[]", (*name).to_owned())));
    pairs.push(("cursor", cursor.unwrap_or_default().to_owned()));
    Ok(crate::search::encode_pairs(&pairs))
}

/// The tags that repositories of a kind have, all of them.
fn tags(kind: SearchKind) -> Vec<&'static str> {
    match kind {
        SearchKind::Llm => vec!["text-generation"],
        SearchKind::StableDiffusion => vec!["diffusers", "text-to-image"],
        SearchKind::Lora => vec!["lora", "text-to-image"],
        SearchKind::Vae => vec!["vae"],
        SearchKind::Embedding => vec!["textual_inversion"],
        SearchKind::ControlNet => vec!["controlnet"],
    }
}

/// The cursor of `Link: <…>; rel="next"`. The rest of that address is our own query, and where it leads is the
/// hub's word alone: it is not followed.
fn next_cursor(headers: &HeaderMap, asked: &Url) -> Option<String> {
    let links = headers.get_all(http::header::LINK);
    let link = links
        .iter()
        .filter_map(|link| link.to_str().ok())
        .flat_map(|link| link.split(", <"))
        .find_map(|link| {
            let (address, relation) = link.split_once('>')?;
            let is_next = relation
                .split(';')
                .any(|part| matches!(part.trim(), "rel=\"next\"" | "rel=next"));
            is_next.then(|| address.trim_start_matches([' ', '<']).to_owned())
        })?;
    let next = asked.join(&link).ok()?;
    let cursor = next
        .query_pairs()
        .find(|(name, _)| name == "cursor")?
        .1
        .into_owned();
    (!cursor.is_empty()).then_some(cursor)
}

/// One hit; `None` for what has no usable id, such as the old repositories without an owner.
fn hit(hub: &Hub, item: &Value) -> Option<SearchHit> {
    let repository = json::raw(item, "id").or_else(|| json::raw(item, "modelId"))?;
    let id = repository.parse().ok()?;
    let (author, name) = repository.split_once('/')?;
    let tags = json::words(item, "tags");
    Some(SearchHit {
        id,
        vendor: Vendor::HuggingFace,
        name: name.to_owned(),
        author: json::text(item, "author").or_else(|| Some(author.to_owned())),
        kind: kind(item),
        base_model: facts::base_model(item),
        downloads: json::count(item, "downloads"),
        likes: json::count(item, "likes"),
        licence: facts::licence(item),
        gate: facts::gate(item),
        private: json::is_true(item, "private"),
        nsfw: tags.iter().any(|tag| tag == "not-for-all-audiences"),
        updated_at: json::time(item, "lastModified").or_else(|| json::time(item, "createdAt")),
        size_bytes: None,
        thumbnail_url: item
            .get("cardData")
            .and_then(|card| json::https(card, "thumbnail")),
        page_url: hub.page(&encode_path(repository)),
        tags: tags
            .into_iter()
            .filter(|tag| !tag.contains(':'))
            .take(20)
            .collect(),
        version_name: None,
        versions: Vec::new(),
    })
}

fn kind(item: &Value) -> Option<SearchKind> {
    let has = |tag| facts::has_tag(item, tag);
    let task = json::text(item, "pipeline_tag").unwrap_or_default();
    if has("lora") {
        Some(SearchKind::Lora)
    } else if has("controlnet") {
        Some(SearchKind::ControlNet)
    } else if has("textual_inversion") {
        Some(SearchKind::Embedding)
    } else if task == "text-generation" || has("text-generation") {
        Some(SearchKind::Llm)
    } else if has("stable-diffusion")
        || has("stable-diffusion-xl")
        || facts::tagged(item, "diffusers:StableDiffusion").next().is_some()
    {
        Some(SearchKind::StableDiffusion)
    } else if has("gguf") && (task.is_empty() || task == "image-text-to-text") {
        Some(SearchKind::Llm)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cursor_of_a_link_is_taken() {
        let asked: Url = "https://hub/api/models?limit=2".parse().unwrap();
        let cursor = |link: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("link", link.parse().unwrap());
            next_cursor(&headers, &asked)
        };
        assert_eq!(
            cursor("<https://evil/x?cursor=a%2B%7C%3D&limit=9>; rel=\"next\"").as_deref(),
            Some("a+|=")
        );
        assert_eq!(
            cursor("<?cursor=p>; rel=\"prev\", <?cursor=n>; rel=\"next\"").as_deref(),
            Some("n")
        );
        assert_eq!(cursor("</x?cursor=>; rel=next"), None);
        assert_eq!(cursor("nonsense"), None);
        assert_eq!(next_cursor(&HeaderMap::new(), &asked), None);
    }

    #[test]
    fn queries_are_encoded_and_empty_parts_left_out() {
        let query = SearchQuery {
            text: "a b&c".to_owned(),
            kinds: vec![SearchKind::StableDiffusion],
            gguf_only: true,
            sort: SearchSort::Likes,
            page_size: 7,
            ..SearchQuery::default()
        };
        let text = parameters(&query, Some("x|y")).unwrap();
        assert!(text.starts_with("search=a%20b%26c&filter=diffusers&filter=text-to-image&filter=gguf&sort=likes&direction=-1&limit=7&expand%5B%5D=author"), "{text}");
        assert!(text.ends_with("&cursor=x%7Cy"));
        assert!(!text.contains("author="));
        let several = SearchQuery {
            kinds: vec![SearchKind::Llm, SearchKind::Vae],
            ..SearchQuery::default()
        };
        assert!(parameters(&several, None).is_err());
    }
}
