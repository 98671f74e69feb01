//! Files that packages name by their address, brought in by the download engine.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rbee_download::http::{Ask, HttpClient, HttpConfig, HttpSetupError};
use rbee_download::{
    AvailableBytes, Bandwidth, Download, DownloadConfig, DownloadError, Downloader, Expected,
};
use rbee_pkgbuild::{FetchError, FetchFile, FetchRequest, Options};
use rbee_service_kit::fault::Chain;

/// Fetches with a client of its own, that reaches private networks only where the operator named an address there.
#[derive(Debug)]
pub(super) struct WebFiles {
    client: HttpClient,
}

impl WebFiles {
    pub(super) fn new(options: &Options) -> Result<Self, HttpSetupError> {
        let is_web = |url: &url::Url| matches!(url.scheme(), "http" | "https");
        let client = HttpClient::new(HttpConfig {
            trusted: options.named_addresses().into_iter().filter(is_web).collect(),
            ..HttpConfig::default()
        })?;
        Ok(Self { client })
    }

    async fn fetch(&self, request: FetchRequest<'_>) -> Result<(), FetchError> {
        let unavailable = |error: &dyn std::fmt::Display| FetchError::Unavailable(error.to_string());
        let (Some(folder), Some(name)) = (request.to.parent(), request.to.file_name()) else {
            return Err(FetchError::Unavailable("it has no name".to_owned()));
        };
        let name = name.to_string_lossy().into_owned();
        let config = DownloadConfig {
            max_size_bytes: request.max_bytes,
            ..DownloadConfig::default()
        };
        let available = AvailableBytes::by(crate::disk::available_bytes);
        let downloader = Downloader::new(
            self.client.clone(),
            config,
            Arc::new(Bandwidth::new(None)),
            available,
        );
        let download = Download {
            folder: folder.to_owned(),
            key: request.url.to_string(),
            source: Arc::new(Ask::new(request.url.clone())),
            expected: Expected {
                // An archive is no page; what else it may be, only its checksum tells.
                text: ![".gz", ".tgz", ".zst", ".tar", ".zip", ".xz"]
                    .iter()
                    .any(|end| name.ends_with(end)),
                ..Expected::default()
            },
            name,
        };
        let on_progress = |progress: rbee_download::Progress| {
            (request.on_progress)(progress.bytes, progress.total_bytes);
        };
        let downloaded = match downloader.download(&download, request.cancel, &on_progress).await {
            Ok(downloaded) => downloaded,
            Err(DownloadError::Cancelled { .. }) => return Err(FetchError::Cancelled),
            Err(error) => return Err(unavailable(&Chain(&error))),
        };
        tokio::fs::rename(&downloaded.path, request.to)
            .await
            .map_err(|error| unavailable(&error))?;
        downloaded
            .finish()
            .await
            .map_err(|error| unavailable(&Chain(&error)))
    }
}

impl FetchFile for WebFiles {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> BoxFuture<'a, Result<(), FetchError>> {
        self.fetch(request).boxed()
    }
}
