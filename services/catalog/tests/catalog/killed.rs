//! `kill -9` at random moments while models are created, updated and deleted over gRPC: after each restart
//! every acknowledged change is there, and nothing half-written is visible.
//!
//! `RBEE_CATALOG_KILLS` sets how often; 40 times unless set.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rbee_proto::catalog::v1::{
    CreateModelRequest, DeleteModelRequest, GetModelRequest, ListModelsRequest, UpdateModelRequest,
};
use rbee_proto::types::v1::Model;
use rbee_store::StoredBlob;

use crate::process::{Models, Process};
use crate::running::{blob, model};

/// Clients that write at the same time, each on models of its own.
const WRITERS: u64 = 3;
/// Models that each of them writes to.
const MODELS: u64 = 3;
/// Entries of the metadata, so that a document is more than one sector of a disk.
const WORDS: u64 = 40;

/// What a model may look like: `None` if it is not there, else the number of its last change.
#[derive(Debug, Clone, Default)]
struct Known {
    acknowledged: Option<u64>,
    /// A change that was sent and not answered: it may have been made or not.
    in_flight: Option<Option<u64>>,
}

type Ledger = Arc<Mutex<BTreeMap<String, Known>>>;

/// A model that bears `number` in many places, which all change together.
fn numbered(id: &str, number: u64, blob: &StoredBlob) -> Model {
    let mut model = model(id, blob);
    model.name = format!("name {number}");
    model.quantization = Some(format!("Q{number}"));
    model.metadata = (0..WORDS)
        .map(|word| (format!("word.{word}"), format!("{number}").repeat(20)))
        .collect();
    model
}

/// The number that a model bears, in all places.
fn number_of(found: &Model, blob: &StoredBlob) -> u64 {
    let number = found.name.strip_prefix("name ").unwrap().parse().unwrap();
    let whole = numbered(&found.id, number, blob);
    let parts = |model: &Model| {
        (
            model.quantization.clone(),
            model.metadata.clone(),
            model.files.clone(),
        )
    };
    assert_eq!(parts(found), parts(&whole), "{} is half-written", found.id);
    number
}

/// Writes until the catalog is gone, and enters what it was told.
async fn write(mut models: Models, writer: u64, first: u64, blob: StoredBlob, ledger: Ledger) -> u64 {
    let mut acknowledged = 0;
    for number in first.. {
        let id = format!("local:m-{writer}-{}", number % MODELS);
        let is_there = ledger.lock().unwrap()[&id].acknowledged.is_some();
        // Each model is created, updated a few times, and deleted.
        let next = (!is_there || !(number / MODELS).is_multiple_of(4)).then_some(number);
        ledger.lock().unwrap().entry(id.clone()).or_default().in_flight = Some(next);
        let model = next.map(|number| numbered(&id, number, &blob));
        let answer = match (is_there, model) {
            (true, None) => {
                let request = DeleteModelRequest { id: id.clone() };
                models.delete_model(request).await.map(drop)
            }
            (true, model) => {
                let request = UpdateModelRequest {
                    model,
                    ..Default::default()
                };
                models.update_model(request).await.map(drop)
            }
            (false, model) => {
                let request = CreateModelRequest {
                    model,
                    ..Default::default()
                };
                models.create_model(request).await.map(drop)
            }
        };
        match answer {
            Ok(()) => {
                let known = Known {
                    acknowledged: next,
                    in_flight: None,
                };
                ledger.lock().unwrap().insert(id, known);
                acknowledged += 1;
            }
            Err(status) => {
                assert!(
                    matches!(
                        status.code(),
                        tonic::Code::Unavailable | tonic::Code::Unknown | tonic::Code::Cancelled
                    ),
                    "the catalog refused a sound change: {status}"
                );
                break;
            }
        }
    }
    acknowledged
}

/// Compares what is there with what may be there, and takes it as the truth.
async fn expect_as_acknowledged(models: &mut Models, blob: &StoredBlob, ledger: &Ledger) {
    let listed = models
        .list_models(ListModelsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(listed.next_page_token.is_empty(), "one page has all");
    let found: BTreeMap<String, u64> = listed
        .models
        .iter()
        .map(|model| (model.id.clone(), number_of(model, blob)))
        .collect();
    let mut known: BTreeMap<String, Known> = ledger.lock().unwrap().clone();
    for id in found.keys() {
        assert!(known.contains_key(id), "{id} was never created");
    }
    for (id, known) in &mut known {
        let now = found.get(id).copied();
        let may_be = now == known.acknowledged || known.in_flight == Some(now);
        assert!(
            may_be,
            "{id} is at {now:?}, which is neither acknowledged nor under way: {known:?}"
        );
        let got = models.get_model(GetModelRequest { id: id.clone() }).await;
        assert_eq!(got.is_ok(), now.is_some());
        *known = Known {
            acknowledged: now,
            in_flight: None,
        };
    }
    *ledger.lock().unwrap() = known;
}

/// What a reader of the folder could take for a document is one, and nothing is left over.
fn expect_tidy(store: &Path, known: usize) {
    let staging = std::fs::read_dir(store.join("staging"))
        .into_iter()
        .flatten()
        .count();
    // A session is opened with the first write, which there was none of since the start.
    assert_eq!(staging, 0, "leftovers in staging");
    let folders = std::fs::read_dir(store.join("models")).into_iter().flatten();
    for folder in folders {
        let names: Vec<_> = std::fs::read_dir(folder.unwrap().path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            names.is_empty() || names == ["metadata.json"],
            "{names:?} of {known}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_change_survives_kill_9_at_random_moments() {
    let rounds: u64 = std::env::var("RBEE_CATALOG_KILLS").map_or(40, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let blob = blob(folder.path(), b"weights").await;
    let ids =
        (0..WRITERS).flat_map(|writer| (0..MODELS).map(move |model| format!("local:m-{writer}-{model}")));
    let ledger: Ledger = Arc::new(Mutex::new(ids.map(|id| (id, Known::default())).collect()));
    let (mut acknowledged, mut with_something_under_way) = (0, 0);
    for round in 0..rounds {
        let process = Process::start(folder.path());
        let mut models = process.models().await;
        expect_as_acknowledged(&mut models, &blob, &ledger).await;
        expect_tidy(folder.path(), ledger.lock().unwrap().len());
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let first = (round + 1) * 1_000_000;
                tokio::spawn(write(models.clone(), writer, first, blob, ledger.clone()))
            })
            .collect();
        // The moment of the kill is the experiment, and this the only way to choose it.
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        tokio::time::sleep(Duration::from_micros(u64::from(u16::from_le_bytes(random)))).await;
        process.kill();
        for writer in writers {
            acknowledged += writer.await.unwrap();
        }
        let is_under_way = |known: &Known| known.in_flight.is_some();
        with_something_under_way += u64::from(ledger.lock().unwrap().values().any(is_under_way));
    }
    let process = Process::start(folder.path());
    expect_as_acknowledged(&mut process.models().await, &blob, &ledger).await;
    println!(
        "{rounds} kills, {acknowledged} changes acknowledged, {with_something_under_way} kills amid a change"
    );
    assert!(acknowledged > rounds, "the writers got somewhere: {acknowledged}");
    assert!(
        with_something_under_way > rounds / 2,
        "the kills hit writers: {with_something_under_way}"
    );
}
