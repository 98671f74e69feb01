//! A hive's folder that was copied to a second host: two hives with one id.

use std::fs;

use rbee_proto::types::v1::HiveState;

use crate::client::until;
use crate::cluster::{Cluster, SHORT, answer_through, id_file};
use crate::network::{Host, Network};

#[tokio::test]
async fn two_hives_with_one_id_are_told_apart() {
    let mut cluster = Cluster::start(Network::of_relays().await).await;
    let mut watch = cluster.watch().await;
    watch
        .until("both hives are there", |view| {
            view.state("attic").is_some() && view.state("cellar").is_some()
        })
        .await;
    let attic = watch.view().hive("attic").unwrap().clone();
    let worker = cluster.spawn(&attic.address, SHORT).await;
    watch
        .until("its worker is there", |view| view.workers.len() == 1)
        .await;

    // The cellar's host is made from the attic's disk.
    cluster.cellar.take().unwrap().stop().await;
    let (from, to) = (
        id_file(cluster.data.path(), "attic"),
        id_file(cluster.data.path(), "copy"),
    );
    fs::create_dir(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
    cluster.cellar = Some(cluster.start_hive(Host::Cellar, "copy"));

    watch
        .until("the copy has the id", |view| {
            let hives: Vec<_> = view.hives.values().map(|hive| (&*hive.id, &*hive.name)).collect();
            hives == [(&*attic.id, "cellar")] && view.workers.is_empty()
        })
        .await;
    until("both sides tell of it", async || {
        let log = |program: &Option<crate::programs::Program>| program.as_ref().unwrap().log();
        log(&cluster.catalog).contains("two hives have the id")
            && log(&cluster.attic).contains("remove the file `id`")
    })
    .await;
    assert_eq!(
        answer_through(&attic.address, &worker.id).await.unwrap(),
        5,
        "the one that is refused goes on"
    );
    assert_eq!(watch.view().state("cellar"), Some(HiveState::Ready), "no quarrel");

    // Its farewell is not the other's, and once the copy has left, the first is back with its worker.
    cluster.cellar.take().unwrap().stop().await;
    watch
        .until("the first has its id again", |view| {
            view.state("attic") == Some(HiveState::Ready) && view.workers.contains_key(&worker.id)
        })
        .await;
    cluster.stop().await;
}
