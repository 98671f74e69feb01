//! The model service.

use crate::running::{DEADLINE, Running, blob, model, reason};
use rbee_proto::catalog::v1::watch_models_response::Event;
use rbee_proto::catalog::v1::{
    CreateModelRequest, DeleteModelRequest, GetModelRequest, ListModelsRequest, ModelFilter, ModelKind,
    UpdateModelRequest, WatchModelsRequest, WatchModelsResponse,
};
use rbee_proto::types::v1::{Model, Vendor, WorkerType};
use rbee_service_kit::RemoteFault;
use tonic::Streaming;

async fn create(running: &Running, model: Model) -> Model {
    let request = CreateModelRequest {
        model: Some(model),
        request_id: String::new(),
    };
    running
        .models()
        .create_model(request)
        .await
        .unwrap()
        .into_inner()
        .model
        .unwrap()
}

async fn next(stream: &mut Streaming<WatchModelsResponse>) -> (u64, Event) {
    let response = tokio::time::timeout(DEADLINE, stream.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    (response.revision, response.event.unwrap())
}

#[tokio::test]
async fn a_model_lives_and_dies() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let mut models = running.models();
    let blob = blob(folder.path(), b"weights").await;
    let asked = model("local:qwen", &blob);
    let get = GetModelRequest { id: asked.id.clone() };
    assert_eq!(reason(models.get_model(get.clone()).await), "MODEL_NOT_FOUND");
    assert_eq!(
        reason(models.get_model(GetModelRequest { id: "??".into() }).await),
        "INVALID_MODEL_ID"
    );

    let created = create(&running, asked.clone()).await;
    assert_eq!(created.vendor(), Vendor::Local);
    assert!(created.added_at.is_some() && created.revision > 0);
    let compatible: Vec<_> = created.compatible_worker_types().collect();
    assert_eq!(
        compatible,
        [WorkerType::CpuLlm, WorkerType::CudaLlm, WorkerType::MetalLlm]
    );
    let expected = Model {
        added_at: created.added_at,
        revision: created.revision,
        vendor: created.vendor,
        compatible_worker_types: created.compatible_worker_types.clone(),
        ..asked.clone()
    };
    assert_eq!(created, expected, "every field is kept");
    assert_eq!(
        models
            .get_model(get.clone())
            .await
            .unwrap()
            .into_inner()
            .model
            .unwrap(),
        created
    );
    assert_eq!(
        create(&running, asked.clone()).await,
        created,
        "the same again is the same"
    );

    let other = Model {
        quantization: None,
        ..asked.clone()
    };
    let request = CreateModelRequest {
        model: Some(other.clone()),
        request_id: String::new(),
    };
    assert_eq!(reason(models.create_model(request).await), "MODEL_EXISTS");

    let update = |expected_revision| UpdateModelRequest {
        model: Some(other.clone()),
        expected_revision,
    };
    assert_eq!(
        reason(models.update_model(update(Some(7))).await),
        "REVISION_CONFLICT"
    );
    let updated = models
        .update_model(update(Some(created.revision)))
        .await
        .unwrap()
        .into_inner()
        .model
        .unwrap();
    assert_eq!((updated.quantization, updated.added_at), (None, created.added_at));
    assert!(updated.revision > created.revision);

    let delete = DeleteModelRequest { id: asked.id };
    assert!(
        models
            .delete_model(delete.clone())
            .await
            .unwrap()
            .into_inner()
            .deleted
    );
    assert!(!models.delete_model(delete).await.unwrap().into_inner().deleted);
    assert_eq!(reason(models.get_model(get).await), "MODEL_NOT_FOUND");
    assert_eq!(reason(models.update_model(update(None)).await), "MODEL_NOT_FOUND");
}

#[tokio::test]
async fn a_bad_request_names_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let blob = blob(folder.path(), b"weights").await;
    let good = model("local:qwen", &blob);
    let refuse = async |change: fn(&mut Model)| {
        let mut model = good.clone();
        change(&mut model);
        let request = CreateModelRequest {
            model: Some(model),
            request_id: String::new(),
        };
        let fault = RemoteFault::from(&running.models().create_model(request).await.unwrap_err());
        assert!(fault.is("INVALID_ARGUMENT"), "{fault:?}");
        fault.violations[0].0.clone()
    };
    assert_eq!(refuse(|model| model.name = "x".repeat(1000)).await, "model.name");
    assert_eq!(
        refuse(|model| model.files[0].sha256 = "0".repeat(64)).await,
        "model.files[0].sha256"
    );
    assert_eq!(
        refuse(|model| model.files[0].name = "/etc/passwd".into()).await,
        "model.files[0].name"
    );
    assert_eq!(refuse(|model| model.files.clear()).await, "model.files");
    let missing = running.models().create_model(CreateModelRequest::default()).await;
    assert_eq!(reason(missing), "INVALID_ARGUMENT");
    let request = CreateModelRequest {
        model: Some(good.clone()),
        request_id: "x".repeat(1000),
    };
    let fault = RemoteFault::from(&running.models().create_model(request).await.unwrap_err());
    assert_eq!(fault.violations[0].0, "request_id");
}

