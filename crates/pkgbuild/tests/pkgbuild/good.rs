//! What works.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rbee_artifacts::WorkerType;
use rbee_pkgbuild::{BuildEvent, Step};

use crate::support::{HEAD, PACKAGE, Place, policies, sha256, tar_gz};

/// Compiles a program, out of an archive, a local file and a file that is not to be unpacked.
#[tokio::test]
async fn a_package_goes_through_all_its_steps() {
    for policy in policies().await {
        let main = "#include <stdio.h>\n#include \"name.h\"\nint main(void) { puts(NAME); return 0; }\n";
        let header = "#define NAME \"llm-worker-rbee-cpu 1.0.r7\"\n";
        let archive = tar_gz("tool-1.0/main.c", main.as_bytes());
        let kept = tar_gz("kept/file", b"x");
        let place = Place::new(
            policy,
            &format!(
                r#"{HEAD}
makedepends=('gcc' 'something-that-nobody-knows')
source=("name.h" "https://example.org/tool-$pkgver.tar.gz")
sha256sums=('{}' '{}')
source_{}=("renamed.tar.gz::https://example.org/download?id=7")
b2sums_{}=('{}')
noextract=('renamed.tar.gz')

prepare() {{
    echo "preparing in $PWD"
    [[ -f renamed.tar.gz && ! -d kept ]]
    cp name.h tool-1.0/
}}
pkgver() {{
    cd tool-1.0
    echo 1.0.r7
}}
build() {{
    cd tool-1.0
    [[ $pkgver == 1.0.r7 && $MAKEFLAGS == -j2 && -n $SOURCE_DATE_EPOCH && -n $CARCH ]]
    cc -o tool main.c
}}
check() {{
    [[ $(tool-1.0/tool) == "llm-worker-rbee-cpu 1.0.r7" ]]
    echo checked >&2
}}
package() {{
    install -d "$pkgdir/usr/bin"
    install -m755 tool-1.0/tool "$pkgdir/usr/bin/llm-worker-rbee-cpu"
}}
"#,
                sha256(header),
                sha256(&archive),
                std::env::consts::ARCH,
                std::env::consts::ARCH,
                blake2b(&kept),
            ),
        );
        place.write("name.h", header);
        let table = [
            ("https://example.org/tool-1.0.tar.gz", archive),
            ("https://example.org/download?id=7", kept),
        ];
        *place.web.0.lock().unwrap() = table.map(|(url, content)| (url.to_owned(), content)).into();
        let built = place.build().await.unwrap();
        assert_eq!(built.source(), "pkgbuild:llm-worker-rbee-cpu-git 1.0.r7-2");
        assert_eq!(built.worker_type, WorkerType::CpuLlm);
        let output = std::process::Command::new(built.program()).output().unwrap();
        assert_eq!(output.stdout, b"llm-worker-rbee-cpu 1.0.r7\n");
        let steps: Vec<Step> = place
            .events
            .lock()
            .unwrap()
            .iter()
            .filter_map(|event| match event {
                BuildEvent::Entered(step) => Some(*step),
                _ => None,
            })
            .collect();
        assert_eq!(steps, Step::ALL);
        let lines = place.lines();
        assert!(
            lines.iter().any(|line| line.starts_with("preparing in /")),
            "{lines:?}"
        );
        assert!(lines.iter().any(|line| line == "checked"), "{lines:?}");
        assert!(place.events.lock().unwrap().iter().any(|event| matches!(
            event,
            BuildEvent::Fetching { name, done_bytes, total_bytes: Some(total) } if name == "renamed.tar.gz" && done_bytes == total
        )));
        built.discard().await;
        place.assert_nothing_is_left();
    }
}

fn blake2b(content: &[u8]) -> String {
    use blake2::Digest as _;
    hex::encode(blake2::Blake2b512::digest(content))
}

#[tokio::test]
async fn several_can_be_built_at_once_and_dropping_one_removes_it() {
    for policy in policies().await {
        let place = Place::new(policy, &format!("{HEAD}{PACKAGE}"));
        let (one, two) = tokio::join!(place.build(), place.build());
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(one.program(), two.program());
        assert!(fs::metadata(one.program()).unwrap().permissions().mode() & 0o100 != 0);
        drop(one);
        crate::support::eventually("the folder goes", || {
            fs::read_dir(place.folder.path().join("builds")).unwrap().count() == 1
        })
        .await;
        assert!(two.program().is_file());
        two.discard().await;
        place.assert_nothing_is_left();
    }
}

#[tokio::test]
async fn a_cache_is_kept_between_builds() {
    for policy in policies().await {
        let mut place = Place::new(
            policy,
            &format!(
                r#"{HEAD}{PACKAGE}
build() {{
    [[ $CARGO_HOME == */cache/cargo && $CARGO_TARGET_DIR == */cache/target ]]
    mkdir -p "$CARGO_HOME"
    echo x >> "$CARGO_HOME/count"
    wc -l < "$CARGO_HOME/count"
}}
"#
            ),
        );
        place.options.cache = Some(place.folder.path().join("cache"));
        place.program().await;
        place.program().await;
        let counted: Vec<String> = place.lines().iter().map(|line| line.trim().to_owned()).collect();
        assert_eq!(counted, ["1", "2"]);
    }
}

/// What is left of a build when this program was killed with `kill -9` in the middle of it.
#[tokio::test]
async fn leavings_of_an_earlier_life_are_swept() {
    let place = Place::new(rbee_pkgbuild::ConfinementPolicy::Off, &format!("{HEAD}{PACKAGE}"));
    let left = place.folder.path().join("builds/build-left/start");
    fs::create_dir_all(&left).unwrap();
    let left = left.canonicalize().unwrap();
    let mut running = std::process::Command::new("sleep")
        .arg("600")
        .env("RBEE_BUILD_FOLDER", left.parent().unwrap())
        .spawn()
        .unwrap();
    place.packages().sweep().await;
    if cfg!(target_os = "linux") {
        assert!(!running.wait().unwrap().success());
    } else {
        running.kill().unwrap();
        running.wait().unwrap();
    }
    place.assert_nothing_is_left();
}
