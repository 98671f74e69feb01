//! An index in a folder, and a build of its one package.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rbee_pkgbuild::{
    BuildEvent, Built, Confinement, ConfinementPolicy, FetchError, FetchFile, FetchRequest, IndexLocation,
    Options, PackageError, Packages,
};
use tokio_util::sync::CancellationToken;

/// The package that every test builds; its program is the CPU worker's.
pub(crate) const NAME: &str = "llm-worker-rbee-cpu-git";

/// What any PKGBUILD needs, up to `package()`.
pub(crate) const HEAD: &str = "pkgname=llm-worker-rbee-cpu-git\npkgver=1.0\npkgrel=2\narch=(any)\n";

/// A `package()` that makes a worker of four lines.
pub(crate) const PACKAGE: &str = r#"
package() {
    install -d "$pkgdir/usr/bin"
    printf '#!/bin/sh\necho llm-worker-rbee-cpu 1.0\n' > "$pkgdir/usr/bin/llm-worker-rbee-cpu"
    chmod 755 "$pkgdir/usr/bin/llm-worker-rbee-cpu"
}
"#;

/// Long enough for a loaded machine; nothing waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A web server that is a table.
#[derive(Debug, Default)]
pub(crate) struct Table(pub(crate) Mutex<HashMap<String, Vec<u8>>>);

impl FetchFile for Table {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> BoxFuture<'a, Result<(), FetchError>> {
        async move {
            let found = self.0.lock().unwrap().get(request.url.as_str()).cloned();
            let content = found.ok_or_else(|| FetchError::Unavailable("404 Not Found".into()))?;
            assert!(content.len() as u64 <= request.max_bytes);
            tokio::fs::write(request.to, &content).await.unwrap();
            (request.on_progress)(content.len() as u64, Some(content.len() as u64));
            Ok(())
        }
        .boxed()
    }
}

/// A place for one test.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) options: Options,
    pub(crate) web: Arc<Table>,
    pub(crate) cancel: CancellationToken,
    pub(crate) events: Mutex<Vec<BuildEvent>>,
}

impl Place {
    /// With this PKGBUILD.
    pub(crate) fn new(policy: ConfinementPolicy, pkgbuild: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("builds"));
        options.index = IndexLocation::Folder(folder.path().join("index"));
        options.confinement = policy;
        options.parallel_jobs = 2;
        let place = Self {
            folder,
            options,
            web: Arc::default(),
            cancel: CancellationToken::new(),
            events: Mutex::default(),
        };
        place.write("PKGBUILD", pkgbuild);
        place
    }

    /// Puts a file beside the PKGBUILD.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let folder = self.folder.path().join("index").join(NAME);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), content).unwrap();
    }

    pub(crate) fn packages(&self) -> Packages {
        Packages::new(self.options.clone(), self.web.clone()).unwrap()
    }

    pub(crate) async fn build(&self) -> Result<Built, PackageError> {
        let packages = self.packages();
        let name = NAME.parse().unwrap();
        let tell = |event| self.events.lock().unwrap().push(event);
        let building = packages.build(&name, &tell, &self.cancel);
        let result = tokio::time::timeout(PATIENCE, building)
            .await
            .expect("the build ends by itself");
        if result.is_err() {
            self.assert_nothing_is_left();
        }
        result
    }

    /// The error of a build that must fail.
    pub(crate) async fn failure(&self) -> PackageError {
        self.build().await.expect_err("the build must fail")
    }

    /// Builds, and gives the program's text.
    pub(crate) async fn program(&self) -> String {
        let built = self.build().await.unwrap();
        let text = fs::read_to_string(built.program()).unwrap();
        built.discard().await;
        self.assert_nothing_is_left();
        text
    }

    /// The lines that were shown.
    pub(crate) fn lines(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let lines = events.iter().filter_map(|event| match event {
            BuildEvent::Line(line) => Some(line.clone()),
            _ => None,
        });
        lines.collect()
    }

    pub(crate) fn assert_nothing_is_left(&self) {
        let left: Vec<PathBuf> = fs::read_dir(self.folder.path().join("builds"))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.is_empty(), "left: {left:?}");
        let running = processes_of(&self.folder.path().join("builds"));
        assert!(running.is_empty(), "still running: {running:?}");
    }
}

/// Processes that have this folder in their arguments or their environment.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.canonicalize().unwrap_or(folder.to_owned());
    let needle = needle.to_str().unwrap().as_bytes().to_vec();
    let contains = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let arguments = read("cmdline");
        if contains(&arguments) || contains(&read("environ")) {
            found.push(format!(
                "{}: {}",
                entry.path().display(),
                String::from_utf8_lossy(&arguments)
            ));
        }
    }
    found
}

/// The ways to build that work here: always unconfined; confined, where bubblewrap works.
pub(crate) async fn policies() -> Vec<ConfinementPolicy> {
    let place = Place::new(ConfinementPolicy::WhereAvailable, HEAD);
    match place.packages().confinement().await.unwrap() {
        Confinement::Bubblewrap { .. } => vec![ConfinementPolicy::Off, ConfinementPolicy::Required],
        Confinement::None { why } => {
            println!("only unconfined builds are tested: {why}");
            vec![ConfinementPolicy::Off]
        }
    }
}

pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn sha256(content: impl AsRef<[u8]>) -> String {
    rbee_artifacts::Sha256::digest(content.as_ref()).to_string()
}

/// A tar archive with one file.
pub(crate) fn tar_gz(path: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut header = tar::Header::new_ustar();
    // Not `set_path`, which refuses what an attacker writes.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}
