//! The packages, to be listed and built.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rbee_artifacts::{Platform, WorkerType};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::build::{self, BuildFolder, Shell, Steps};
use crate::built::Built;
use crate::error::PackageError;
use crate::fetch::{FetchFile, Fetcher};
use crate::host;
use crate::index::{Files, Index, Listed, worker_type_of};
use crate::options::Options;
use crate::package::{Dependency, DependencyState, Package, PackageName, Version};
use crate::run::{Confinement, ConfinementPolicy, Mark, Patience, Room, Tools, end_all};
use crate::step::BuildEvent;

/// Looking at one package takes a moment; more of them at once only take turns.
const EVALUATED_AT_ONCE: usize = 4;
const LISTING_PATIENCE: Duration = Duration::from_secs(60);

/// The packages of the index, built on this host. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Packages {
    options: Arc<Options>,
    files: Arc<dyn FetchFile>,
}

/// A package as it is listed.
#[derive(Debug, Clone)]
pub struct ListedPackage {
    /// Its name.
    pub name: PackageName,
    /// Which worker it gives.
    pub worker_type: WorkerType,
    /// Whether it is taken if none is named.
    pub preferred: bool,
    /// What its PKGBUILD says; what is wrong with it, if it is faulty.
    pub described: Result<Described, String>,
}

/// What a PKGBUILD says, and what this host makes of it.
#[derive(Debug, Clone)]
pub struct Described {
    /// What it says.
    pub package: Package,
    /// Whether it can be built here, as far as that can be told.
    pub supported: bool,
    /// What it needs to be built, to be tested and to run.
    pub dependencies: Vec<Dependency>,
}

/// Options that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(String);

impl Packages {
    /// The packages of the index that `options` names.
    ///
    /// # Errors
    /// If the options contradict themselves.
    pub fn new(options: Options, files: Arc<dyn FetchFile>) -> Result<Self, OptionsError> {
        match options.problem() {
            Some(problem) => Err(OptionsError(problem)),
            None => Ok(Self {
                options: Arc::new(options),
                files,
            }),
        }
    }

    /// Ends and removes what builds of an earlier life of this program left behind, when that was killed. To be called
    /// before the first build; the folder of the builds must not be shared with another program.
    pub async fn sweep(&self) {
        let folder = &self.options.folder;
        // Nobody builds below a folder that isn't there.
        if let Ok(folder) = tokio::fs::canonicalize(folder).await {
            end_all(&Mark::of_builds_below(&folder.join(""))).await;
            // An error says that the runtime ends.
            let _ = tokio::task::spawn_blocking(move || build::remove_left_behind(&folder)).await;
        }
    }

    /// How builds are run on this host.
    ///
    /// # Errors
    /// If there is no bash.
    pub async fn confinement(&self) -> Result<Confinement, PackageError> {
        Ok(self.shell().await?.confinement)
    }

    /// Looked for each time: what was missing may have been installed meanwhile.
    async fn shell(&self) -> Result<Shell, PackageError> {
        let tools = Tools::find(&self.options.tool_folders).await;
        let bash = tools
            .program("bash")
            .ok_or_else(|| PackageError::NoBash { path: tools.path() })?;
        let confinement = Confinement::probe(self.options.confinement, tools.program("bwrap")).await;
        Ok(Shell {
            bash,
            tools,
            confinement,
        })
    }

    /// The packages for workers, by name. Every PKGBUILD is evaluated.
    ///
    /// # Errors
    /// If the index can't be read, or there is no bash. What is wrong with a single package is told in its place.
    pub async fn list(&self) -> Result<Vec<ListedPackage>, PackageError> {
        let (index, shell) = (&self.index().await?, &self.shell().await?);
        let describe = |listed: Listed| async move {
            let described = match self.describe(index, shell, &listed.name).await {
                Ok(described) => Ok(described),
                Err(PackageError::Invalid { problem, .. }) => Err(problem),
                Err(error) => Err(error.to_string()),
            };
            ListedPackage {
                preferred: index.preferred(listed.worker_type) == Some(&listed),
                name: listed.name,
                worker_type: listed.worker_type,
                described,
            }
        };
        Ok(futures_util::stream::iter(index.listed().to_vec())
            .map(describe)
            .buffered(EVALUATED_AT_ONCE)
            .collect()
            .await)
    }

    async fn index(&self) -> Result<Index, PackageError> {
        Index::open(&self.options.index, &*self.files).await
    }

    async fn describe(
        &self,
        index: &Index,
        shell: &Shell,
        name: &PackageName,
    ) -> Result<Described, PackageError> {
        let files = index.read(name, &*self.files).await?;
        let folder = self.folder(name, files).await?;
        let patience = Patience {
            // A full disk is no reason not to say what there is.
            room: Room::new(folder.root(), 0),
            ..self.patience(LISTING_PATIENCE, &CancellationToken::new(), &folder)
        };
        let package = build::evaluate(shell, &folder, &self.options, name, &patience).await;
        folder.remove().await;
        let package = package?;
        let dependencies = host::dependencies(&package, &shell.tools);
        let is_complete = dependencies
            .iter()
            .all(|dependency| dependency.state != DependencyState::Missing);
        Ok(Described {
            supported: is_complete && package.suits(&Platform::current()),
            dependencies,
            package,
        })
    }

