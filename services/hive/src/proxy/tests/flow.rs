//! Flow control: who does not read stops who writes, and nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Streams that nobody reads. Four were enough to stop a connection whose window was that of four streams.
const STALLED: usize = 8;

/// As long as a token is; h2 takes many of these, unread, for an attack.
const TOKEN_BYTES: usize = 40;

/// A client that takes in little before it reads; gRPC's other libraries begin with as much.
async fn small_client(rig: &Rig) -> tonic::transport::Channel {
    tonic::transport::Endpoint::from_shared(rig.address.clone())
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// Tokens without end, each in a frame of its own, and how many of them have left.
fn flood(left: &Arc<AtomicUsize>) -> Response<Body> {
    let left = left.clone();
    let tokens = futures_util::stream::repeat_with(move || {
        left.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Status>(data(vec![0; TOKEN_BYTES]))
    });
    answer(Body::new(StreamBody::new(tokens)))
}

/// Waits until a count stands still, and answers it.
async fn standing(count: &AtomicUsize) -> usize {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let mut last = usize::MAX;
    loop {
        let now = count.load(Ordering::SeqCst);
        if now == last && now > 0 {
            return now;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{now} tokens and no end: a client that does not read does not stop its worker"
        );
        last = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_its_worker_and_no_other_client() {
    let left = Arc::new(AtomicUsize::new(0));
    let of_worker = left.clone();
    let rig = Rig::start(move |request: Request<Body>| {
        std::future::ready(match request.uri().path() {
            "/any.Service/Flood" => flood(&of_worker),
            _ => answer(request.into_body()),
        })
    })
    .await;
    let mut unread = Vec::new();
    for _ in 0..STALLED {
        let mut client = small_client(&rig).await;
        let call = client
            .ready()
            .await
            .unwrap()
            .call(request("/any.Service/Flood", Body::empty()));
        let mut body = call.await.unwrap().into_body();
        assert!(!next(&mut body).await.is_empty());
        unread.push((client, body));
    }
    let bytes = standing(&left).await * TOKEN_BYTES;
    // On the way of each: what worker, hive and client take in, and what the two before send in advance; about
    // 1.2 MiB.
    assert!(bytes < STALLED * (4 << 20), "{bytes} bytes are under way");

    // Others are answered while these stand still, over the same connection to the worker, and more than any window.
    let sent = Bytes::from(vec![7; 8 << 20]);
    let echo = request("/any.Service/Echo", frames([data(sent.clone())]));
    let (came, _) = read(call(&rig.client(), echo).await).await;
    assert!(came == sent, "{} bytes came of {}", came.len(), sent.len());

    // And who reads again, goes on from where it stood.
    let stood = left.load(Ordering::SeqCst);
    let (_client, body) = unread.first_mut().unwrap();
    while left.load(Ordering::SeqCst) < stood + 10_000 {
        assert!(!next(body).await.is_empty());
    }
}

#[tokio::test]
async fn a_worker_that_does_not_read_stops_its_client() {
    let rig = Rig::start(|request: Request<Body>| {
        // The request is held and not read for as long as the answer is.
        let body = Box::pin(futures_util::stream::unfold(request, async |request| {
            std::future::pending::<()>().await;
            Some((Ok::<_, Status>(data("never")), request))
        }));
        std::future::ready(answer(Body::new(StreamBody::new(body))))
    })
    .await;
    let taken = Arc::new(AtomicUsize::new(0));
    let of_client = taken.clone();
    let endless = futures_util::stream::repeat_with(move || {
        of_client.fetch_add(1 << 10, Ordering::SeqCst);
        Ok::<_, Status>(data(vec![0; 1 << 10]))
    });
    let client = rig.client();
    let _answer = call(
        &client,
        request("/any.Service/Upload", Body::new(StreamBody::new(endless))),
    )
    .await;
    let bytes = standing(&taken).await;
    assert!(bytes < 16 << 20, "{bytes} bytes are under way");
}
