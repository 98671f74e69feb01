//! Sources under version control.

use std::path::Path;
use std::process::Command;

use rbee_pkgbuild::{ConfinementPolicy, PackageError};

use crate::support::{HEAD, PACKAGE, Place, policies};

/// A repository: `file` is 1 in the tag v1, 2 in the branch side, 3 at the tip of main. Its hooks, were they taken along,
/// would fail.
fn repository(folder: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_COMMITTER_NAME", "a")
            .env("GIT_COMMITTER_EMAIL", "a@example.org")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let commit = |content: &str| {
        std::fs::write(folder.join("file"), content).unwrap();
        git(&["add", "file"]);
        git(&["commit", "-q", "-m", content]);
    };
    std::fs::create_dir_all(folder).unwrap();
    git(&["init", "-q", "-b", "main"]);
    commit("1");
    let first = git(&["rev-parse", "HEAD"]);
    git(&["tag", "v1"]);
    git(&["checkout", "-q", "-b", "side/branch"]);
    commit("2");
    git(&["checkout", "-q", "main"]);
    commit("3");
    first
}

fn pkgbuild(fragment: &str) -> String {
    format!(
        r#"{HEAD}source=("tool::$RBEE_SOURCE{fragment}")
sha256sums=(SKIP)
pkgver() {{
    cd tool
    echo "$(cat file).r$(git rev-list --count HEAD)"
}}
{PACKAGE}"#
    )
}

/// A package whose source is this repository.
fn place(policy: ConfinementPolicy, repository: &Path, fragment: &str) -> Place {
    let mut place = Place::new(policy, &pkgbuild(fragment));
    let url = format!("git+file://{}", repository.display());
    place.options.variables.insert("RBEE_SOURCE".into(), url);
    place
}

#[tokio::test]
async fn a_repository_at_a_tag_a_branch_a_commit_or_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let first = repository(folder.path());
    for policy in policies().await {
        for (fragment, version) in [
            (String::new(), "3.r2"),
            ("#tag=v1".to_owned(), "1.r1"),
            ("#branch=side/branch".to_owned(), "2.r2"),
            (format!("#commit={first}"), "1.r1"),
            (format!("#commit={}", &first[..8]), "1.r1"),
        ] {
            let built = place(policy, folder.path(), &fragment).build().await.unwrap();
            assert_eq!(built.version.pkgver(), version, "{fragment}");
            built.discard().await;
        }
    }
}

#[tokio::test]
async fn what_a_repository_does_not_have_is_named() {
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    for (fragment, words) in [
        ("#tag=v2", "v2"),
        ("#branch=nowhere", "nowhere"),
        ("#commit=0123456789", "commit 0123456789"),
    ] {
        let place = place(ConfinementPolicy::Off, folder.path(), fragment);
        let error = place.failure().await;
        assert!(
            matches!(error, PackageError::SourceUnavailable { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(words), "{error}");
    }
    let place = place(ConfinementPolicy::Off, "/nowhere/at/all".as_ref(), "");
    let error = place.failure().await;
    assert!(
        matches!(error, PackageError::SourceUnavailable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_repository_of_this_host_must_be_the_operators_choice() {
    let place = Place::new(
        ConfinementPolicy::Off,
        &format!("{HEAD}source=('git+file:///srv/private')\nsha256sums=(SKIP)\n{PACKAGE}"),
    );
    let error = place.failure().await;
    assert!(
        matches!(&error, PackageError::Invalid { problem, .. } if problem.contains("operator")),
        "{error:?}"
    );
}

/// A server that takes the connection and says nothing.
#[tokio::test]
async fn a_server_that_hangs_can_be_cancelled() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut place = Place::new(ConfinementPolicy::Off, &pkgbuild(""));
    let url = format!("git+http://{}/tool", listener.local_addr().unwrap());
    place.options.variables.insert("RBEE_SOURCE".into(), url);
    let cancel = async {
        let _connection = listener.accept().await.unwrap();
        place.cancel.cancel();
    };
    let (error, ()) = tokio::join!(place.failure(), cancel);
    assert!(matches!(error, PackageError::Cancelled), "{error:?}");
}