#[tokio::test]
async fn pages_cover_the_list_once() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let blob = blob(folder.path(), b"weights").await;
    let mut expected = Vec::new();
    for number in 0..7 {
        expected.push(
            create(&running, model(&format!("local:m{number}"), &blob))
                .await
                .id,
        );
    }
    let mut models = running.models();
    let mut page = async |page_size, page_token: &str| {
        let request = ListModelsRequest {
            page_size,
            page_token: page_token.to_owned(),
            filter: None,
        };
        let page = models.list_models(request).await?.into_inner();
        let ids: Vec<String> = page.models.into_iter().map(|model| model.id).collect();
        Ok((ids, page.next_page_token))
    };
    let (all, end) = page(0, "").await.unwrap();
    assert_eq!((&all, end.as_str()), (&expected, ""));
    let (mut seen, mut token) = page(3, "").await.unwrap();
    let first_token = token.clone();
    while !token.is_empty() {
        let (ids, next) = page(3, &token).await.unwrap();
        assert!(ids.len() <= 3);
        seen.extend(ids);
        token = next;
    }
    assert_eq!(seen, expected);
    assert_eq!(reason(page(3, "deadbeef").await), "INVALID_ARGUMENT");
    assert_eq!(reason(page(3, &first_token[2..]).await), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn a_filter_holds_over_all_pages_and_its_tokens_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let blob = blob(folder.path(), b"weights").await;
    for number in 0..9 {
        let mut model = model(&format!("local:m{number}"), &blob);
        if number % 2 == 1 {
            model.quantization = Some("F16".into());
        }
        create(&running, model).await;
    }
    let list = async |text: &str, page_token: &str| {
        let filter = ModelFilter {
            text: text.to_owned(),
            kinds: vec![ModelKind::Llm.into()],
            ..ModelFilter::default()
        };
        let request = ListModelsRequest {
            page_size: 3,
            page_token: page_token.to_owned(),
            filter: Some(filter),
        };
        let page = running.models().list_models(request).await?.into_inner();
        let ids: Vec<String> = page.models.into_iter().map(|model| model.id).collect();
        Ok((ids, page.next_page_token, page.total_count))
    };
    let (first, token, total) = list("Q4_k_m", "").await.unwrap();
    assert_eq!(
        (first, total),
        (vec!["local:m0".into(), "local:m2".into(), "local:m4".into()], 5)
    );
    let (second, end, total) = list("q4_k_m", &token).await.unwrap();
    assert_eq!(
        (second, end.as_str(), total),
        (vec!["local:m6".into(), "local:m8".into()], "", 5)
    );
    assert_eq!(reason(list("f16", &token).await), "INVALID_ARGUMENT");
    let (none, end, total) = list("llama", "").await.unwrap();
    assert_eq!((none.len(), end.as_str(), total), (0, "", 0));

    let filter = ModelFilter {
        states: vec![1, 77],
        ..ModelFilter::default()
    };
    let request = ListModelsRequest {
        filter: Some(filter),
        ..ListModelsRequest::default()
    };
    let fault = RemoteFault::from(&running.models().list_models(request).await.unwrap_err());
    assert_eq!(fault.violations[0].0, "filter.states[1]");
}

#[tokio::test]
async fn a_page_stays_below_what_a_client_takes() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let blob = blob(folder.path(), b"weights").await;
    for number in 0..40 {
        let mut model = model(&format!("local:m{number}"), &blob);
        model.metadata.insert("card".into(), "x".repeat(60_000));
        create(&running, model).await;
    }
    let mut models = running.models();
    let (mut seen, mut pages, mut page_token) = (0, 0, String::new());
    loop {
        let request = ListModelsRequest {
            page_size: 1000,
            page_token,
            filter: None,
        };
        // The client takes 4 MiB at most, as every client does by default.
        let page = models.list_models(request).await.unwrap().into_inner();
        seen += page.models.len();
        pages += 1;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 40);
    assert!(pages >= 2, "{pages}");
}

