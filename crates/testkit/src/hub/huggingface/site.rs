//! The API server: who asks, for which repository, and which page of this crate answers.

use std::collections::HashMap;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::HuggingFaceConfig;
use super::repo::{Gated, Repo, RepoFile, Token};
use crate::hub::body::{Content, git_blob_sha1};
use crate::hub::cdn::{Cdn, Manners, Object, etag_seed};
use crate::hub::hosts::Bases;
use crate::hub::request::{Request, segments};
use crate::hub::response::Response;
use crate::hub::server::Site;
use crate::hub::signing::Signer;

/// What stays as it is in a path: the unreserved characters and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// `text` for use in a path, slashes kept.
pub(super) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// `text` for use in a query.
pub(super) fn encode_query(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[derive(Debug)]
pub(super) struct HuggingFaceSite {
    /// Base address with the prefix, for links.
    pub(super) endpoint: String,
    pub(super) prefix: String,
    pub(super) cdn: String,
    pub(super) signer: Arc<Signer>,
    pub(super) repos: Vec<ServedRepo>,
    pub(super) tokens: Vec<Token>,
    pub(super) page_size: usize,
}

/// A repository with its contents ready.
#[derive(Debug)]
pub(super) struct ServedRepo {
    pub(super) about: Repo,
    pub(super) revisions: Vec<Revision>,
}

#[derive(Debug)]
pub(super) struct Revision {
    pub(super) name: String,
    /// 40 hexadecimal digits.
    pub(super) commit: String,
    pub(super) files: Vec<ServedFile>,
}

#[derive(Debug)]
pub(super) struct ServedFile {
    pub(super) path: String,
    pub(super) content: Arc<Content>,
    /// The size that is told.
    pub(super) size: u64,
    /// The SHA-256 that is told, where it is not the content's.
    pub(super) claimed_sha256: Option<String>,
    /// Path at the CDN, for a large file.
    pub(super) cdn_path: Option<String>,
}

impl HuggingFaceSite {
    pub(super) fn build(config: HuggingFaceConfig, bases: Bases, signer: Arc<Signer>) -> (Self, Cdn) {
        let mut objects = HashMap::new();
        let repos = config
            .repos
            .into_iter()
            .map(|mut about| {
                let revisions = std::mem::take(&mut about.revisions)
                    .into_iter()
                    .map(|(name, files)| serve_revision(&about.id, name, files, &mut objects))
                    .collect();
                ServedRepo { about, revisions }
            })
            .collect();
        let site = Self {
            endpoint: format!("{}{}", bases.api, config.path_prefix),
            prefix: config.path_prefix,
            cdn: bases.cdn,
            signer: Arc::clone(&signer),
            repos,
            tokens: config.tokens,
            page_size: config.page_size,
        };
        let manners = Manners {
            refuses_authorization: false,
            refuses_head: false,
        };
        let cdn = Cdn {
            objects,
            signer,
            manners,
        };
        (site, cdn)
    }

    /// The token that came, if one did; a token that nobody issued is refused.
    fn caller(&self, request: &Request) -> Result<Option<&Token>, Box<Response>> {
        let Some(secret) = request.bearer() else {
            return Ok(None);
        };
        match self.tokens.iter().find(|token| token.secret == secret) {
            Some(token) => Ok(Some(token)),
            None => Err(Box::new(refusal(
                401,
                None,
                "Invalid credentials in Authorization header",
            ))),
        }
    }

    /// The repository of that name as this caller may know it; its missing and its hidden ones look alike.
    fn repo(&self, id: &str, caller: Option<&Token>) -> Result<&ServedRepo, Box<Response>> {
        self.repos
            .iter()
            .find(|repo| repo.about.id == id && repo.visible_to(caller))
            .ok_or_else(|| {
                Box::new(match caller {
                    None => refusal(401, None, "Invalid username or password."),
                    Some(_) => refusal(404, Some("RepoNotFound"), "Repository not found"),
                })
            })
    }

    /// Where a renamed repository's address leads now.
    fn renamed(&self, id: &str, request: &Request) -> Option<Response> {
        let repo = self
            .repos
            .iter()
            .find(|repo| repo.about.previous_ids.iter().any(|previous| previous == id))?;
        let target = request.target().replacen(id, &repo.about.id, 1);
        Some(Response::redirect(307, &target))
    }

    fn route(&self, request: &Request) -> Result<Response, Box<Response>> {
        let path = segments(&request.path, &self.prefix).ok_or_else(|| Box::new(self.failure(404)))?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let caller = self.caller(request)?;
        if path == ["api", "models"] {
            return Ok(self.search(request, caller));
        }
        if path == ["api", "whoami-v2"] {
            return match caller {
                Some(token) => Ok(Response::json(
                    200,
                    &json!({ "type": "user", "name": token.owner }),
                )),
                None => Err(Box::new(refusal(401, None, "Invalid username or password."))),
            };
        }
        let (cached, rest) = match path.as_slice() {
            ["api", "resolve-cache", "models", rest @ ..] => (true, rest),
            ["api", "models", rest @ ..] => return self.route_api(request, rest, caller),
            rest => (false, rest),
        };
        // `{repo}/resolve/{revision}/{path}`, and behind the cache `{repo}/{commit}/{path}`.
        let id_len = match cached {
            true => self.id_len(rest, 2),
            false => rest.iter().take(3).position(|segment| *segment == "resolve"),
        };
        let id_len = id_len
            .filter(|len| *len > 0)
            .ok_or_else(|| Box::new(self.failure(404)))?;
        let id = rest[..id_len].join("/");
        if let Some(redirect) = self.renamed(&id, request) {
            return Ok(redirect);
        }
        let repo = self.repo(&id, caller)?;
        let after = &rest[id_len + usize::from(!cached)..];
        let (name, file) = after.split_first().ok_or_else(|| Box::new(self.failure(404)))?;
        let revision = repo.revision(name)?;
        repo.opened_by(caller, &self.endpoint)?;
        let path = file.join("/");
        let file = revision
            .files
            .iter()
            .find(|file| file.path == path)
            .ok_or_else(|| Box::new(refusal(404, Some("EntryNotFound"), "Entry not found")))?;
        Ok(match cached {
            true => self.small_file(request, revision, file),
            false => self.resolve(request, repo, revision, file),
        })
    }

    fn route_api(
        &self,
        request: &Request,
        path: &[&str],
        caller: Option<&Token>,
    ) -> Result<Response, Box<Response>> {
        let id_len = self.id_len(path, path.len()).unwrap_or(path.len().min(2));
        let id = path[..id_len].join("/");
        if let Some(redirect) = self.renamed(&id, request) {
            return Ok(redirect);
        }
        let repo = self.repo(&id, caller)?;
        match &path[id_len..] {
            [] => Ok(repo.listing(repo.revision("main")?, request)),
            ["revision", name] => Ok(repo.listing(repo.revision(name)?, request)),
            ["tree", name, folder @ ..] => self.tree(request, repo, repo.revision(name)?, &folder.join("/")),
            _ => Err(Box::new(self.failure(404))),
        }
    }

    /// How many of the first segments name a repository, now or formerly: one or two.
    fn id_len(&self, path: &[&str], most: usize) -> Option<usize> {
        (1..=most.min(2).min(path.len())).find(|len| {
            let id = path[..*len].join("/");
            self.repos
                .iter()
                .any(|repo| repo.about.id == id || repo.about.previous_ids.contains(&id))
        })
    }
}

impl ServedRepo {
    pub(super) fn visible_to(&self, caller: Option<&Token>) -> bool {
        !self.about.private || caller.is_some_and(|token| token.opens.contains(&self.about.id))
    }

    fn revision(&self, name: &str) -> Result<&Revision, Box<Response>> {
        self.revisions
            .iter()
            .find(|revision| revision.name == name || revision.commit == name)
            .ok_or_else(|| {
                Box::new(refusal(
                    404,
                    Some("RevisionNotFound"),
                    &format!("Invalid rev id: {name}"),
                ))
            })
    }

    /// Whether the files may be taken; the listing may be read all the same.
    fn opened_by(&self, caller: Option<&Token>, endpoint: &str) -> Result<(), Box<Response>> {
        let id = &self.about.id;
        let (status, words) = match caller {
            _ if self.about.gated == Gated::No => return Ok(()),
            Some(token) if token.opens.contains(id) => return Ok(()),
            Some(_) => (
                403,
                format!("you are not in the authorized list. Visit {endpoint}/{id} to ask for access."),
            ),
            None => (
                401,
                "You must have access to it and be authenticated to access it. Please log in.".to_owned(),
            ),
        };
        let words = format!("Access to model {id} is restricted: {words}");
        Err(Box::new(refusal(status, Some("GatedRepo"), &words)))
    }
}

impl Site for HuggingFaceSite {
    fn answer(&self, request: &Request) -> Response {
        self.route(request).unwrap_or_else(|refusal| *refusal)
    }

    fn failure(&self, status: u16) -> Response {
        let words = match status {
            401 => "Invalid username or password.",
            403 => "Forbidden",
            404 => "Sorry, we can't find the page you are looking for.",
            410 => "Gone",
            429 => "We had to rate limit you. Please wait a moment.",
            _ => "Internal Error - We're working hard to fix this as soon as possible!",
        };
        refusal(status, None, words)
    }
}

/// A refusal as clients tell it: by the status and by `X-Error-Code`, where there is one.
fn refusal(status: u16, code: Option<&str>, words: &str) -> Response {
    let mut response = Response::json(status, &json!({ "error": words })).header("X-Error-Message", words);
    if let Some(code) = code {
        response = response.header("X-Error-Code", code);
    }
    match status {
        401 => response.header(
            "WWW-Authenticate",
            "Bearer realm=\"Authentication required\", charset=\"UTF-8\"",
        ),
        _ => response,
    }
}

fn serve_revision(
    id: &str,
    name: String,
    files: Vec<RepoFile>,
    objects: &mut HashMap<String, Object>,
) -> Revision {
    let mut tree = format!("tree of {id} at {name}\n");
    let files = files
        .into_iter()
        .map(|file| {
            let path = file.path;
            let content = Arc::new(Content::new(file.body));
            let cdn_path = file.lfs.then(|| {
                let etag = etag_seed(&content);
                let folder = git_blob_sha1(format!("{id} {name} {path}").as_bytes());
                let cdn_path = format!("/xet-bridge-us/{}/{etag}", &folder[..24]);
                let base_name = path.rsplit('/').next().unwrap_or(&path);
                let disposition = format!("inline; filename*=UTF-8''{}", encode_query(base_name));
                objects.insert(
                    cdn_path.clone(),
                    Object {
                        content: Arc::clone(&content),
                        etag: format!("\"{etag}\""),
                        disposition,
                    },
                );
                cdn_path
            });
            tree.push_str(&format!("{path} {}\n", content.len()));
            ServedFile {
                path,
                size: file.claimed_size.unwrap_or(content.len()),
                claimed_sha256: file.claimed_sha256,
                content,
                cdn_path,
            }
        })
        .collect();
    Revision {
        commit: git_blob_sha1(tree.as_bytes()),
        name,
        files,
    }
}
