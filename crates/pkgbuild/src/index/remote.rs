//! An index on a web server.

use rbee_artifacts::Sha256;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::document::{Document, ListedFile};
use super::{Files, MAX_FILE_BYTES};
use crate::PackageError;
use crate::fetch::{FetchError, FetchFile, FetchRequest};
use crate::package::PackageName;

pub(super) async fn document(url: &Url, files: &dyn FetchFile) -> Result<Document, PackageError> {
    let text = fetch(url, url, files).await?;
    Document::parse(&text).map_err(|problem| invalid(url, problem))
}

pub(super) async fn read(
    url: &Url,
    document: &Document,
    name: &PackageName,
    files: &dyn FetchFile,
) -> Result<Option<Files>, PackageError> {
    let Some(package) = document
        .packages
        .iter()
        .find(|package| package.name == name.as_str())
    else {
        return Ok(None);
    };
    let mut found = Files::new();
    for file in &package.files {
        let content = read_file(url, name, file, files).await?;
        found.push((file.path.as_str().to_owned(), content));
    }
    Ok(Some(found))
}

async fn read_file(
    index: &Url,
    name: &PackageName,
    file: &ListedFile,
    files: &dyn FetchFile,
) -> Result<Vec<u8>, PackageError> {
    let mut url = index.clone();
    // The folder of the package lies beside the index. Parts are encoded as they are put in.
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.pop().push(name.as_str()).push(file.path.as_str());
    }
    let content = fetch(index, &url, files).await?;
    if Sha256::digest(&content) != file.sha256 {
        return Err(invalid(
            index,
            format!(
                "{name}/{} is not the file that the index lists: its SHA-256 differs",
                file.path
            ),
        ));
    }
    Ok(content)
}

async fn fetch(index: &Url, url: &Url, files: &dyn FetchFile) -> Result<Vec<u8>, PackageError> {
    let unavailable = |problem: String| PackageError::IndexUnavailable {
        index: index.to_string(),
        problem,
    };
    let folder = tempfile::tempdir().map_err(|error| unavailable(error.to_string()))?;
    let to = folder.path().join("file");
    let request = FetchRequest {
        url,
        to: &to,
        max_bytes: MAX_FILE_BYTES,
        on_progress: &|_, _| {},
        // Its end is the drop of this future.
        cancel: &CancellationToken::new(),
    };
    match files.fetch(request).await {
        Ok(()) => {}
        Err(FetchError::Cancelled) => return Err(PackageError::Cancelled),
        Err(FetchError::Unavailable(problem)) => return Err(unavailable(problem)),
    }
    tokio::fs::read(&to)
        .await
        .map_err(|error| unavailable(error.to_string()))
}

fn invalid(index: &Url, problem: String) -> PackageError {
    PackageError::IndexInvalid {
        index: index.to_string(),
        problem,
    }
}
