//! `rbee model search`.

use rbee_proto::provisioner::v1::SearchHit;

use super::Session;
use crate::args::SearchArgs;
use crate::connect::Cluster;
use crate::failure::{Doing, Failure};
use crate::output::note;
use crate::render::{hubs, human, views};

/// Hits that a hub gives at once.
const LARGEST_PAGE: u32 = 100;
/// Pages that are asked for at most: a hub may answer with page after page on which nothing fits.
const MOST_PAGES: usize = 20;

/// Shows what a hub has, page by page up to the limit.
pub(super) async fn run(arguments: &SearchArgs, session: &Session) -> Result<(), Failure> {
    let cluster = Cluster::connect(&session.options).await?;
    let mut hits: Vec<SearchHit> = Vec::new();
    let mut page_token = arguments.page_token.clone();
    let limit = arguments.limit as usize;
    for _ in 0..MOST_PAGES {
        let wanted = u32::try_from(limit - hits.len()).unwrap_or(LARGEST_PAGE);
        let request = arguments.request(wanted.min(LARGEST_PAGE), page_token);
        let answer = cluster.provisioner().search_models(request).await;
        let page = answer
            .doing(|| format!("can't search {}", arguments.hub.title()))?
            .into_inner();
        hits.extend(page.hits);
        page_token = page.next_page_token;
        if page_token.is_empty() || hits.len() >= limit {
            break;
        }
    }

    let output = session.output;
    if output.json {
        output.document(&views::Search::new(&hits, &page_token))?;
        return Ok(());
    }
    if hits.is_empty() {
        note(&format!("{} has nothing like this", arguments.hub.title()));
    } else {
        output.text(&hubs::hits(&hits, &human::now()).render(output.paint))?;
    }
    if !page_token.is_empty() {
        let token = human::shell_word(&page_token);
        note(&format!("more: the same again with --page-token {token}"));
    }
    Ok(())
}
