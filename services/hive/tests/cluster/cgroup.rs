//! Workers in control groups of their own, where this machine allows for that.

use std::time::Duration;

use rbee_hive::process::CgroupSetting;
use rbee_testkit::control_group::{ControlGroup, processes};
use rbee_testkit::scripted_worker::{Act, Script};

use crate::harness::{Cluster, DEADLINE};

#[tokio::test]
async fn a_worker_and_what_fled_from_it_are_in_one_group_that_goes_with_it() {
    let Some(place) = ControlGroup::make("hive") else {
        return;
    };
    let cluster = Cluster::bare_with(|config| {
        config.cgroup = CgroupSetting::Folder(place.folder().into());
    })
    .await;
    cluster.install_scripted().await;
    let script = Script {
        ready: vec![Act::Flee],
        ..Script::default()
    };
    let worker = cluster.spawn_scripted("bee", &script).await;
    let own = |place: &ControlGroup| {
        let mark = format!("w-{}.", worker.id);
        let mut groups = place.inner().into_iter();
        groups.find(|group| group.file_name().unwrap().to_str().unwrap().starts_with(&mark))
    };
    let group = own(&place).unwrap();
    assert!(processes(&group).contains(&worker.process_id.unwrap()));
    until("the one that flees is there", || processes(&group).len() > 1).await;

    cluster.stop_worker(&worker.id).await.unwrap();
    until("the group is gone with all in it", || !group.exists()).await;
    cluster.assert_nothing_left().await;
    cluster.hive.stop().await;
    drop(cluster);
    until("the hive's own group is gone", || place.inner().is_empty()).await;
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !holds() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: not within {DEADLINE:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
