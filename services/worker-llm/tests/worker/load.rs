//! 8 slots under 64 clients, a third of whom leave early: nobody starves, and nothing is left behind.
//!
//! `RBEE_LOAD_SECONDS=300` makes it last (5 by default), `RBEE_LOAD_MODEL=gemma` takes the real Gemma.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use rbee_proto::worker::v1::chat_response::Event;
use rbee_proto::worker::v1::text_service_client::TextServiceClient;
use rbee_service_kit::client::ClientChannel;
use rbee_testkit::models;

use super::endurance::holds;
use super::harness::{Worker, greedy, tiny, user};

const SLOTS: u64 = 8;
const CLIENTS: u64 = 64;

/// What all clients saw together.
#[derive(Default)]
struct Seen {
    tokens: AtomicU64,
    dropped: AtomicU64,
}

/// Numbers that differ from client to client and from turn to turn.
fn number(client: u64, turn: u64, below: u64) -> u64 {
    let mixed = (client * 7919 + turn * 104_729 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 33) % below
}

/// Asks again and again until `end`; how long each answered request waited for its slot.
async fn client(
    mut text: TextServiceClient<ClientChannel>,
    id: u64,
    end: Instant,
    seen: Arc<Seen>,
) -> Vec<Duration> {
    let mut waits = Vec::new();
    for turn in 0.. {
        if Instant::now() >= end {
            break;
        }
        let words = format!("{id} {turn} ") + &"word ".repeat(number(id, turn, 60) as usize);
        let mut request = greedy(vec![user(&words)], 1 + number(id, turn + 1, 150) as u32);
        request.sampling.as_mut().unwrap().temperature = Some(1.0);
        request.stop.as_mut().unwrap().ignore_end_of_generation = true;
        let leaves_after = (id + turn).is_multiple_of(3).then(|| number(id, turn, 20));
        let mut stream = text.chat(request).await.unwrap().into_inner();
        let mut tokens = 0;
        while let Some(message) = stream.next().await {
            match message.unwrap().event.unwrap() {
                Event::Delta(delta) => tokens = u64::from(delta.completion_tokens),
                Event::Finished(finished) => {
                    tokens = u64::from(finished.usage.unwrap().completion_tokens);
                    let queue = finished.timings.unwrap().queue.unwrap();
                    waits.push(Duration::try_from(queue).unwrap());
                }
                _ => {}
            }
            if leaves_after.is_some_and(|most| tokens >= most) {
                seen.dropped.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        seen.tokens.fetch_add(tokens, Ordering::Relaxed);
    }
    waits
}

/// All clients for so long; what each waited.
async fn load(worker: &Worker, seconds: f64, seen: &Arc<Seen>) -> Vec<Vec<Duration>> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let clients = (0..CLIENTS).map(|id| tokio::spawn(client(worker.text(), id, end, Arc::clone(seen))));
    let waits = futures_util::future::join_all(clients).await;
    worker
        .until_load("all slots are free again", |load| {
            load.running_requests == 0 && load.waiting_requests == 0
        })
        .await;
    waits.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_slots_under_sixty_four_clients() {
    let seconds: f64 = std::env::var("RBEE_LOAD_SECONDS").map_or(5.0, |seconds| seconds.parse().unwrap());
    let is_real = std::env::var("RBEE_LOAD_MODEL").is_ok_and(|model| model == "gemma");
    let model = if is_real {
        models::path(models::GEMMA)
    } else {
        tiny()
    };
    let settings = ["--slots", "8", "--queue", "64", "--context-length", "512"];
    let worker = Worker::ready(&model, &settings);

    // Until what is kept for later prompts has reached its limit.
    load(&worker, (seconds / 3.0).clamp(3.0, 30.0), &Arc::default()).await;
    let (_, before) = holds(&worker);
    let started = worker.load().await.generated_tokens;

    let seen = Arc::new(Seen::default());
    let began = Instant::now();
    let waits = load(&worker, seconds, &seen).await;
    let lasted = began.elapsed();
    let (_, after) = holds(&worker);

    let fewest = waits.iter().map(Vec::len).min().unwrap();
    let mut all: Vec<Duration> = waits.concat();
    all.sort_unstable();
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    let generated = worker.load().await.generated_tokens - started;
    let (tokens, dropped) = (
        seen.tokens.load(Ordering::Relaxed),
        seen.dropped.load(Ordering::Relaxed),
    );
    // What was computed for clients that had left, or were leaving: messages are on their way for a while.
    let after_leaving = generated.saturating_sub(tokens) as f64 / dropped.max(1) as f64;
    println!(
        "{SLOTS} slots, {CLIENTS} clients, {:.0} s: {} answered, {dropped} left early, {:.0} tokens/s",
        lasted.as_secs_f64(),
        all.len(),
        generated as f64 / lasted.as_secs_f64(),
    );
    println!(
        "queue: p50 {:?}, p99 {:?}, longest {:?}; the client with the fewest had {fewest} answers",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    println!(
        "{after_leaving:.2} tokens computed for each client that left; {before} kB at rest before, {after} kB after"
    );

    assert!(fewest > 0, "somebody was never answered: {waits:?}");
    assert!(dropped > 0 && all.len() > CLIENTS as usize / 2);
    // First come, first served: nobody waits for more than the others' turns before.
    assert!(at(1.0) < at(0.5) * 10 + Duration::from_secs(2), "{:?}", at(1.0));
    assert!(after_leaving < 20.0, "{after_leaving} tokens for each that left");
    // The last thousand lines of narration are kept.
    assert!(
        after < before + before / 20 + 2048,
        "{before} kB became {after} kB"
    );
}
