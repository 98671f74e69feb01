//! An S3 server that is not ours: the program `s3s-fs`, which keeps buckets in a folder.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rbee_store::{BlobCheck, Ingest, PutFileError, S3Options, Store, StoreOptions};
use tempfile::TempDir;

use crate::fixture::{Fixture, go_on};

const BUCKET: &str = "models";
const KEY: &str = "AKIATEST";
const SECRET: &str = "hunter2";
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    child: Child,
    endpoint: String,
    folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let program = std::env::var_os("RBEE_S3_SERVER")
            .expect("RBEE_S3_SERVER must name the program s3s-fs; `cargo xtask test --all` does that");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        // A port that was free a moment ago: the program cannot say which one it took.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--access-key", KEY, "--secret-key", SECRET])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(child.try_wait().unwrap().is_none(), "the S3 server ended at once");
            assert!(begun.elapsed() < DEADLINE, "the S3 server does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let endpoint = format!("http://127.0.0.1:{port}");
        Self {
            child,
            endpoint,
            folder,
        }
    }

    fn options(&self, secret: &str) -> StoreOptions {
        StoreOptions::default().with_s3(S3Options {
            endpoint: Some(self.endpoint.clone()),
            access_key_id: Some(KEY.to_owned()),
            secret_access_key: Some(secret.to_owned().into()),
            ..S3Options::default()
        })
    }

    /// Where the server keeps an object of the bucket.
    fn object(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    async fn store(&self) -> Store {
        self.options(SECRET)
            .open("s3://models/some/prefix")
            .await
            .unwrap()
    }

    pub(crate) async fn fixture(self) -> Fixture {
        let options = self.options(SECRET);
        let folder = tempfile::tempdir().unwrap();
        Fixture::open(folder, "s3://models/some/prefix", options, Some(Box::new(self))).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_bucket_are_told_at_once_and_without_the_secret() {
    let server = Server::start().await;
    for (options, location) in [
        (server.options("another-hunter2"), "s3://models"),
        (server.options(SECRET), "s3://nowhere"),
    ] {
        let error = options.open(location).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.contains(location), "{said}");
    }
}

#[tokio::test]
async fn everything_lies_below_the_prefix() {
    let server = Server::start().await;
    let store = server.store().await;
    store.put_document("models", "a", "1").await.unwrap();
    assert!(server.object("some/prefix/models/a/metadata.json").is_file());
}

#[tokio::test]
async fn nothing_is_used_in_place_or_linked_into_a_bucket() {
    let server = Server::start().await;
    let store = server.store().await;
    let source = tempfile::NamedTempFile::new().unwrap();
    let error = store
        .put_file(source.path(), Ingest::InPlace, None, go_on)
        .await
        .unwrap_err();
    assert!(matches!(error, PutFileError::NotInPlace { .. }), "{error:?}");
    assert!(error.to_string().contains("import a copy"), "{error}");
    let error = store
        .put_file(source.path(), Ingest::HardLink, None, go_on)
        .await
        .unwrap_err();
    assert!(matches!(error, PutFileError::HardLink { .. }), "{error:?}");
    let sha256 = rbee_artifacts::Sha256::digest(b"");
    assert_eq!(store.local_path(&sha256), None);
    assert_eq!(store.available_bytes().await.unwrap(), None);
}

#[tokio::test]
async fn what_the_server_damages_is_found() {
    let server = Server::start().await;
    let store = server.store().await;
    let source = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(source.path(), b"weights").unwrap();
    let sha256 = store
        .put_file(source.path(), Ingest::Copy, None, go_on)
        .await
        .unwrap()
        .sha256;
    let digest = sha256.to_string();
    let object = server.object(&format!("some/prefix/blobs/sha256/{}/{digest}", &digest[..2]));
    std::fs::write(&object, b"wEights").unwrap();
    let actual = rbee_artifacts::Sha256::digest(b"wEights");
    let check = store.verify_blob(&sha256, go_on).await.unwrap();
    assert_eq!(
        check,
        BlobCheck::Damaged {
            actual,
            size_bytes: 7
        }
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_told() {
    let mut server = Server::start().await;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    // Connections are refused at once, and tried again for some seconds.
    let error = server.options(SECRET).open("s3://models").await.unwrap_err();
    assert!(error.to_string().contains("opening s3://models"), "{error}");
}