#[tokio::test]
async fn a_watch_sends_what_is_there_then_what_changes_and_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), |_| {}).await;
    let blob = blob(folder.path(), b"weights").await;
    create(&running, model("local:a", &blob)).await;
    let watch = async |running: &Running, resume_revision| {
        running
            .models()
            .watch_models(WatchModelsRequest { resume_revision })
            .await
            .unwrap()
            .into_inner()
    };
    let mut stream = watch(&running, None).await;
    assert!(matches!(next(&mut stream).await, (0, Event::Reset(_))));
    assert!(matches!(next(&mut stream).await, (0, Event::Upserted(model)) if model.id == "local:a"));
    let (synced, event) = next(&mut stream).await;
    assert!(matches!(event, Event::Synced(_)));

    let created = create(&running, model("local:b", &blob)).await;
    let (revision, event) = next(&mut stream).await;
    assert_eq!(
        (revision, event),
        (created.revision, Event::Upserted(created.clone()))
    );
    running
        .models()
        .delete_model(DeleteModelRequest { id: "local:a".into() })
        .await
        .unwrap();
    let (last, event) = next(&mut stream).await;
    assert_eq!(event, Event::DeletedId("local:a".into()));
    assert!(synced < revision && revision < last);

    // A watcher that was away from `synced` on gets exactly what it missed.
    let mut resumed = watch(&running, Some(synced)).await;
    assert_eq!(next(&mut resumed).await, (revision, Event::Upserted(created)));
    assert_eq!(
        next(&mut resumed).await,
        (last, Event::DeletedId("local:a".into()))
    );
    assert!(matches!(next(&mut resumed).await, (at, Event::Synced(_)) if at == last));

    // Shutdown ends every watch, and says so.
    running.lifecycle.shutdown();
    for stream in [&mut stream, &mut resumed] {
        let end = tokio::time::timeout(DEADLINE, stream.message()).await.unwrap();
        assert_eq!(reason(end), "SHUTTING_DOWN");
    }

    // A successor doesn't know what was removed in an earlier life: the watcher starts anew.
    let successor = Running::start(folder.path(), |_| {}).await;
    let mut stream = watch(&successor, Some(last)).await;
    assert!(matches!(next(&mut stream).await, (0, Event::Reset(_))));
    assert!(matches!(next(&mut stream).await, (0, Event::Upserted(model)) if model.id == "local:b"));
}

#[tokio::test]
async fn what_was_acknowledged_survives_without_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let blob = blob(folder.path(), b"weights").await;
    let running = Running::start(folder.path(), |_| {}).await;
    let created = create(&running, model("local:qwen", &blob)).await;
    running.vanish().await;
    let successor = Running::start(folder.path(), |_| {}).await;
    let request = GetModelRequest {
        id: "local:qwen".into(),
    };
    assert_eq!(
        successor
            .models()
            .get_model(request)
            .await
            .unwrap()
            .into_inner()
            .model
            .unwrap(),
        created
    );
}

/// The fastest of several calls, so that a busy machine changes nothing: with Nagle's algorithm each
/// would take 40 ms.
#[tokio::test]
async fn answers_do_not_wait_for_acknowledgements() {
    let folder = tempfile::tempdir().unwrap();
    let blob = blob(folder.path(), b"weights").await;
    let running = Running::start(folder.path(), |_| {}).await;
    let request = CreateModelRequest {
        model: Some(model("local:m", &blob)),
        request_id: String::new(),
    };
    running.models().create_model(request).await.unwrap();
    let mut fastest = std::time::Duration::MAX;
    for _ in 0..20 {
        let begin = std::time::Instant::now();
        let request = GetModelRequest { id: "local:m".into() };
        running.models().get_model(request).await.unwrap();
        fastest = fastest.min(begin.elapsed());
    }
    assert!(fastest < std::time::Duration::from_millis(20), "{fastest:?}");
}

/// More than the largest page, twice over: by pages, after a restart, with a filter, in a watch.
#[tokio::test]
async fn thousands_are_there_after_a_restart() {
    const COUNT: usize = 2_100;
    let folder = tempfile::tempdir().unwrap();
    let blob = blob(folder.path(), b"weights").await;
    let running = Running::start(folder.path(), |_| {}).await;
    let models = running.models();
    let all: Vec<_> = (0..COUNT)
        .map(|number| {
            let (mut models, model) = (models.clone(), model(&format!("local:m-{number:05}"), &blob));
            async move {
                let request = CreateModelRequest {
                    model: Some(model),
                    request_id: String::new(),
                };
                models.create_model(request).await.unwrap();
            }
        })
        .collect();
    use futures_util::StreamExt as _;
    futures_util::stream::iter(all)
        .buffer_unordered(16)
        .for_each(std::future::ready)
        .await;
    drop(models);
    running.vanish().await;

    let running = Running::start(folder.path(), |_| {}).await;
    let mut ids = Vec::new();
    let mut request = ListModelsRequest {
        page_size: 1000,
        ..Default::default()
    };
    let mut pages = 0;
    loop {
        let page = running
            .models()
            .list_models(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(page.total_count, COUNT as u64);
        ids.extend(page.models.into_iter().map(|model| model.id));
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let expected: Vec<_> = (0..COUNT).map(|number| format!("local:m-{number:05}")).collect();
    assert_eq!(ids, expected);
    assert!(pages >= 3, "{pages}");

    let filtered = ListModelsRequest {
        filter: Some(ModelFilter {
            text: "M-0209".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let page = running.models().list_models(filtered).await.unwrap().into_inner();
    assert_eq!((page.models.len(), page.total_count), (10, 10));

    // Several watchers at once each get all.
    let watchers: Vec<_> = (0..8)
        .map(|_| {
            let mut models = running.models();
            tokio::spawn(async move {
                let request = WatchModelsRequest::default();
                let mut watch = models.watch_models(request).await.unwrap().into_inner();
                let mut seen = 0;
                loop {
                    match watch.message().await.unwrap().unwrap().event {
                        Some(Event::Upserted(_)) => seen += 1,
                        Some(Event::Synced(_)) => return seen,
                        _ => {}
                    }
                }
            })
        })
        .collect();
    for watcher in watchers {
        assert_eq!(watcher.await.unwrap(), COUNT);
    }
}
