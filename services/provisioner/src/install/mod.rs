//! Installing worker programs: their packages are built here, and imported like any other program.

mod config;
mod convert;
mod error;
mod fetch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rbee_artifacts::WorkerType;
use rbee_download::http::HttpSetupError;
use rbee_pkgbuild::{BuildEvent, Built, ListedPackage, OptionsError, PackageError, PackageName, Packages};
use rbee_service_kit::narrate;
use tokio_util::sync::CancellationToken;

pub use config::PackagesConfig;
pub(crate) use convert::package_to_wire;
pub(crate) use error::{package_fault, package_reason};

use crate::domain::job::JobPhase;
use crate::domain::progress::ProgressMeter;
use crate::jobs::Reporter;
use fetch::WebFiles;

/// Why packages can't be built with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum InstallSetupError {
    /// A setting can't be used.
    #[error("section [provisioner.packages]: {0}")]
    Setting(String),
    /// An address can't be used.
    #[error("section [provisioner.packages]")]
    Client(#[from] HttpSetupError),
}

impl From<OptionsError> for InstallSetupError {
    fn from(error: OptionsError) -> Self {
        Self::Setting(error.to_string())
    }
}

/// Builds packages. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Install {
    packages: Packages,
}

impl Install {
    /// Builds in `folder`, which no other program may use.
    pub(crate) fn new(config: &PackagesConfig, folder: PathBuf) -> Result<Self, InstallSetupError> {
        let options = config.options(folder).map_err(InstallSetupError::Setting)?;
        let files = Arc::new(WebFiles::new(&options)?);
        Ok(Self {
            packages: Packages::new(options, files)?,
        })
    }

    /// Ends and removes what an earlier life of this service left of its builds. To be called before the first.
    pub(crate) async fn sweep(&self) {
        self.packages.sweep().await;
    }

    /// What can be installed, by name.
    pub(crate) async fn list(&self) -> Result<Vec<ListedPackage>, PackageError> {
        self.packages.list().await
    }

    /// The package that is meant by a worker type, by a name, or by both; an empty name is none.
    pub(crate) async fn choose(
        &self,
        worker_type: Option<WorkerType>,
        package: &str,
    ) -> Result<(PackageName, WorkerType), PackageError> {
        let package = Some(package).filter(|package| !package.is_empty());
        self.packages.choose(worker_type, package).await
    }

    /// Builds a package. What it prints goes to those who follow the job, line by line.
    pub(crate) async fn run(
        &self,
        package: &str,
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> Result<Built, PackageError> {
        reporter.enter(JobPhase::FetchingSources);
        let package = &package.parse().map_err(|_| PackageError::NotFound {
            name: package.to_owned(),
        })?;
        let telling = Telling {
            package,
            reporter,
            state: Mutex::new(State {
                is_building: false,
                fetched: None,
            }),
        };
        let built = self
            .packages
            .build(package, &|event| telling.tell(event), cancel)
            .await?;
        narrate!("{package} {} was built", built.version);
        Ok(built)
    }
}

/// Tells the followers of a job what happens in its build.
struct Telling<'a> {
    package: &'a PackageName,
    reporter: &'a Reporter,
    state: Mutex<State>,
}

struct State {
    is_building: bool,
    fetched: Option<Fetched>,
}

/// The source that is being fetched.
struct Fetched {
    name: String,
    total_bytes: Option<u64>,
    meter: ProgressMeter,
}

impl Telling<'_> {
    fn tell(&self, event: BuildEvent) {
        match event {
            BuildEvent::Fetching {
                name,
                done_bytes,
                total_bytes,
            } => self.fetching(name, done_bytes, total_bytes),
            BuildEvent::Entered(step) => {
                if !std::mem::replace(&mut self.state.lock().is_building, true) {
                    self.reporter.file("");
                    self.reporter.enter(JobPhase::Building);
                }
                narrate!("{}: {step}", self.package);
                self.reporter.line(format!("==> {step}"));
            }
            BuildEvent::Line(line) => {
                tracing::debug!(package = %self.package, line);
                self.reporter.line(&line);
            }
            BuildEvent::Notice(notice) => {
                narrate!("{notice}");
                self.reporter.line(format!("==> {notice}"));
            }
        }
    }

    fn fetching(&self, name: String, done_bytes: u64, total_bytes: Option<u64>) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let is_new = state.fetched.as_ref().is_none_or(|fetched| fetched.name != name);
        if is_new {
            self.reporter.line(format!("==> fetching {name}"));
            self.reporter.file(name.clone());
        }
        // A server tells the size with its answer.
        if state
            .fetched
            .as_ref()
            .is_none_or(|fetched| is_new || fetched.total_bytes != total_bytes)
        {
            state.fetched = Some(Fetched {
                name,
                total_bytes,
                meter: ProgressMeter::new(total_bytes, now),
            });
        }
        let progress = state
            .fetched
            .as_mut()
            .and_then(|fetched| fetched.meter.advance(done_bytes, now));
        if let Some(progress) = progress.filter(|progress| progress.done_bytes > 0) {
            self.reporter.advance(progress);
        }
    }
}
