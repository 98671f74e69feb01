//! `/api/models?…`: search, and the pages that searches and trees share.

use std::cmp::Reverse;

use serde_json::Value;

use super::repo::Token;
use super::site::{HuggingFaceSite, ServedRepo, encode_query};
use crate::hub::request::Request;
use crate::hub::response::Response;

impl HuggingFaceSite {
    /// Repositories that the caller may see and that match every condition.
    pub(super) fn search(&self, request: &Request, caller: Option<&Token>) -> Response {
        let words = request.query_value("search").unwrap_or_default().to_lowercase();
        let author = request.query_value("author");
        // `filter` repeats, or holds several with commas between.
        let filters = request.query_values("filter").join(",");
        let filters: Vec<&str> = filters.split(',').filter(|tag| !tag.is_empty()).collect();
        let full = request.query_value("full").is_some_and(|value| value != "false");
        let mut found: Vec<&ServedRepo> = self
            .repos
            .iter()
            .filter(|repo| {
                let about = &repo.about;
                repo.visible_to(caller)
                    && words
                        .split_whitespace()
                        .all(|word| about.id.to_lowercase().contains(word))
                    && author
                        .as_ref()
                        .is_none_or(|author| about.id.starts_with(&format!("{author}/")))
                    && filters
                        .iter()
                        .all(|tag| about.tags.iter().any(|have| have == tag))
            })
            .collect();
        match request.query_value("sort").as_deref() {
            Some("likes" | "trendingScore") => found.sort_by_key(|repo| Reverse(repo.about.likes)),
            Some("downloads") => found.sort_by_key(|repo| Reverse(repo.about.downloads)),
            Some("lastModified" | "createdAt") => {
                found.sort_by_key(|repo| Reverse(repo.about.last_modified.clone()));
            }
            _ => {}
        }
        let items = found
            .into_iter()
            .map(|repo| {
                let mut item = repo.summary();
                if full && let Some(main) = repo.revisions.first() {
                    item["sha"] = main.commit.as_str().into();
                    item["siblings"] = main.files.iter().map(|file| file.sibling(false)).collect();
                }
                item
            })
            .collect();
        self.page(request, items)
    }

    /// One page of a list, and the way to the next. Cursors hold characters that a query must encode.
    pub(super) fn page(&self, request: &Request, items: Vec<Value>) -> Response {
        let limit = request
            .query_value("limit")
            .and_then(|text| text.parse().ok())
            .unwrap_or(self.page_size)
            .max(1);
        let start: usize = match request.query_value("cursor") {
            None => 0,
            Some(cursor) => match cursor.strip_prefix("b+").and_then(|text| text.strip_suffix("==")) {
                Some(number) => number.parse().unwrap_or(usize::MAX),
                None => return Response::json(400, &serde_json::json!({ "error": "Invalid cursor" })),
            },
        };
        let total = items.len();
        let page: Vec<Value> = items.into_iter().skip(start).take(limit).collect();
        let next = start.saturating_add(limit);
        let response = Response::json(200, &Value::Array(page));
        if next >= total {
            return response;
        }
        let others: String = request
            .query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="))
            .map(|pair| format!("{pair}&"))
            .collect();
        let path = request.path.strip_prefix(&self.prefix).unwrap_or(&request.path);
        let cursor = encode_query(&format!("b+{next}=="));
        response.header(
            "Link",
            format!("<{}{path}?{others}cursor={cursor}>; rel=\"next\"", self.endpoint),
        )
    }
}
