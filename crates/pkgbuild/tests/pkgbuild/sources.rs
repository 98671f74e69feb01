//! Sources under version control.

use std::path::Path;
use std::process::Command;

use rbee_pkgbuild::PackageError;

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

fn place(policy: rbee_pkgbuild::ConfinementPolicy, fragment: &str) -> (Place, String) {
    let mut place = Place::new(policy, &pkgbuild(fragment));
    let folder = place.folder.path().join("repository");
    let first = repository(&folder);
    let url = format!("git+file://{}", folder.display());
    place.options.variables.insert("RBEE_SOURCE".into(), url);
    (place, first)
}

#[tokio::test]
async fn a_repository_at_a_tag_a_branch_a_commit_or_its_head() {
    for policy in policies().await {
        for (fragment, version) in [
            ("", "3.r2"),
            ("#tag=v1", "1.r1"),
            ("#branch=side/branch", "2.r2"),
            ("#branch=main", "3.r2"),
            ("#commit=", "1.r1"),
            ("#commit=short", "1.r1"),
        ] {
            let (place, first) = place(policy, fragment);
            match fragment {
                "#commit=" => place.write("PKGBUILD", pkgbuild(&format!("#commit={first}"))),
                "#commit=short" => place.write("PKGBUILD", pkgbuild(&format!("#commit={}", &first[..8]))),
                _ => {}
            }
            let built = place.build().await.unwrap();
            assert_eq!(built.version.pkgver(), version, "{fragment}");
            built.discard().await;
        }
    }
}

#[tokio::test]
async fn what_a_repository_does_not_have_is_named() {
    let policy = rbee_pkgbuild::ConfinementPolicy::Off;
    for (fragment, words) in [
        ("#tag=v2", "v2"),
        ("#branch=nowhere", "nowhere"),
        ("#commit=0123456789", "commit 0123456789"),
    ] {
        let (place, _) = place(policy, fragment);
        let error = place.failure().await;
        assert!(
            matches!(error, PackageError::SourceUnavailable { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(words), "{error}");
    }
    let (mut place, _) = place(policy, "");
    let nowhere = "git+file:///nowhere/at/all".to_owned();
    place.options.variables.insert("RBEE_SOURCE".into(), nowhere);
    let error = place.failure().await;
    assert!(
        matches!(error, PackageError::SourceUnavailable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_repository_of_this_host_must_be_the_operators_choice() {
    let place = Place::new(
        rbee_pkgbuild::ConfinementPolicy::Off,
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
    let mut place = Place::new(rbee_pkgbuild::ConfinementPolicy::Off, &pkgbuild(""));
    let url = format!("git+http://{}/tool", listener.local_addr().unwrap());
    place.options.variables.insert("RBEE_SOURCE".into(), url);
    let cancel = async {
        let _connection = listener.accept().await.unwrap();
        place.cancel.cancel();
    };
    let (error, ()) = tokio::join!(place.failure(), cancel);
    assert!(matches!(error, PackageError::Cancelled), "{error:?}");
}
