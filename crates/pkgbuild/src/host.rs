//! Whether a package can be built on this host.

use rbee_artifacts::Platform;

use crate::PackageError;
use crate::package::{Dependency, DependencyState, Package};
use crate::run::Tools;

/// Refuses what can't be built here before anything is fetched.
pub(crate) fn check(package: &Package, tools: &Tools) -> Result<(), PackageError> {
    let host = Platform::current();
    if !package.suits(&host) {
        return Err(PackageError::ArchUnsupported {
            name: package.name.clone(),
            platforms: package.platforms(),
            host: host.to_string(),
        });
    }
    let missing: Vec<Dependency> = dependencies(package, tools)
        .into_iter()
        .filter(|dependency| dependency.state == DependencyState::Missing)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PackageError::DependencyMissing {
            name: package.name.clone(),
            missing,
        })
    }
}

/// What a package needs to run, to be built and to be tested, looked for among these tools.
pub(crate) fn dependencies(package: &Package, tools: &Tools) -> Vec<Dependency> {
    let lists = [&package.depends, &package.make_depends, &package.check_depends];
    let has_program = |name: &str| tools.program(name).is_some();
    let mut found: Vec<Dependency> = Vec::new();
    for written in lists.into_iter().flatten() {
        if found.iter().all(|dependency| dependency.name != *written) {
            found.push(Dependency::look_for(written, &has_program));
        }
    }
    found
}