    /// The package for a worker: the one of this name, or the preferred one.
    ///
    /// # Errors
    /// If there is none, or it is another worker's.
    pub async fn choose(
        &self,
        worker_type: Option<WorkerType>,
        name: Option<&str>,
    ) -> Result<(PackageName, WorkerType), PackageError> {
        let index = self.index().await?;
        let not_found = || PackageError::NotFound {
            name: name.unwrap_or_default().chars().take(128).collect(),
        };
        let chosen = match (name, worker_type) {
            (Some(name), _) => index.find(name).ok_or_else(not_found)?,
            (None, Some(worker_type)) => index
                .preferred(worker_type)
                .ok_or(PackageError::NoneFor { worker_type })?,
            (None, None) => return Err(PackageError::NothingNamed),
        };
        match worker_type {
            Some(worker_type) if worker_type != chosen.worker_type => Err(PackageError::OtherWorker {
                name: chosen.name.clone(),
                gives: chosen.worker_type,
                worker_type,
            }),
            _ => Ok((chosen.name.clone(), chosen.worker_type)),
        }
    }

    /// Builds a package, as makepkg does: checks what it needs, fetches and checks its sources, runs its functions.
    /// `tell` is called from this task, for every line that the build prints among others, and must not block.
    ///
    /// # Errors
    /// If it can't be built or was cancelled; nothing of it is left then, neither files nor programs.
    pub async fn build(
        &self,
        name: &PackageName,
        tell: &(dyn Fn(BuildEvent) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<Built, PackageError> {
        let not_found = || PackageError::NotFound {
            name: name.to_string(),
        };
        let worker_type = worker_type_of(name).ok_or_else(not_found)?;
        let shell = self.shell().await?;
        if let (ConfinementPolicy::Required, Confinement::None { why }) =
            (self.options.confinement, &shell.confinement)
        {
            return Err(PackageError::NotConfined { why: why.clone() });
        }
        let files = tokio::select! {
            files = self.read(name) => files?,
            () = cancel.cancelled() => return Err(PackageError::Cancelled),
        };
        let folder = self.folder(name, files).await?;
        match self.build_in(&folder, name, &shell, tell, cancel).await {
            Ok((version, program)) => Ok(Built {
                name: name.clone(),
                version,
                worker_type,
                confinement: shell.confinement,
                program: folder.package().join(program),
                folder,
            }),
            Err(error) => {
                folder.remove().await;
                Err(error)
            }
        }
    }

    async fn read(&self, name: &PackageName) -> Result<Files, PackageError> {
        self.index().await?.read(name, &*self.files).await
    }

    async fn build_in(
        &self,
        folder: &BuildFolder,
        name: &PackageName,
        shell: &Shell,
        tell: &(dyn Fn(BuildEvent) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<(Version, PathBuf), PackageError> {
        let options = &*self.options;
        let patience = |most| self.patience(most, cancel, folder);
        if let Confinement::None { why } = &shell.confinement {
            tell(BuildEvent::Notice(format!(
                "{name} is built with the rights of this service, since {why}"
            )));
        }
        let package = build::evaluate(shell, folder, options, name, &patience(options.build_timeout)).await?;
        host::check(&package, &shell.tools)?;
        let fetcher = Fetcher {
            options,
            tools: &shell.tools,
            files: &*self.files,
            patience: &patience(options.fetch_timeout),
            tell,
        };
        fetcher.fetch_all(&package, folder).await?;
        let steps = Steps {
            shell,
            folder,
            options,
            package: &package,
            patience: &patience(options.build_timeout),
            tell,
        };
        let version = steps.run_all().await?;
        let program = worker_type_of(name).map_or("", WorkerType::binary_name);
        match build::find_program(&folder.package(), program) {
            Ok(path) => Ok((version, path)),
            Err(problem) => Err(PackageError::NoProgram {
                name: name.clone(),
                problem,
            }),
        }
    }

    fn patience(&self, most: Duration, cancel: &CancellationToken, folder: &BuildFolder) -> Patience {
        Patience {
            until: Instant::now() + most,
            cancel: cancel.clone(),
            room: Room::new(folder.root(), self.options.limits.least_free_bytes),
        }
    }

    async fn folder(&self, name: &PackageName, files: Files) -> Result<BuildFolder, PackageError> {
        let (parent, cache) = (self.options.folder.clone(), self.options.cache.clone());
        let name = name.clone();
        let made = tokio::task::spawn_blocking(move || {
            if let Some(cache) = cache {
                std::fs::create_dir_all(&cache)
                    .map_err(PackageError::io("cannot make the folder", &cache))?;
            }
            BuildFolder::new(&parent, &name, &files)
        });
        match made.await {
            Ok(made) => made,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only the end of the runtime cancels it.
                Err(_) => Err(PackageError::Cancelled),
            },
        }
    }
}
