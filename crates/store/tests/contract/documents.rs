//! What holds of documents.

use rbee_store::StoreError;

use crate::fixture::{Fixture, varied};

pub(crate) async fn they_are_written_read_listed_and_removed(fixture: Fixture) {
    let store = &fixture.store;
    assert!(store.list_documents("models").await.unwrap().is_empty());
    assert_eq!(store.get_document("models", "a").await.unwrap(), None);
    store.put_document("models", "b", "{}").await.unwrap();
    store.put_document("models", "a", "1").await.unwrap();
    store
        .put_document("worker-binaries", "cpu-llm-0.1.0", "3")
        .await
        .unwrap();
    assert_eq!(store.list_documents("models").await.unwrap(), ["a", "b"]);
    assert_eq!(
        store.list_documents("worker-binaries").await.unwrap(),
        ["cpu-llm-0.1.0"]
    );
    assert!(store.delete_document("models", "a").await.unwrap());
    assert!(!store.delete_document("models", "a").await.unwrap());
    assert_eq!(store.list_documents("models").await.unwrap(), ["b"]);
}

pub(crate) async fn they_are_replaced_as_a_whole(fixture: Fixture) {
    for size in [100_000, 0, 7] {
        let content = varied(size);
        fixture
            .store
            .put_document("models", "a", content.clone())
            .await
            .unwrap();
        let found = fixture.store.get_document("models", "a").await.unwrap();
        assert_eq!(found.unwrap(), content);
    }
}

pub(crate) async fn they_are_set_aside_and_not_lost(fixture: Fixture) {
    let store = &fixture.store;
    assert_eq!(store.set_document_aside("models", "a").await.unwrap(), None);
    let mut names = Vec::new();
    for content in ["first", "second"] {
        store.put_document("models", "a", content).await.unwrap();
        names.push(store.set_document_aside("models", "a").await.unwrap().unwrap());
        assert_eq!(store.get_document("models", "a").await.unwrap(), None);
        assert!(store.list_documents("models").await.unwrap().is_empty());
    }
    assert_eq!(
        names,
        [
            "models/a/metadata.json.damaged",
            "models/a/metadata.json.damaged-2"
        ]
    );
}

pub(crate) async fn keys_that_are_no_names_are_refused(fixture: Fixture) {
    for key in ["", "..", "a/b", "A", "a b", "a#1", "ä", &"a".repeat(201)] {
        for (collection, key) in [(key, "a"), ("models", key)] {
            let error = fixture
                .store
                .put_document(collection, key, "x")
                .await
                .unwrap_err();
            assert!(matches!(error, StoreError::Key { .. }), "{error:?}");
            assert!(fixture.store.get_document(collection, key).await.is_err());
        }
    }
}

pub(crate) async fn many_are_listed_in_order(fixture: Fixture) {
    // More than a page of S3's listings, which has 1,000 keys.
    let keys: Vec<String> = (0..1_100).map(|number| format!("m{number:04}")).collect();
    for some in keys.chunks(50) {
        let puts = some
            .iter()
            .map(|key| fixture.store.put_document("models", key, "{}"));
        for put in futures_util::future::join_all(puts).await {
            put.unwrap();
        }
    }
    assert_eq!(fixture.store.list_documents("models").await.unwrap(), keys);
}

pub(crate) async fn a_store_is_found_again_under_its_url(fixture: Fixture) {
    fixture.store.put_document("models", "a", "1").await.unwrap();
    let again = fixture.options.clone().open(fixture.store.url()).await.unwrap();
    assert_eq!(again.get_document("models", "a").await.unwrap().unwrap(), "1");
    assert_eq!(again.url(), fixture.store.url());
    let said = format!("{again:?}");
    assert!(!said.contains("hunter2"), "{said}");
}
