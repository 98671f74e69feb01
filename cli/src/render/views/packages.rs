//! Packages of worker programs.

use rbee_proto::provisioner::v1 as provisioner;
use serde::Serialize;

use super::super::words;
use super::some;

/// A package that can be built.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerPackage<'a> {
    name: &'a str,
    worker_type: String,
    version: &'a str,
    description: &'a str,
    license: &'a str,
    architectures: &'a [String],
    supported: bool,
    preferred: bool,
    problem: Option<&'a str>,
    dependencies: Vec<Dependency<'a>>,
}

#[derive(Debug, Serialize)]
struct Dependency<'a> {
    name: &'a str,
    state: String,
    hint: Option<&'a str>,
}

impl<'a> From<&'a provisioner::WorkerPackage> for WorkerPackage<'a> {
    fn from(package: &'a provisioner::WorkerPackage) -> Self {
        Self {
            name: &package.name,
            worker_type: words::worker_type(package.worker_type),
            version: &package.version,
            description: &package.description,
            license: &package.license,
            architectures: &package.architectures,
            supported: package.supported,
            preferred: package.preferred,
            problem: some(&package.problem),
            dependencies: package
                .dependencies
                .iter()
                .map(|dependency| Dependency {
                    name: &dependency.name,
                    state: words::dependency_state(dependency.state),
                    hint: some(&dependency.hint),
                })
                .collect(),
        }
    }
}
