//! What a build sees and can write to.

use std::fs;

use rbee_pkgbuild::{ConfinementPolicy, PackageError, Step};

use crate::support::{HEAD, PACKAGE, Place, policies};

#[tokio::test]
async fn nothing_of_the_service_is_visible() {
    // Cargo sets this for every test; a token would be there in the same way.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    for policy in policies().await {
        let mut place = Place::new(
            policy,
            &format!("{HEAD}{PACKAGE}\ncompgen -e\nbuild() {{ env; echo \"home is $HOME\"; }}\n"),
        );
        place
            .options
            .variables
            .insert("RBEE_CHOICE".into(), "seen".into());
        place.program().await;
        let lines = place.lines();
        let mut names: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name)
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(
            names,
            [
                "CARCH",
                "CARGO_BUILD_JOBS",
                "HOME",
                "LANG",
                "LC_ALL",
                "MAKEFLAGS",
                "OLDPWD",
                "PATH",
                "PWD",
                "RBEE_BUILD_FOLDER",
                "RBEE_CHOICE",
                "SHLVL",
                "SOURCE_DATE_EPOCH",
                "TERM",
                "TMPDIR",
                "TZ",
                "_",
                "pkgdir",
                "srcdir",
                "startdir"
            ]
        );
        assert!(lines.iter().any(|line| line == "RBEE_CHOICE=seen"));
        let home = lines
            .iter()
            .find_map(|line| line.strip_prefix("home is "))
            .unwrap();
        assert!(home.contains("/builds/build-"), "{home}");
    }
}

#[tokio::test]
async fn home_and_temporary_folders_are_the_builds_own() {
    for policy in policies().await {
        let place = Place::new(
            policy,
            &format!("{HEAD}{PACKAGE}\nbuild() {{ touch ~/x; file=$(mktemp); [[ $file == $TMPDIR/* ]]; }}\n"),
        );
        place.program().await;
    }
}

#[tokio::test]
async fn writing_outside_pkgdir_fails() {
    for policy in policies().await {
        // Beside its own folders: noticed in both ways to build.
        for step in ["touch \"$pkgdir/../evil\"", "echo x >> \"$startdir/PKGBUILD\""] {
            let place = Place::new(policy, &format!("{HEAD}package() {{ {step}; }}"));
            let error = place.failure().await;
            let PackageError::BuildFailed {
                step, problem, tail, ..
            } = &error
            else {
                panic!("{error:?}");
            };
            assert_eq!(*step, Step::Package);
            let is_refused = tail.iter().any(|line| line.contains("Read-only file system"));
            assert!(is_refused || problem.contains("wrote outside $pkgdir"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_confined_build_can_write_nowhere_else() {
    if !policies().await.contains(&ConfinementPolicy::Required) {
        return;
    }
    let elsewhere = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for place in [
        "/usr/bin/evil",
        "/etc/evil",
        "/evil",
        "/home/evil",
        elsewhere.path().join("evil").to_str().unwrap(),
    ] {
        let pkgbuild = format!("{HEAD}package() {{ echo x > {place}; }}");
        let error = Place::new(ConfinementPolicy::Required, &pkgbuild).failure().await;
        assert!(
            matches!(
                error,
                PackageError::BuildFailed {
                    step: Step::Package,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(!std::path::Path::new(place).exists(), "{place}");
    }
    // Not even a secret can be read: neither in a home nor in /etc.
    let secret = elsewhere.path().join("secret");
    fs::write(&secret, "hunter2").unwrap();
    for secret in [secret.to_str().unwrap(), "/etc/shadow", "/proc/1/environ"] {
        let pkgbuild =
            format!("{HEAD}build() {{ ! grep -aq 'hunter2\\|^root:\\|CARGO_MANIFEST' {secret}; }}{PACKAGE}");
        Place::new(ConfinementPolicy::Required, &pkgbuild).program().await;
    }
    // Before package(), $pkgdir itself is closed.
    let pkgbuild = format!("{HEAD}build() {{ touch \"$pkgdir/x\"; }}{PACKAGE}");
    let error = Place::new(ConfinementPolicy::Required, &pkgbuild).failure().await;
    assert!(error.to_string().contains("Read-only file system"), "{error}");
}

#[tokio::test]
async fn only_prepare_has_the_network() {
    if !policies().await.contains(&ConfinementPolicy::Required) {
        return;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!("(exec 4<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null");
    let pkgbuild = format!(
        "{HEAD}prepare() {{ {connect}; }}\nbuild() {{ ! {connect}; }}\ncheck() {{ ! {connect}; }}\n{PACKAGE}"
    );
    Place::new(ConfinementPolicy::Required, &pkgbuild).program().await;
    // Nor does the evaluation.
    let pkgbuild = format!("{HEAD}{PACKAGE}\nif {connect}; then false; fi");
    Place::new(ConfinementPolicy::Required, &pkgbuild).program().await;
}

#[tokio::test]
async fn limits_hold() {
    for policy in policies().await {
        let mut place = Place::new(
            policy,
            &format!(
                "{HEAD}build() {{ ulimit -n; ulimit -c; ulimit -u; head -c 3000000 /dev/zero > big; }}{PACKAGE}"
            ),
        );
        place.options.limits.file_bytes = 1 << 20;
        place.options.limits.open_files = 100;
        place.options.limits.processes = 2000;
        let error = place.failure().await;
        assert!(
            matches!(
                error,
                PackageError::BuildFailed {
                    step: Step::Build,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(place.lines()[..3], ["100", "0", "2000"], "{error}");
    }
}
