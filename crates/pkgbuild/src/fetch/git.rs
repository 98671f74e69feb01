//! Repositories, by the `git` program, with everything switched off that a repository or this user's settings
//! could make it do.

use std::path::Path;

use tokio::process::Command;
use url::Url;

use crate::build::BuildFolder;
use crate::package::GitReference;
use crate::run::{Access, Confinement, Ended, Mark, Output, Patience, StandardOutput, Tools, run};

/// Why a repository was not fetched.
#[derive(Debug)]
pub(super) enum GitError {
    Failed(String),
    TimedOut,
    DiskFull,
    Cancelled,
}

/// A repository that is to become a folder with the files of one commit, and with its history, which `pkgver()`
/// counts.
pub(super) struct Clone<'a> {
    pub(super) git: &'a Path,
    pub(super) tools: &'a Tools,
    pub(super) url: &'a Url,
    pub(super) reference: &'a GitReference,
    pub(super) folder: &'a BuildFolder,
    pub(super) into: &'a Path,
}

impl Clone<'_> {
    pub(super) async fn run(&self, patience: &Patience) -> Result<(), GitError> {
        let settings = self.folder.home().join("gitconfig");
        std::fs::write(&settings, settings_for(self.url))
            .map_err(|error| GitError::Failed(format!("git's settings can't be written: {error}")))?;
        // An empty template: no hooks.
        self.git(&settings, &["init", "--quiet", "--template="], patience)
            .await?;
        let url = self.url.as_str();
        // Exactly what is needed; tags that point into it come along.
        let (wanted, commit) = match self.reference {
            GitReference::Head => (
                vec!["+HEAD:refs/remotes/origin/HEAD".to_owned()],
                "refs/remotes/origin/HEAD".to_owned(),
            ),
            GitReference::Branch(name) => (
                vec![format!("+refs/heads/{name}:refs/remotes/origin/{name}")],
                format!("refs/remotes/origin/{name}"),
            ),
            GitReference::Tag(name) => (
                vec![format!("+refs/tags/{name}:refs/tags/{name}")],
                format!("refs/tags/{name}"),
            ),
            GitReference::Commit(name) => (
                [
                    "HEAD:refs/remotes/origin/HEAD",
                    "refs/heads/*:refs/remotes/origin/*",
                    "refs/tags/*:refs/tags/*",
                ]
                .map(|wanted| format!("+{wanted}"))
                .into(),
                name.clone(),
            ),
        };
        let mut arguments = vec![
            "fetch",
            "--quiet",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            url,
        ];
        arguments.extend(wanted.iter().map(String::as_str));
        self.git(&settings, &arguments, patience).await?;
        let commit = format!("{commit}^{{commit}}");
        let checkout = ["checkout", "--quiet", "--detach", &commit];
        self.git(&settings, &checkout, patience)
            .await
            .map_err(|error| match error {
                GitError::Failed(problem) => {
                    GitError::Failed(format!("{} has no {}: {problem}", self.url, self.reference))
                }
                other => other,
            })
    }

    async fn git(&self, settings: &Path, arguments: &[&str], patience: &Patience) -> Result<(), GitError> {
        std::fs::create_dir_all(self.into)
            .map_err(|error| GitError::Failed(format!("its folder can't be made: {error}")))?;
        let mut said = Output::default();
        let ended = run(
            self.command(settings, arguments),
            Some(&Mark::of_build(self.folder.root())),
            StandardOutput::Shown,
            patience,
            &mut |line| {
                said.take(&line);
            },
        )
        .await;
        match ended {
            Ok((Ended::Exited(status), _)) if status.success() => Ok(()),
            Ok((Ended::Exited(status), _)) => {
                let said = said.into_tail();
                let last: Vec<String> = said.into_iter().rev().take(3).collect();
                let last: Vec<&str> = last.iter().rev().map(String::as_str).collect();
                Err(GitError::Failed(format!(
                    "git {} ended with {status}: {}",
                    arguments[0],
                    last.join("; ")
                )))
            }
            Ok((Ended::DiskFull, _)) => Err(GitError::DiskFull),
            Ok((Ended::TimedOut, _)) => Err(GitError::TimedOut),
            Ok((Ended::Cancelled, _)) => Err(GitError::Cancelled),
            Err(error) => Err(GitError::Failed(format!("git can't be started: {error}"))),
        }
    }

    /// Not confined: git itself is the system's, and it needs the network and, for a local repository, a folder
    /// that a build does not see.
    fn command(&self, settings: &Path, arguments: &[&str]) -> Command {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let environment = [
            ("PATH", self.tools.path()),
            ("HOME", text(&self.folder.home())),
            ("TMPDIR", text(&self.folder.temporary())),
            ("LC_ALL", "C.UTF-8".to_owned()),
            // Neither the system's settings nor the user's.
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            ("GIT_CONFIG_GLOBAL", text(settings)),
            ("GIT_ATTR_NOSYSTEM", "1".to_owned()),
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
            ("GIT_ASKPASS", "false".to_owned()),
            ("GIT_ALLOW_PROTOCOL", self.url.scheme().to_owned()),
            // The folder itself and no repository around it.
            ("GIT_DIR", text(&self.into.join(".git"))),
            ("GIT_WORK_TREE", text(self.into)),
            (crate::run::MARK_VARIABLE, text(self.folder.root())),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let access = Access {
            environment: environment.into(),
            folder: self.into.to_owned(),
            ..Access::default()
        };
        let unconfined = Confinement::None { why: String::new() };
        let mut command = unconfined.command(self.git, &access);
        command.args(arguments);
        command
    }
}

/// The settings that git and its helpers see. They are a file, not arguments, because git does not hand arguments on to
/// the program that serves a local repository.
fn settings_for(url: &Url) -> String {
    let mut settings = format!(
        "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\taskPass = false\n\
         [protocol]\n\tallow = never\n[protocol \"{}\"]\n\tallow = always\n\
         [submodule]\n\trecurse = false\n[credential]\n\thelper =\n[gc]\n\tauto = 0\n\
         [maintenance]\n\tauto = false\n[advice]\n\tdetachedHead = false\n\
         [transfer]\n\tfsckObjects = true\n[http]\n\tfollowRedirects = initial\n\
         \tlowSpeedLimit = 1000\n\tlowSpeedTime = 60\n",
        url.scheme()
    );
    if url.scheme() == "file"
        && let Ok(path) = url.to_file_path()
    {
        // The operator named it; that another user owns it, as in a container, is no objection.
        for path in [path.clone(), path.join(".git")] {
            let path = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
            settings += &format!("[safe]\n\tdirectory = \"{path}\"\n");
        }
    }
    settings
}
