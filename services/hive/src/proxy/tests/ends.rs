//! How calls end: by their client, their deadline, or because their worker is gone.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// An answer of one message that does not end, and what tells that it was dropped.
fn endless(dropped: &CancellationToken) -> Response<Body> {
    let guard = dropped.clone().drop_guard();
    let endless = futures_util::stream::unfold((0, guard), async |(step, guard)| {
        if step > 0 {
            std::future::pending::<()>().await;
        }
        Some((Ok::<_, Status>(data("token")), (step + 1, guard)))
    });
    answer(Body::new(StreamBody::new(Box::pin(endless))))
}

async fn assert_dropped(dropped: &CancellationToken) {
    let told = tokio::time::timeout(DEADLINE, dropped.cancelled()).await;
    told.expect("the worker learns that nobody wants its answer");
}

fn with_timeout(mut request: Request<Body>, timeout: &'static str) -> Request<Body> {
    let timeout = HeaderValue::from_static(timeout);
    request.headers_mut().insert(DEADLINE_FOR_PROXY, timeout);
    request
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_stream_at_the_worker() {
    let dropped = CancellationToken::new();
    let of_worker = dropped.clone();
    let rig = Rig::start(move |_| std::future::ready(endless(&of_worker))).await;
    let client = rig.client();
    let mut answer = call(&client, request("/any.Service/Stream", Body::empty()))
        .await
        .into_body();
    assert_eq!(next(&mut answer).await, "token");
    assert!(!dropped.is_cancelled());
    drop(answer);
    assert_dropped(&dropped).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_begins_ends_the_call_at_the_worker() {
    let (came, dropped) = (CancellationToken::new(), CancellationToken::new());
    let of_worker = (came.clone(), dropped.clone());
    let rig = Rig::start(move |_| {
        let (came, guard) = (of_worker.0.clone(), of_worker.1.clone().drop_guard());
        async move {
            came.cancel();
            let _guard = guard;
            std::future::pending().await
        }
    })
    .await;
    let client = rig.client();
    // Cancel safe: that the call is dropped is what is tested.
    tokio::select! {
        _ = call(&client, request("/any.Service/Hang", Body::empty())) => panic!("it hangs"),
        () = came.cancelled() => {}
    }
    assert_dropped(&dropped).await;
}

#[tokio::test]
async fn a_deadline_ends_a_call_that_has_no_answer_yet() {
    let rig = Rig::start(async |_| std::future::pending().await).await;
    let request = with_timeout(request("/any.Service/Hang", Body::empty()), "50m");
    let answer = tokio::time::timeout(DEADLINE, call(&rig.client(), request)).await;
    assert_eq!(end(answer.unwrap()).await.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_deadline_ends_an_answer_in_its_middle_and_its_stream_at_the_worker() {
    let dropped = CancellationToken::new();
    let of_worker = dropped.clone();
    let rig = Rig::start(move |_| std::future::ready(endless(&of_worker))).await;
    let call = call(
        &rig.client(),
        with_timeout(request("/any.Service/Stream", Body::empty()), "300m"),
    )
    .await;
    let (bytes, trailers) = read(call).await;
    assert_eq!(bytes, "token");
    let status = Status::from_header_map(&trailers).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_dropped(&dropped).await;
}

#[tokio::test]
async fn a_worker_whose_connection_breaks_ends_its_answers_and_takes_no_more() {
    let mut rig = Rig::start(|_| std::future::ready(endless(&CancellationToken::new()))).await;
    let client = rig.client();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let mut answer = call(&client, request("/any.Service/Stream", Body::empty())).await;
        assert_eq!(next(answer.body_mut()).await, "token");
        answers.push(answer);
    }
    rig.kill_worker();
    for answer in answers {
        assert_lost(&end(answer).await);
    }
    let answer = call(&client, request("/any.Service/Stream", Body::empty())).await;
    assert_lost(&end(answer).await);
}

#[tokio::test]
async fn a_worker_that_is_known_to_be_gone_is_not_waited_for() {
    let rig = Rig::start(async |_| std::future::pending().await).await;
    let client = rig.client();
    let waiting = call(&client, request("/any.Service/Hang", Body::empty()));
    let gone = async {
        tokio::task::yield_now().await;
        rig.gone.cancel();
    };
    let (answer, ()) = tokio::join!(waiting, gone);
    assert_lost(&end(answer).await);
}

#[tokio::test]
async fn an_answer_that_ends_without_a_status_takes_no_other_with_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let rig = Rig::start(move |_| {
        let body = match calls.fetch_add(1, Ordering::SeqCst) {
            0 => return std::future::ready(endless(&CancellationToken::new())),
            1 => frames([data("half")]),
            2 => {
                let frames = [Ok(data("half")), Err(Status::internal("as the test says"))];
                Body::new(StreamBody::new(tokio_stream::iter(frames)))
            }
            _ => frames([data("whole"), ok()]),
        };
        std::future::ready(answer(body))
    })
    .await;
    let client = rig.client();
    let mut running = call(&client, request("/any.Service/Stream", Body::empty()))
        .await
        .into_body();
    assert_eq!(next(&mut running).await, "token");
    for _ in 0..2 {
        let answer = call(&client, request("/any.Service/Stream", Body::empty())).await;
        assert_lost(&end(answer).await);
    }
    let (bytes, _) = read(call(&client, request("/any.Service/Stream", Body::empty())).await).await;
    assert_eq!(bytes, "whole");
    let more = tokio::time::timeout(Duration::from_millis(50), running.frame()).await;
    assert!(more.is_err(), "the first answer goes on: {more:?}");
}
