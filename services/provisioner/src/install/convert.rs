//! Packages as the contract has them.

use rbee_pkgbuild::package::DependencyState;
use rbee_pkgbuild::{Described, ListedPackage};
use rbee_proto::provisioner::v1 as wire;
use rbee_wire::worker_type_to_wire;

/// Writes a package.
pub(crate) fn package_to_wire(listed: &ListedPackage) -> wire::WorkerPackage {
    let package = wire::WorkerPackage {
        name: listed.name.to_string(),
        worker_type: worker_type_to_wire(listed.worker_type).into(),
        preferred: listed.preferred,
        ..wire::WorkerPackage::default()
    };
    match &listed.described {
        Err(problem) => wire::WorkerPackage {
            problem: problem.clone(),
            ..package
        },
        Ok(Described {
            package: described,
            supported,
            dependencies,
        }) => wire::WorkerPackage {
            version: described.version.to_string(),
            description: described.description.clone(),
            license: described.licenses.join(", "),
            architectures: described.architectures.clone(),
            supported: *supported,
            dependencies: dependencies
                .iter()
                .map(|dependency| wire::Dependency {
                    name: dependency.name.clone(),
                    state: state_to_wire(dependency.state).into(),
                    hint: dependency.hint.clone(),
                })
                .collect(),
            ..package
        },
    }
}

fn state_to_wire(state: DependencyState) -> wire::DependencyState {
    match state {
        DependencyState::Present => wire::DependencyState::Present,
        DependencyState::Missing => wire::DependencyState::Missing,
        DependencyState::NotChecked => wire::DependencyState::NotChecked,
    }
}
