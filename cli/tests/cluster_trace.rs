//! One trace of a chat: from the command line through the hive to the worker.

mod common;

use std::collections::HashMap;
use std::time::Duration;

use common::{Cluster, assert_worker_is_built};
use rbee_testkit::collector::{CollectedSpan, Collector};
use rbee_testkit::models;

/// Exporters send in batches, and what is left when the process ends.
const EXPORTED_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn real_model_chat_is_one_trace_from_parent_to_child() {
    assert_worker_is_built();
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let cluster = Cluster::start_with(|command| {
        command.args(["--otlp-endpoint", &endpoint]);
    });
    let model = cluster.import(&models::path(models::QWEN), "qwen");
    cluster.spawn(&model);
    let mut chat = cluster.command(&[
        "chat",
        "local:qwen",
        "--prompt",
        "Say hello.",
        "--max-tokens",
        "4",
    ]);
    chat.env("RBEE_OTLP_ENDPOINT", &endpoint);
    common::run(chat).ok();
    cluster.stop();

    let spans = collector
        .wait_for(EXPORTED_WITHIN, |spans| {
            spans.iter().any(is_worker_chat) && spans.iter().any(is_root)
        })
        .await;
    let by_id: HashMap<&str, &CollectedSpan> =
        spans.iter().map(|span| (span.span_id.as_str(), span)).collect();
    let chat = spans
        .iter()
        .find(|span| is_worker_chat(span))
        .expect("waited for");

    // From the worker up to the command line, parent by parent.
    let mut services = Vec::new();
    let mut span = chat;
    loop {
        assert_eq!(span.trace_id, chat.trace_id);
        if services.last() != Some(&span.service) {
            services.push(span.service.clone());
        }
        if span.parent_span_id.is_empty() {
            break;
        }
        span = by_id
            .get(span.parent_span_id.as_str())
            .unwrap_or_else(|| panic!("the parent of {span:?} was not exported: {spans:#?}"));
    }
    assert_eq!(services, ["llm-worker-rbee-cpu", "rbee-up", "rbee"]);
    assert_eq!(span.name, "rbee chat");
}

fn is_worker_chat(span: &CollectedSpan) -> bool {
    span.service == "llm-worker-rbee-cpu" && span.name.ends_with("TextService/Chat")
}

fn is_root(span: &CollectedSpan) -> bool {
    span.service == "rbee" && span.name == "rbee chat"
}
