//! What a repository holds: the model's page in JSON, and its tree.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::repo::Gated;
use super::site::{HuggingFaceSite, Revision, ServedFile, ServedRepo};
use crate::hub::body::git_blob_sha1;
use crate::hub::request::Request;
use crate::hub::response::Response;

impl ServedFile {
    /// The SHA-256 that the hub tells.
    pub(super) fn sha256(&self) -> &str {
        self.claimed_sha256
            .as_deref()
            .unwrap_or_else(|| self.content.sha256())
    }

    /// The text that git keeps in place of a large file.
    fn pointer(&self) -> String {
        format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
            self.sha256(),
            self.size
        )
    }

    /// Git's name for what it keeps: the file, or the pointer to it.
    fn git_name(&self) -> String {
        match self.cdn_path {
            Some(_) => git_blob_sha1(self.pointer().as_bytes()),
            None => self.content.git_sha1().to_owned(),
        }
    }

    /// As a sibling in a model's page: the name, and with `blobs` what there is to know.
    pub(super) fn sibling(&self, blobs: bool) -> Value {
        let mut sibling = json!({ "rfilename": self.path });
        if blobs {
            sibling["size"] = self.size.into();
            sibling["blobId"] = self.git_name().into();
            if self.cdn_path.is_some() {
                sibling["lfs"] = json!({
                    "sha256": self.sha256(),
                    "size": self.size,
                    "pointerSize": self.pointer().len(),
                });
            }
        }
        sibling
    }

    /// As a leaf of a tree: here the hash is called `oid`.
    fn leaf(&self) -> Value {
        let mut leaf = json!({
            "type": "file",
            "oid": self.git_name(),
            "size": self.size,
            "path": self.path,
        });
        if self.cdn_path.is_some() {
            leaf["lfs"] = json!({
                "oid": self.sha256(),
                "size": self.size,
                "pointerSize": self.pointer().len(),
            });
        }
        leaf
    }
}

impl ServedRepo {
    /// What searches and listings say alike.
    pub(super) fn summary(&self) -> Value {
        let about = &self.about;
        let mut tags = about.tags.clone();
        tags.extend(about.license.as_ref().map(|license| format!("license:{license}")));
        let mut summary = json!({
            "_id": &git_blob_sha1(about.id.as_bytes())[..24],
            "id": about.id,
            "modelId": about.id,
            "private": about.private,
            "disabled": false,
            "gated": match about.gated {
                Gated::No => Value::Bool(false),
                Gated::Auto => "auto".into(),
                Gated::Manual => "manual".into(),
            },
            "downloads": about.downloads,
            "likes": about.likes,
            "tags": tags,
            "createdAt": about.last_modified,
            "lastModified": about.last_modified,
        });
        for (key, value) in &about.facts {
            summary[key.as_str()] = value.clone();
        }
        summary
    }

    /// The model's page at a revision.
    pub(super) fn listing(&self, revision: &Revision, request: &Request) -> Response {
        let blobs = request.query_value("blobs").is_some_and(|value| value != "false")
            && !self.about.lists_names_only;
        let mut page = self.summary();
        page["author"] = self
            .about
            .id
            .split_once('/')
            .map_or("", |(author, _)| author)
            .into();
        page["sha"] = revision.commit.as_str().into();
        if let Some(license) = &self.about.license {
            page["cardData"]["license"] = license.as_str().into();
        }
        page["siblings"] = revision.files.iter().map(|file| file.sibling(blobs)).collect();
        page["usedStorage"] = revision
            .files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.size))
            .into();
        Response::json(200, &page)
    }
}

impl HuggingFaceSite {
    /// A folder of a revision, or with `recursive` all below it.
    pub(super) fn tree(
        &self,
        request: &Request,
        repo: &ServedRepo,
        revision: &Revision,
        folder: &str,
    ) -> Result<Response, Box<Response>> {
        let recursive = request
            .query_value("recursive")
            .is_some_and(|value| value != "false");
        let below = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        // By path: folders among files, as git sorts them.
        let mut entries = BTreeMap::new();
        for file in &revision.files {
            let Some(rest) = file.path.strip_prefix(&below) else {
                continue;
            };
            let mut depth = 0;
            while let Some(slash) = rest[depth..].find('/') {
                let path = format!("{below}{}", &rest[..depth + slash]);
                let oid = git_blob_sha1(format!("{} {path}", repo.about.id).as_bytes());
                let node = json!({ "type": "directory", "oid": oid, "size": 0, "path": path });
                entries.insert(path, node);
                depth += slash + 1;
                if !recursive {
                    break;
                }
            }
            if recursive || depth == 0 {
                entries.insert(file.path.clone(), file.leaf());
            }
        }
        if entries.is_empty() && !folder.is_empty() {
            let words = json!({ "error": format!("{folder} does not exist on \"{}\"", revision.name) });
            return Err(Box::new(
                Response::json(404, &words).header("X-Error-Code", "EntryNotFound"),
            ));
        }
        Ok(self.page(request, entries.into_values().collect()))
    }
}
