//! The packages within this program: `deploy/pkgbuilds/` as it was when it was built.

use super::{Files, PKGBUILD};
use crate::package::PackageName;

macro_rules! packages {
    ($($name:literal,)+) => {
        [$(($name, include_str!(concat!("../../../../deploy/pkgbuilds/", $name, "/PKGBUILD"))),)+]
    };
}

const PACKAGES: [(&str, &str); 12] = packages![
    "llm-worker-rbee-cpu-bin",
    "llm-worker-rbee-cpu-git",
    "llm-worker-rbee-cuda-bin",
    "llm-worker-rbee-cuda-git",
    "llm-worker-rbee-metal-bin",
    "llm-worker-rbee-metal-git",
    "sd-worker-rbee-cpu-bin",
    "sd-worker-rbee-cpu-git",
    "sd-worker-rbee-cuda-bin",
    "sd-worker-rbee-cuda-git",
    "sd-worker-rbee-metal-bin",
    "sd-worker-rbee-metal-git",
];

pub(super) fn names() -> Vec<String> {
    PACKAGES.iter().map(|(name, _)| (*name).to_owned()).collect()
}

pub(super) fn read(name: &PackageName) -> Option<Files> {
    let (_, text) = PACKAGES.iter().find(|(embedded, _)| *embedded == name.as_str())?;
    Some(vec![(PKGBUILD.to_owned(), text.as_bytes().to_vec())])
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::WorkerType;

    use super::super::worker_type_of;
    use super::*;

    #[test]
    fn every_worker_has_two() {
        let types: Vec<WorkerType> = names()
            .iter()
            .map(|name| worker_type_of(&name.parse().unwrap()).unwrap())
            .collect();
        for worker_type in WorkerType::ALL {
            let count = types.iter().filter(|other| *other == worker_type).count();
            assert_eq!(count, 2, "{worker_type}");
        }
    }

    /// A folder that was forgotten above would be there and not be found.
    #[test]
    fn none_is_forgotten() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/pkgbuilds");
        let mut folders: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        folders.sort_unstable();
        assert_eq!(folders, names());
    }
}
