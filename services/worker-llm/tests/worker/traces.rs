//! One trace from the caller to the tokens.

use rbee_testkit::collector::{CollectedSpan, Collector};
use tonic::Request;

use super::harness::{DEADLINE, Worker, greedy, read, tiny, user};

#[tokio::test]
async fn an_answer_is_traced_from_the_call_to_its_stages() {
    let collector = Collector::start().await;
    let mut worker = Worker::ready(&tiny(), &["--otlp-endpoint", &collector.endpoint()]);
    let (trace, caller) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let mut request = Request::new(greedy(vec![user("hi")], 3));
    let context = format!("00-{trace}-{caller}-01");
    request
        .metadata_mut()
        .insert("traceparent", context.parse().unwrap());
    let stream = worker.text().chat(request).await.unwrap();
    read(stream.into_inner()).await.unwrap();
    // It exports what is left before it leaves.
    worker.terminate();
    assert_eq!(worker.left().await.0, Some(0));

    let complete = |spans: &[CollectedSpan]| spans.iter().any(|span| span.name == "answer");
    let spans = collector.wait_for(DEADLINE, complete).await;
    let named = |name: &str| {
        let span = spans.iter().find(|span| span.name == name);
        span.unwrap_or_else(|| panic!("{name} is missing of {spans:#?}"))
    };
    let call = named("rbee.worker.v1.TextService/Chat");
    assert_eq!(call.parent_span_id, caller);
    let answer = named("answer");
    assert_eq!(answer.parent_span_id, call.span_id);
    for stage in ["queue", "prefill", "decode"] {
        assert_eq!(named(stage).parent_span_id, answer.span_id);
    }
    for span in [call, answer] {
        assert_eq!(
            (span.trace_id.as_str(), span.service.as_str()),
            (trace, "llm-worker-rbee-cpu")
        );
    }
}
