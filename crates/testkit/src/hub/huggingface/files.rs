//! `resolve`: the redirects to a file, and the small file behind its own.

use super::site::{HuggingFaceSite, Revision, ServedFile, ServedRepo, encode_path, encode_query};
use crate::hub::cdn::etag_seed;
use crate::hub::request::Request;
use crate::hub::response::Response;

impl HuggingFaceSite {
    /// 302 to the CDN for a large file, a relative 307 for a small one; both say what will come.
    pub(super) fn resolve(
        &self,
        request: &Request,
        repo: &ServedRepo,
        revision: &Revision,
        file: &ServedFile,
    ) -> Response {
        let commit = &revision.commit;
        let response = match &file.cdn_path {
            Some(path) => {
                let location = format!("{}{path}?{}", self.cdn, self.signer.sign(path));
                Response::redirect(302, &location)
                    .header("X-Linked-Etag", format!("\"{}\"", file.sha256()))
                    .header("X-Xet-Hash", etag_seed(&file.content))
            }
            None => {
                let etag = format!("\"{}\"", file.content.git_sha1());
                let location = format!(
                    "{}/api/resolve-cache/models/{}/{commit}/{}?{}=&etag={}",
                    self.prefix,
                    repo.about.id,
                    encode_path(&file.path),
                    encode_query(&request.path),
                    encode_query(&etag),
                );
                Response::redirect(307, &location).header("X-Linked-Etag", etag)
            }
        };
        response
            .header("X-Repo-Commit", commit)
            .header("X-Linked-Size", file.size)
            .header("Accept-Ranges", "bytes")
            .header("Vary", "Origin, Accept")
    }

    /// The file itself. Compressed for whoever accepts it, and then without length and without ranges.
    pub(super) fn small_file(&self, request: &Request, revision: &Revision, file: &ServedFile) -> Response {
        let etag = format!("\"{}\"", file.content.git_sha1());
        let response = if request.accepts_gzip() {
            let mut whole = request.clone();
            whole.drop_header("range");
            Response::file(&whole, &file.content, &etag)
                .gzipped()
                .header("ETag", format!("W/{etag}"))
        } else {
            Response::file(request, &file.content, &etag)
        };
        response
            .header("Content-Type", "text/plain; charset=utf-8")
            .header("X-Repo-Commit", &revision.commit)
    }
}
