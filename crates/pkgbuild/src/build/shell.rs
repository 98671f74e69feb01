//! The bash that evaluates PKGBUILDs, and the environment that it gets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::process::Command;

use super::folder::BuildFolder;
use crate::options::Options;
use crate::package::architecture;
use crate::run::{Access, Confinement, MARK_VARIABLE, Mark, Tools};

const LIMITS: &str = include_str!("limits.bash");

/// Who runs bash: with which tools, confined or not.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    pub(crate) bash: PathBuf,
    pub(crate) tools: Tools,
    pub(crate) confinement: Confinement,
}

/// What a script may touch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct May {
    pub(crate) write_sources: bool,
    pub(crate) write_package: bool,
    pub(crate) use_network: bool,
}

impl Shell {
    /// A command that runs `script` with these arguments in the folder of the PKGBUILD.
    pub(crate) fn command(
        &self,
        folder: &BuildFolder,
        options: &Options,
        script: &str,
        arguments: &[&str],
        may: May,
    ) -> Command {
        let mut writable = vec![folder.home(), folder.temporary()];
        if may.write_sources {
            writable.push(folder.sources());
        }
        if may.write_package {
            writable.push(folder.package());
        }
        writable.extend(options.cache.clone());
        let mut read_only = self.tools.readable().to_vec();
        // Its parts that may be written to come on top.
        read_only.push(folder.start());
        let access = Access {
            read_only,
            writable,
            temporary: folder.temporary(),
            network: may.use_network,
            environment: self.environment(folder, options),
            folder: folder.start(),
        };
        let limits = options.limits;
        let mut command = self.confinement.command(&self.bash, &access);
        command
            .args(["--noprofile", "--norc", "-e", "-c"])
            .arg(format!("{LIMITS}{script}"))
            .arg("PKGBUILD")
            .arg(limits.processes.to_string())
            .arg(limits.open_files.to_string())
            .arg((limits.file_bytes >> 10).to_string())
            .args(arguments);
        command
    }

    /// With what programs are found that leave their process group; not needed when confined.
    pub(crate) fn mark(&self, folder: &BuildFolder) -> Option<Mark> {
        (!self.confinement.is_confined()).then(|| Mark::of_build(folder.root()))
    }

    /// All that a PKGBUILD sees of the world: nothing of this program's own environment.
    fn environment(&self, folder: &BuildFolder, options: &Options) -> BTreeMap<String, String> {
        let platform = rbee_artifacts::Platform::current();
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut environment: BTreeMap<String, String> = [
            ("PATH", self.tools.path()),
            ("HOME", text(folder.home())),
            ("TMPDIR", text(folder.temporary())),
            ("LANG", "C.UTF-8".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("TERM", "dumb".to_owned()),
            ("startdir", text(folder.start())),
            ("srcdir", text(folder.sources())),
            ("pkgdir", text(folder.package())),
            ("CARCH", architecture(&platform).to_owned()),
            ("MAKEFLAGS", format!("-j{}", options.parallel_jobs.max(1))),
            ("CARGO_BUILD_JOBS", options.parallel_jobs.max(1).to_string()),
            ("SOURCE_DATE_EPOCH", folder.made_at().to_string()),
            (MARK_VARIABLE, text(folder.root().to_owned())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(cache) = &options.cache {
            let cache = |part: &str| text(cache.join(part));
            environment.insert("CARGO_HOME".to_owned(), cache("cargo"));
            environment.insert("CARGO_TARGET_DIR".to_owned(), cache("target"));
        }
        environment.extend(options.variables.clone());
        environment
    }
}
