//! What passes as it is.

use super::*;

/// Bytes of which no two stretches are alike.
fn pattern(length: usize) -> Bytes {
    let mut state = 0x9E37_79B9_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

/// A message of that many bytes as gRPC frames it: not compressed, its length, itself.
fn message(length: usize) -> Bytes {
    let length_bytes = u32::try_from(length).unwrap().to_be_bytes();
    [&[0], &length_bytes[..], &pattern(length)].concat().into()
}

#[tokio::test]
async fn both_directions_flow_at_once() {
    let rig = Rig::start(async |request: Request<Body>| answer(request.into_body())).await;
    let (sender, body) = written();
    let mut echo = call(&rig.client(), request("/any.Service/Echo", body))
        .await
        .into_body();
    for length in [1, 5, 100, 16_000] {
        let sent = message(length);
        sender.send(Ok(data(sent.clone()))).await.unwrap();
        let mut came = Vec::new();
        while came.len() < sent.len() {
            came.extend_from_slice(&next(&mut echo).await);
        }
        assert_eq!(came, sent);
    }
}

#[tokio::test]
async fn headers_and_trailers_pass_but_for_those_of_the_hive() {
    let many = |name: &str| -> Vec<(String, String)> {
        (0..100)
            .map(|number| (format!("{name}-{number}"), "x".repeat(60)))
            .collect()
    };
    let check = |headers: &HeaderMap, name: &str| {
        for (name, value) in many(name) {
            assert_eq!(headers[&name], value);
        }
        let doubled: Vec<_> = headers.get_all("doubled").iter().collect();
        assert_eq!(doubled, ["one", "two"]);
        assert_eq!(headers["some-bin"], "AAEC/w");
    };
    let fill = move |headers: &mut HeaderMap, name: &str| {
        for (name, value) in many(name) {
            headers.insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers.append("doubled", HeaderValue::from_static("one"));
        headers.append("doubled", HeaderValue::from_static("two"));
        headers.insert("some-bin", HeaderValue::from_static("AAEC/w"));
    };

    let (seen_sender, mut seen) = mpsc::channel(1);
    let rig = Rig::start(move |request: Request<Body>| {
        seen_sender
            .try_send((request.uri().path().to_owned(), request.headers().clone()))
            .unwrap();
        let mut trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "7".parse().unwrap())]);
        fill(&mut trailers, "trailer");
        let mut answer = answer(frames([data("text"), Frame::trailers(trailers)]));
        fill(answer.headers_mut(), "answer");
        std::future::ready(answer)
    })
    .await;
    let mut request = request("/any.Service/Method", Body::empty());
    request
        .headers_mut()
        .insert("grpc-timeout", HeaderValue::from_static("30S"));
    fill(request.headers_mut(), "request");
    let answer = call(&rig.client(), request).await;

    let (path, headers) = seen.recv().await.unwrap();
    assert_eq!(path, "/any.Service/Method");
    check(&headers, "request");
    assert_eq!(headers["grpc-timeout"], "30S");
    assert_eq!(headers["te"], "trailers");
    assert_eq!(headers["authorization"], TOKEN);
    assert!(!headers.contains_key("rbee-worker-id"));
    check(answer.headers(), "answer");
    let (bytes, trailers) = read(answer).await;
    assert_eq!(bytes, "text");
    check(&trailers, "trailer");
    assert_eq!(trailers["grpc-status"], "7");
}

#[tokio::test]
async fn messages_of_any_size_pass_whole() {
    let rig = Rig::start(async |request: Request<Body>| {
        let came = request.into_body().collect().await.unwrap().to_bytes();
        answer(frames([data(came.slice(..5)), data(came.slice(5..)), ok()]))
    })
    .await;
    // Above every window there is on the way.
    let sent = message(24 << 20);
    let (came, trailers) = read(
        call(
            &rig.client(),
            request("/any.Service/Big", frames([data(sent.clone())])),
        )
        .await,
    )
    .await;
    assert!(came == sent, "{} bytes came of {}", came.len(), sent.len());
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test]
async fn messages_of_many_answers_come_in_order_and_whole() {
    let rig = Rig::start(async |_| {
        let messages = (0_u32..2000).map(|number| data(number.to_be_bytes().to_vec()));
        answer(frames(messages.chain([ok()])))
    })
    .await;
    let client = rig.client();
    let answers =
        (0..16).map(async |_| read(call(&client, request("/any.Service/Stream", Body::empty())).await).await);
    let expected: Bytes = (0_u32..2000).flat_map(u32::to_be_bytes).collect();
    for (bytes, trailers) in futures_util::future::join_all(answers).await {
        assert_eq!(bytes, expected);
        assert_eq!(trailers["grpc-status"], "0");
    }
}

#[tokio::test]
async fn a_message_leaves_before_the_next_one_comes() {
    let (sender, body) = written();
    let body = parking_lot::Mutex::new(Some(body));
    let rig = Rig::start(move |_| std::future::ready(answer(body.lock().take().unwrap()))).await;
    let client = rig.client();
    let asked = call(&client, request("/any.Service/Stream", Body::empty()));
    let (_, mut came) = tokio::join!(sender.send(Ok(data("first"))), async { asked.await.into_body() });
    assert_eq!(next(&mut came).await, "first");
    sender.send(Ok(data("second"))).await.unwrap();
    assert_eq!(next(&mut came).await, "second");
}
