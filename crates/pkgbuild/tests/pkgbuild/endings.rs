//! How builds end that don't end well: nothing of them is left.

use std::time::{Duration, Instant};

use rbee_pkgbuild::{BuildEvent, PackageError, Step};

use crate::support::{HEAD, PACKAGE, Place, eventually, policies, processes_of};

#[tokio::test]
async fn a_failure_brings_the_last_lines() {
    for policy in policies().await {
        let place = Place::new(
            policy,
            &format!(
                "{HEAD}build() {{ for i in {{1..200}}; do echo line $i; done; echo 'error: no' >&2; false; echo on; }}{PACKAGE}"
            ),
        );
        let error = place.failure().await;
        let PackageError::BuildFailed {
            step, problem, tail, ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!(
            (*step, problem.as_str(), tail.len()),
            (Step::Build, "failed with exit code 1", 50)
        );
        assert!(
            tail.contains(&"line 200".to_owned()) && tail.contains(&"error: no".to_owned()),
            "{tail:?}"
        );
        assert!(!tail.contains(&"on".to_owned()), "{tail:?}");
        assert!(
            error
                .to_string()
                .contains("build() of llm-worker-rbee-cpu-git failed"),
            "{error}"
        );
    }
}

/// A build with a child in its group, and one in a session of its own: cancelled, dropped, or out of time.
const HANGS: &str = "build() { sleep 600 & setsid sleep 601 & (setsid sleep 602 &) ; echo hanging; wait; }";

#[tokio::test]
async fn one_that_hangs_can_be_cancelled() {
    for policy in policies().await {
        let place = Place::new(policy, &format!("{HEAD}{HANGS}{PACKAGE}"));
        let cancel = async {
            eventually("it hangs", || place.lines().contains(&"hanging".to_owned())).await;
            assert!(!processes_of(&place.folder.path().join("builds")).is_empty());
            let begun = Instant::now();
            place.cancel.cancel();
            begun
        };
        let (error, begun) = tokio::join!(place.failure(), cancel);
        assert!(matches!(error, PackageError::Cancelled), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn one_that_takes_too_long_is_ended() {
    for policy in policies().await {
        let mut place = Place::new(policy, &format!("{HEAD}{HANGS}{PACKAGE}"));
        place.options.build_timeout = Duration::from_secs(2);
        let error = place.failure().await;
        assert!(error.to_string().contains("took longer than 2s"), "{error}");
    }
}

#[tokio::test]
async fn one_that_is_dropped_is_ended() {
    for policy in policies().await {
        let place = Place::new(policy, &format!("{HEAD}{HANGS}{PACKAGE}"));
        tokio::select! {
            built = place.build() => panic!("{built:?}"),
            () = eventually("it hangs", || place.lines().contains(&"hanging".to_owned())) => {}
        }
        let builds = place.folder.path().join("builds");
        eventually("its programs end", || processes_of(&builds).is_empty()).await;
        eventually("its folder goes", || {
            std::fs::read_dir(&builds).unwrap().count() == 0
        })
        .await;
    }
}

#[tokio::test]
async fn what_outlives_its_step_is_ended_with_it() {
    for policy in policies().await {
        let place = Place::new(
            policy,
            // One keeps the pipes open, one does not; both are in sessions of their own.
            &format!("{HEAD}build() {{ setsid sleep 600 & setsid sleep 601 > /dev/null 2>&1 & }}{PACKAGE}"),
        );
        let begun = Instant::now();
        let built = place.build().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(processes_of(&place.folder.path().join("builds")), [""; 0]);
        built.discard().await;
    }
}

#[tokio::test]
async fn an_evaluation_that_hangs_can_be_cancelled() {
    for policy in policies().await {
        let place = Place::new(policy, &format!("{HEAD}{PACKAGE}\nsleep 600"));
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            place.cancel.cancel();
        };
        let (error, ()) = tokio::join!(place.failure(), cancel);
        assert!(matches!(error, PackageError::Cancelled), "{error:?}");
    }
}

#[tokio::test]
async fn a_flood_of_output_is_no_trouble() {
    for policy in policies().await {
        let place = Place::new(
            policy,
            &format!(
                "{HEAD}build() {{ yes | head -n 300000; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo last; false; }}{PACKAGE}"
            ),
        );
        let error = place.failure().await;
        let PackageError::BuildFailed { tail, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(tail.last().map(String::as_str), Some("last"));
        assert!(tail.iter().all(|line| line.len() < 3000));
        assert!(place.lines().len() <= 50_000);
        let last = place.lines().pop().unwrap();
        assert!(last.contains("not shown"), "{last}");
    }
}

#[tokio::test]
async fn one_that_fills_the_disk_is_ended() {
    let mut place = Place::new(
        rbee_pkgbuild::ConfinementPolicy::Off,
        &format!("{HEAD}{HANGS}{PACKAGE}"),
    );
    place.options.limits.least_free_bytes = u64::MAX;
    let error = place.failure().await;
    assert!(matches!(error, PackageError::DiskFull { .. }), "{error:?}");
}

/// Without a limit on what is left of a fork bomb, this would take the machine along. Root is held to no number of
/// processes by the kernel, so that it is only its end that is shown here: all are gone at once.
#[tokio::test]
async fn many_forks_are_all_ended() {
    for policy in policies().await {
        let place = Place::new(
            policy,
            &format!(
                "{HEAD}build() {{ for i in {{1..40}}; do (setsid sleep 600 & sleep 600) & done; echo forked; wait; }}{PACKAGE}"
            ),
        );
        let cancel = async {
            eventually("it forks", || place.lines().contains(&"forked".to_owned())).await;
            place.cancel.cancel();
        };
        let (error, ()) = tokio::join!(place.failure(), cancel);
        assert!(matches!(error, PackageError::Cancelled), "{error:?}");
        assert!(
            place
                .events
                .lock()
                .unwrap()
                .contains(&BuildEvent::Entered(Step::Build))
        );
    }
}
