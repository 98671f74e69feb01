//! What is refused before anything runs, or because of what came of it.

use rbee_pkgbuild::PackageError;

use crate::support::{HEAD, PACKAGE, Place, policies, sha256, tar_gz};

/// What a build of this PKGBUILD fails with, in both ways to build.
async fn refusal(pkgbuild: &str, words: &str) -> PackageError {
    let mut last = None;
    for policy in policies().await {
        let place = Place::new(policy, pkgbuild);
        place.write("file", "content");
        place.write("evil.tar.gz", tar_gz("../../evil", b"x"));
        let error = place.failure().await;
        assert!(error.to_string().contains(words), "{words:?}: {error}");
        last = Some(error);
    }
    last.unwrap()
}

#[tokio::test]
async fn a_wrong_checksum() {
    let wrong = "0".repeat(64);
    let pkgbuild = format!("{HEAD}source=(file)\nsha256sums=({wrong})\nprepare() {{ echo ran; }}\n{PACKAGE}");
    let error = refusal(&pkgbuild, &wrong).await;
    assert!(
        matches!(&error, PackageError::ChecksumMismatch { source_name, found, .. }
        if source_name == "file" && *found == sha256("content")),
        "{error:?}"
    );
}

#[tokio::test]
async fn skip_on_a_file() {
    let pkgbuild = format!("{HEAD}source=(file)\nsha256sums=(SKIP)\n{PACKAGE}");
    let error = refusal(&pkgbuild, "SKIP, which only a repository may have").await;
    assert!(matches!(error, PackageError::Invalid { .. }), "{error:?}");
}

#[tokio::test]
async fn md5_alone() {
    refusal(&format!("{HEAD}source=(file)\nmd5sums=(x)\n{PACKAGE}"), "md5sums").await;
}

#[tokio::test]
async fn files_that_are_not_there_or_not_beside_it() {
    let sum = sha256("content");
    let with = |source: &str| format!("{HEAD}source=('{source}')\nsha256sums=({sum})\n{PACKAGE}");
    let error = refusal(&with("missing"), "no such file beside").await;
    assert!(
        matches!(error, PackageError::SourceUnavailable { .. }),
        "{error:?}"
    );
    refusal(&with("../file"), "not a file name").await;
    refusal(&with("/etc/hostname"), "not a file name").await;
    refusal(&with("https://example.org/file"), "404 Not Found").await;
    refusal(
        &with("http://example.org/file"),
        "addresses that the operator gave",
    )
    .await;
}

#[tokio::test]
async fn an_archive_that_would_leave_its_folder() {
    let sum = sha256(tar_gz("../../evil", b"x"));
    let pkgbuild = format!("{HEAD}source=(evil.tar.gz)\nsha256sums=({sum})\n{PACKAGE}");
    let error = refusal(&pkgbuild, "leads out of its folder").await;
    assert!(matches!(error, PackageError::Archive { .. }), "{error:?}");
}

#[tokio::test]
async fn another_platform() {
    let pkgbuild = format!("{HEAD}{PACKAGE}").replace("arch=(any)", "arch=(riscv64 pdp11)");
    let error = refusal(&pkgbuild, "riscv64 or pdp11; this host is").await;
    assert!(matches!(error, PackageError::ArchUnsupported { .. }), "{error:?}");
    refusal(&format!("{HEAD}_os=(plan9)\n{PACKAGE}"), "plan9").await;
}

#[tokio::test]
async fn a_tool_that_is_missing() {
    // No test machine has it; the table's other programs are there or not.
    let pkgbuild = format!("{HEAD}makedepends=('cuda>=12')\n{PACKAGE}");
    if [
        "/usr/bin",
        "/usr/local/bin",
        "/opt/cuda/bin",
        "/usr/local/cuda/bin",
    ]
    .iter()
    .any(|folder| std::path::Path::new(folder).join("nvcc").exists())
    {
        println!("this machine has CUDA; nothing is missing");
        return;
    }
    let error = refusal(&pkgbuild, "cuda>=12 (Debian: nvidia-cuda-toolkit").await;
    assert!(
        matches!(error, PackageError::DependencyMissing { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn scripts_that_bash_does_not_understand() {
    for (pkgbuild, words) in [
        (format!("{HEAD}package( {{"), "syntax error"),
        (
            format!("{HEAD}{PACKAGE}\nno_such_command_at_all"),
            "no_such_command_at_all",
        ),
        (format!("{HEAD}{PACKAGE}\necho going; exit 0"), "interferes"),
        (format!("{HEAD}{PACKAGE}\necho going; exit 7"), "going"),
        (format!("{HEAD}{PACKAGE}\nprintf 'a\\0b' >&3"), "interferes"),
        (
            format!("{HEAD}{PACKAGE}\nprintf() {{ :; }}\npkgrel="),
            "does not set pkgrel",
        ),
        (format!("{HEAD}{PACKAGE}\npkgdesc=$'\\xff'"), "UTF-8"),
        (
            format!("{HEAD}{PACKAGE}\npkgname=other"),
            "it says that it is other",
        ),
        (HEAD.to_owned(), "no package()"),
    ] {
        let error = refusal(&pkgbuild, words).await;
        assert!(matches!(error, PackageError::Invalid { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_package_without_the_program() {
    let error = refusal(
        &format!("{HEAD}package() {{ true; }}"),
        "put no usr/bin/llm-worker-rbee-cpu",
    )
    .await;
    assert!(matches!(error, PackageError::NoProgram { .. }), "{error:?}");
    let linked = "package() {\n mkdir -p \"$pkgdir/usr/bin\"\n ln -s /bin/sh \"$pkgdir/usr/bin/llm-worker-rbee-cpu\"\n}";
    refusal(&format!("{HEAD}{linked}"), "no regular file").await;
}

#[tokio::test]
async fn a_version_that_is_none() {
    let pkgbuild = format!("{HEAD}pkgver() {{ echo 1-2 3; }}\n{PACKAGE}");
    let error = refusal(&pkgbuild, "did not print a version").await;
    assert!(matches!(error, PackageError::BuildFailed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_package_that_is_not_there() {
    let place = Place::new(rbee_pkgbuild::ConfinementPolicy::Off, HEAD);
    for name in ["llm-worker-rbee-cuda-git", "firefox"] {
        let name = name.parse().unwrap();
        let building = place.packages();
        let error = building.build(&name, &|_| {}, &place.cancel).await.unwrap_err();
        assert!(matches!(error, PackageError::NotFound { .. }), "{error:?}");
    }
}
