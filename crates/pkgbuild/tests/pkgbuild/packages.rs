//! The packages that there are.

use std::collections::HashMap;

use rbee_artifacts::WorkerType;
use rbee_pkgbuild::{IndexLocation, Options, PackageError, Packages};

use crate::support::{HEAD, NAME, PACKAGE, Place, Table, policies, sha256};

#[tokio::test]
async fn the_embedded_ones_are_all_good() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path().to_owned());
    let packages = Packages::new(options, std::sync::Arc::new(Table::default())).unwrap();
    let listed = packages.list().await.unwrap();
    assert_eq!(listed.len(), 12);
    for package in &listed {
        let described = package.described.as_ref().unwrap();
        assert_eq!(described.package.name, package.name);
        let is_from_source = package.name.as_str().ends_with("-git");
        assert_eq!(package.preferred, is_from_source, "{}", package.name);
        // Metal's name no archive for this processor.
        if described.package.suits(&rbee_artifacts::Platform::current()) {
            assert_eq!(described.package.sources.len(), 1, "{}", package.name);
        }
        assert_eq!(described.package.functions.build, is_from_source);
        assert!(described.package.description.contains("rbee"), "{}", package.name);
    }
    let (name, _) = packages.choose(Some(WorkerType::CpuLlm), None).await.unwrap();
    assert_eq!(name.as_str(), NAME);
    let (name, worker_type) = packages
        .choose(None, Some("sd-worker-rbee-cuda-bin"))
        .await
        .unwrap();
    assert_eq!(
        (name.as_str(), worker_type),
        ("sd-worker-rbee-cuda-bin", WorkerType::CudaSd)
    );
    let error = packages
        .choose(Some(WorkerType::CpuSd), Some(NAME))
        .await
        .unwrap_err();
    assert!(matches!(error, PackageError::OtherWorker { .. }), "{error:?}");
    let error = packages.choose(None, Some("firefox")).await.unwrap_err();
    assert!(matches!(error, PackageError::NotFound { .. }), "{error:?}");
    let error = packages.choose(None, None).await.unwrap_err();
    assert!(matches!(error, PackageError::NothingNamed), "{error:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_faulty_one_is_listed_with_its_problem() {
    for policy in policies().await {
        let place = Place::new(policy, "pkgname=(");
        let other = place.folder.path().join("index/notes");
        std::fs::create_dir_all(&other).unwrap();
        std::fs::write(other.join("PKGBUILD"), "pkgname=notes").unwrap();
        let listed = place.packages().list().await.unwrap();
        assert_eq!(listed.len(), 1, "{listed:?}");
        let problem = listed[0].described.as_ref().unwrap_err();
        assert!(problem.contains("bash can't evaluate it"), "{problem}");
    }
}

#[tokio::test]
async fn an_index_can_be_on_a_web_server() {
    let mut place = Place::new(rbee_pkgbuild::ConfinementPolicy::Off, "");
    place.options.index = IndexLocation::Url("https://example.org/rbee/index.json".parse().unwrap());
    let pkgbuild = format!("{HEAD}source=(note)\nsha256sums=({})\n{PACKAGE}", sha256("note"));
    let index = format!(
        r#"{{"version": 1, "packages": [{{"name": "{NAME}", "files": [
            {{"path": "PKGBUILD", "sha256": "{}"}}, {{"path": "note", "sha256": "{}"}}]}}]}}"#,
        sha256(&pkgbuild),
        sha256("note")
    );
    let base = format!("https://example.org/rbee/{NAME}");
    let files = [
        ("https://example.org/rbee/index.json".to_owned(), index),
        (format!("{base}/PKGBUILD"), pkgbuild.clone()),
        (format!("{base}/note"), "note".to_owned()),
    ];
    let table: HashMap<_, _> = files
        .into_iter()
        .map(|(url, text)| (url, text.into_bytes()))
        .collect();
    *place.web.0.lock().unwrap() = table;
    assert!(place.packages().list().await.unwrap()[0].described.is_ok());
    place.program().await;
    // Somebody changed the PKGBUILD on the server.
    let changed = format!("{pkgbuild}\ntrue");
    place
        .web
        .0
        .lock()
        .unwrap()
        .insert(format!("{base}/PKGBUILD"), changed.into_bytes());
    let error = place.failure().await;
    assert!(matches!(error, PackageError::IndexInvalid { .. }), "{error:?}");
    place.web.0.lock().unwrap().clear();
    let error = place.packages().list().await.unwrap_err();
    assert!(
        matches!(error, PackageError::IndexUnavailable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_release_of_the_operators_own_can_be_installed() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(folder.path().join("builds"));
    let archive = crate::support::tar_gz(
        "llm-worker-rbee-cpu",
        b"#!/bin/sh\necho llm-worker-rbee-cpu 0.1.0\n",
    );
    let variables = [
        ("RBEE_RELEASE_URL", "http://10.0.0.1/releases".to_owned()),
        ("RBEE_RELEASE_SHA256", sha256(&archive)),
    ];
    options.variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
    let web = Table::default();
    let url = format!(
        "http://10.0.0.1/releases/llm-worker-rbee-cpu-0.1.0-linux-{}.tar.gz",
        std::env::consts::ARCH
    );
    web.0.lock().unwrap().insert(url, archive);
    let packages = Packages::new(options, std::sync::Arc::new(web)).unwrap();
    let name = "llm-worker-rbee-cpu-bin".parse().unwrap();
    let built = packages
        .build(&name, &|_| {}, &tokio_util::sync::CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(built.source(), "pkgbuild:llm-worker-rbee-cpu-bin 0.1.0-1");
    built.discard().await;
}
