//! The engine over a scripted model: the next token is always the last one plus one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::*;
use crate::model::ModelInfo;
use crate::sampling::SamplingParams;

const VOCAB: usize = 1000;
const CONTEXT: usize = 200;
/// Appending this token fails, and this one panics.
const FAILS: u32 = 900;
const PANICS: u32 = 901;

fn info() -> ModelInfo {
    ModelInfo {
        architecture: "counting".to_owned(),
        name: None,
        quantization: None,
        vocab_size: VOCAB,
        context_length: CONTEXT,
        trained_context_length: CONTEXT,
        embedding_length: 1,
        layer_count: 1,
        parameter_count: 1,
        weights_bytes: 1,
        pooling: None,
        kv_bytes_per_token: 1,
    }
}

/// What the test sees of the model.
#[derive(Clone, Default)]
struct Seen {
    steps: Arc<AtomicUsize>,
    tokens: Arc<AtomicUsize>,
    largest_batch: Arc<AtomicUsize>,
}

struct Counting {
    info: ModelInfo,
    sequences: HashMap<SequenceId, Vec<u32>>,
    opened: u64,
    /// A step waits for one message; a closed channel lets everything pass.
    gate: Receiver<()>,
    seen: Seen,
}

impl Backend for Counting {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn open(&mut self, capacity_tokens: usize) -> Result<SequenceId, BackendError> {
        self.opened += 1;
        self.sequences
            .insert(SequenceId(self.opened), Vec::with_capacity(capacity_tokens));
        Ok(SequenceId(self.opened))
    }

    fn fork(
        &mut self,
        other: SequenceId,
        tokens: usize,
        capacity_tokens: usize,
    ) -> Result<SequenceId, BackendError> {
        let begin = self.sequences[&other][..tokens].to_vec();
        let sequence = self.open(capacity_tokens)?;
        self.sequences.insert(sequence, begin);
        Ok(sequence)
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence);
    }

    fn step(&mut self, batch: &mut [SequenceStep<'_>]) -> Result<(), BackendError> {
        let _ = self.gate.recv();
        self.seen.steps.fetch_add(1, Ordering::SeqCst);
        self.seen.largest_batch.fetch_max(batch.len(), Ordering::SeqCst);
        for step in batch {
            let tokens = self
                .sequences
                .get_mut(&step.sequence)
                .ok_or(BackendError::UnknownSequence(step.sequence))?;
            tokens.extend_from_slice(step.tokens);
            self.seen.tokens.fetch_add(step.tokens.len(), Ordering::SeqCst);
            let last = *tokens.last().expect("a step has tokens");
            assert_ne!(last, PANICS, "the scripted model panics");
            if last == FAILS {
                return Err(BackendError::NotFinite);
            }
            let (told, logits) = match &mut step.logits {
                LogitsWanted::Nothing => continue,
                LogitsWanted::Last(logits) => (&[last][..], logits),
                LogitsWanted::All(logits) => (step.tokens, logits),
            };
            logits.clear();
            for &token in told {
                let begin = logits.len();
                logits.resize(begin + VOCAB, 0.0);
                logits[begin + (token as usize + 1) % VOCAB] = 9.0;
            }
        }
        Ok(())
    }

    fn sequence_bytes(&self, sequence: SequenceId) -> u64 {
        self.sequences[&sequence].len() as u64
    }

    fn bytes_for(&self, tokens: usize) -> u64 {
        tokens as u64
    }
}

/// Writes token ids as words; stops at one of them.
struct Words {
    stop_at: Option<u32>,
}

impl TokenSink for Words {
    fn push(&mut self, token: u32) -> Pushed {
        if Some(token) == self.stop_at {
            return Pushed {
                stop: true,
                ..Pushed::default()
            };
        }
        Pushed {
            text: format!("{token} "),
            ..Pushed::default()
        }
    }

    fn finish(&mut self) -> String {
        "tail".to_owned()
    }
}

fn engine(slots: usize, queue: usize) -> (Engine, Sender<()>, Seen) {
    limited_engine(slots, queue, None)
}

/// An engine with memory for so many tokens.
fn limited_engine(slots: usize, queue: usize, kv_limit_bytes: Option<u64>) -> (Engine, Sender<()>, Seen) {
    let (open_gate, gate) = channel();
    let seen = Seen::default();
    let backend = Counting {
        info: info(),
        sequences: HashMap::new(),
        opened: 0,
        gate,
        seen: seen.clone(),
    };
    let config = EngineConfig {
        slots,
        queue,
        prefill_chunk: 4,
        kv_limit_bytes,
    };
    let engine = Engine::start(Box::new(backend), config).expect("a thread starts");
    (engine, open_gate, seen)
}

fn request(prompt: &[u32], max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        prompt: prompt.to_vec(),
        sampling: SamplingParams::greedy(),
        max_tokens: Some(max_tokens),
        end_tokens: vec![50],
        ..GenerateRequest::new(Box::new(Words { stop_at: None }))
    }
}

async fn collect(mut stream: TokenStream) -> (String, Result<Finish, EngineError>) {
    let mut text = String::new();
    loop {
        match stream.next().await.expect("a stream ends with a last word") {
            Ok(Event::Started | Event::Prompt(_)) => {
                assert!(text.is_empty(), "it starts once, before any token");
            }
            Ok(Event::Token(delta)) => text.push_str(&delta.text),
            Ok(Event::Finished(finish)) => {
                assert!(stream.next().await.is_none(), "nothing comes after the end");
                return (text, Ok(finish));
            }
            Err(error) => return (text, Err(error)),
        }
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn answers_until_the_end_token() {
    let (engine, gate, _) = engine(1, 0);
    drop(gate);
    let stream = engine.generate(request(&[1, 2, 3, 4, 5, 46], 100)).unwrap();
    let (text, finish) = collect(stream).await;
    let finish = finish.unwrap();
    assert_eq!(text, "47 48 49 ");
    assert_eq!(finish.reason, FinishReason::EndOfGeneration);
    assert_eq!(finish.text, "tail");
    let usage = Usage {
        prompt_tokens: 6,
        cached_tokens: 0,
        completion_tokens: 3,
    };
    assert_eq!(finish.usage, usage);
    assert!(finish.timings.time_to_first_token.unwrap() >= finish.timings.queue);
    assert!(finish.timings.prefill_tokens_per_second.unwrap() > 0.0);
    assert!(finish.timings.decode_tokens_per_second.unwrap() > 0.0);
    let stats = engine.stats();
    assert_eq!(
        (stats.prefill_tokens, stats.generated_tokens, stats.finished),
        (6, 3, 1)
    );
    assert_eq!((stats.running, stats.waiting, stats.sequence_bytes), (0, 0, 0));
}

#[tokio::test]
async fn ends_at_the_limit_at_the_stop_string_and_at_the_end_of_the_context() {
    let (engine, gate, _) = engine(1, 0);
    drop(gate);
    let (text, finish) = collect(engine.generate(request(&[1], 2)).unwrap()).await;
    assert_eq!(
        (text.as_str(), finish.unwrap().reason),
        ("2 3 ", FinishReason::Length)
    );

    let mut stopped = request(&[1], 20);
    stopped.sink = Box::new(Words { stop_at: Some(4) });
    let (text, finish) = collect(engine.generate(stopped).unwrap()).await;
    let finish = finish.unwrap();
    assert_eq!((text.as_str(), finish.reason), ("2 3 ", FinishReason::StopString));
    assert_eq!((finish.text.as_str(), finish.usage.completion_tokens), ("", 3));

    let mut unlimited = request(&[100; 150], 1);
    unlimited.max_tokens = None;
    let (_, finish) = collect(engine.generate(unlimited).unwrap()).await;
    let finish = finish.unwrap();
    assert_eq!(finish.reason, FinishReason::Length);
    assert_eq!(finish.usage.completion_tokens, CONTEXT - 150);
}

#[tokio::test]
async fn a_full_queue_says_so_and_has_room_again_when_a_request_ends() {
    let (engine, gate, _) = engine(1, 1);
    let first = engine.generate(request(&[1], 5)).unwrap();
    let second = engine.generate(request(&[1], 5)).unwrap();
    let error = engine.generate(request(&[1], 5)).unwrap_err();
    let EngineError::QueueFull {
        slots: 1,
        queue: 1,
        retry_after,
    } = error
    else {
        panic!("{error}")
    };
    assert!(retry_after >= Duration::from_secs(1));
    until("the first one runs", || engine.stats().running == 1).await;
    assert_eq!(engine.stats().waiting, 1);
    drop(gate);
    collect(first).await.1.unwrap();
    collect(second).await.1.unwrap();
    until("a place is free", || engine.generate(request(&[1], 5)).is_ok()).await;
}

#[tokio::test]
async fn a_dropped_stream_ends_its_sequence_within_one_token() {
    let (engine, gate, seen) = engine(1, 1);
    let mut stream = engine.generate(request(&[60], 100)).unwrap();
    for _ in 0..3 {
        gate.send(()).unwrap();
    }
    // That it started, and three tokens.
    for _ in 0..4 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    // One more step may have been under way already; let everything pass from here on.
    drop(gate);
    until("the slot is free", || engine.stats().running == 0).await;
    assert!(seen.steps.load(Ordering::SeqCst) <= 4);
    let stats = engine.stats();
    assert_eq!((stats.cancelled, stats.sequence_bytes), (1, 0));
    assert!(stats.generated_tokens <= 4);
    collect(engine.generate(request(&[1], 5)).unwrap())
        .await
        .1
        .unwrap();
}

#[tokio::test]
async fn a_dropped_stream_ends_a_prompt_within_one_chunk_and_leaves_the_queue() {
    let (engine, gate, seen) = engine(1, 1);
    let stream = engine.generate(request(&[60; 100], 100)).unwrap();
    let waiting = engine.generate(request(&[60; 100], 100)).unwrap();
    gate.send(()).unwrap();
    until("a chunk is computed", || seen.tokens.load(Ordering::SeqCst) == 4).await;
    drop(waiting);
    drop(stream);
    drop(gate);
    until("both are gone", || engine.stats().cancelled == 2).await;
    assert!(seen.tokens.load(Ordering::SeqCst) <= 8);
    assert_eq!(engine.stats().sequence_bytes, 0);
}

#[tokio::test]
async fn a_prompt_that_begins_as_another_is_not_computed_twice() {
    let (engine, gate, seen) = engine(1, 4);
    drop(gate);
    let (_, first) = collect(engine.generate(request(&[1, 2, 3, 4, 5, 6], 4)).unwrap()).await;
    assert_eq!(first.unwrap().usage.cached_tokens, 0);
    // The prompt, and all of the answer but its last token.
    assert_eq!(seen.tokens.load(Ordering::SeqCst), 9);

    // The next turn: prompt, answer (7 8 9 10), something new.
    let prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20];
    let (text, second) = collect(engine.generate(request(&prompt, 2)).unwrap()).await;
    let usage = second.unwrap().usage;
    assert_eq!(
        (text.as_str(), usage.cached_tokens, usage.prompt_tokens),
        ("21 22 ", 9, 11)
    );
    assert_eq!(seen.tokens.load(Ordering::SeqCst), 9 + 2 + 1);

    // The same prompt again: its last token is computed, for nobody kept what came out.
    let (text, third) = collect(engine.generate(request(&prompt, 2)).unwrap()).await;
    assert_eq!(
        (text.as_str(), third.unwrap().usage.cached_tokens),
        ("21 22 ", 10)
    );

    // One that must come out the same takes only what was computed in chunks of 4.
    let exact = GenerateRequest {
        reproducible: true,
        ..request(&prompt, 2)
    };
    let (text, fourth) = collect(engine.generate(exact).unwrap()).await;
    assert_eq!(
        (text.as_str(), fourth.unwrap().usage.cached_tokens),
        ("21 22 ", 4)
    );
    assert_eq!(engine.stats().cached_tokens, 9 + 10 + 4);
    assert_eq!(engine.stats().sequence_bytes, 0);
}

#[tokio::test]
async fn what_a_failure_left_is_not_used_again() {
    let (engine, gate, _) = engine(1, 1);
    drop(gate);
    let (_, failed) = collect(engine.generate(request(&[1, 2, FAILS], 4)).unwrap()).await;
    assert!(failed.is_err());
    assert_eq!(engine.stats().kept_sequences, 0);
    let (_, next) = collect(engine.generate(request(&[1, 2, 3], 1)).unwrap()).await;
    assert_eq!(next.unwrap().usage.cached_tokens, 0);
}

#[tokio::test]
async fn what_is_kept_makes_room_the_least_recently_used_first() {
    // Memory for 200 tokens, the smallest there is: three of these fit, four do not.
    let (engine, gate, _) = limited_engine(1, 4, Some(1));
    drop(gate);
    let turn = |first: u32, tokens: usize| request(&vec![first; tokens], 1);
    for first in [100, 200, 300] {
        collect(engine.generate(turn(first, 60)).unwrap())
            .await
            .1
            .unwrap();
    }
    let cached = async |first| {
        let finish = collect(engine.generate(turn(first, 60)).unwrap())
            .await
            .1
            .unwrap();
        finish.usage.cached_tokens
    };
    assert_eq!(engine.stats().kept_sequences, 3);
    assert_eq!(cached(100).await, 59);
    collect(engine.generate(turn(400, 60)).unwrap()).await.1.unwrap();
    assert!(engine.stats().kept_bytes <= 200);
    assert_eq!(cached(200).await, 0, "it was of no use for the longest time");
    assert_eq!(cached(400).await, 59);
}

#[tokio::test]
async fn a_request_waits_until_its_longest_answer_has_memory() {
    let (engine, gate, seen) = limited_engine(2, 2, Some(250));
    let first = engine.generate(request(&[1], 149)).unwrap();
    let second = engine.generate(request(&[100], 149)).unwrap();
    // A third that would fit does not overtake.
    let third = engine.generate(request(&[200], 9)).unwrap();
    until("the first runs", || engine.stats().running == 1).await;
    for _ in 0..10 {
        gate.send(()).unwrap();
    }
    until("ten steps", || seen.steps.load(Ordering::SeqCst) == 10).await;
    assert_eq!((engine.stats().running, engine.stats().waiting), (1, 2));
    drop(gate);
    drop(first);
    let (_, second) = collect(second).await;
    assert_eq!(second.unwrap().usage.completion_tokens, 149);
    collect(third).await.1.unwrap();
    assert_eq!(
        seen.largest_batch.load(Ordering::SeqCst),
        2,
        "both fit beside each other"
    );
}

#[tokio::test]
async fn sequences_share_steps_and_do_not_mix() {
    let (engine, gate, seen) = engine(3, 0);
    let streams: Vec<_> = [1, 200, 300]
        .map(|first| engine.generate(request(&[first; 9], 20)).unwrap())
        .into();
    until("all are known", || {
        engine.stats().waiting + engine.stats().running == 3
    })
    .await;
    drop(gate);
    for (stream, first) in streams.into_iter().zip([1, 200, 300]) {
        let (text, finish) = collect(stream).await;
        let expected: String = (first + 1..=first + 20)
            .map(|token| format!("{token} "))
            .collect();
        assert_eq!(text, expected);
        assert_eq!(finish.unwrap().usage.completion_tokens, 20);
    }
    assert_eq!(seen.largest_batch.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_failed_step_ends_its_sequence_and_not_the_engine() {
    let (engine, gate, _) = engine(1, 1);
    drop(gate);
    let (text, finish) = collect(engine.generate(request(&[FAILS - 2], 9)).unwrap()).await;
    assert_eq!(text, "899 900 ");
    assert!(matches!(finish.unwrap_err(), EngineError::Failed { message } if message.contains("finite")));
    assert_eq!((engine.stats().failed, engine.stats().sequence_bytes), (1, 0));
    collect(engine.generate(request(&[1], 5)).unwrap())
        .await
        .1
        .unwrap();
}

#[tokio::test]
async fn a_panic_ends_every_stream_and_shows() {
    let (engine, gate, _) = engine(1, 1);
    let first = engine.generate(request(&[PANICS], 9)).unwrap();
    let second = engine.generate(request(&[1], 9)).unwrap();
    drop(gate);
    for stream in [first, second] {
        let error = collect(stream).await.1.unwrap_err();
        assert!(
            matches!(&error, EngineError::Failed { message } if message.contains("panics")),
            "{error}"
        );
    }
    let exit = engine.exited().await;
    assert!(matches!(exit, EngineExit::Panicked { message } if message.contains("panics")));
    assert!(matches!(
        engine.generate(request(&[1], 9)),
        Err(EngineError::Failed { .. })
    ));
}

#[tokio::test]
async fn draining_finishes_what_was_accepted_and_refuses_more() {
    let (engine, gate, _) = engine(1, 1);
    let first = engine.generate(request(&[1], 9)).unwrap();
    let second = engine.generate(request(&[1], 9)).unwrap();
    let draining = tokio::spawn({
        let engine = engine.clone();
        async move { engine.drain().await }
    });
    until("new requests are refused", || {
        matches!(
            engine.generate(request(&[1], 9)),
            Err(EngineError::ShuttingDown | EngineError::QueueFull { .. })
        )
    })
    .await;
    drop(gate);
    collect(first).await.1.unwrap();
    collect(second).await.1.unwrap();
    assert_eq!(draining.await.unwrap(), EngineExit::Stopped);
    assert_eq!(
        engine.generate(request(&[1], 9)).unwrap_err(),
        EngineError::ShuttingDown
    );
}

#[tokio::test]
async fn aborting_ends_everything_after_the_step_that_runs() {
    let (engine, gate, _) = engine(1, 1);
    let first = engine.generate(request(&[60], 90)).unwrap();
    let second = engine.generate(request(&[1], 9)).unwrap();
    until("the first one runs", || engine.stats().running == 1).await;
    let aborting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.abort().await }
    });
    until("new requests are refused", || {
        matches!(engine.generate(request(&[1], 9)), Err(EngineError::ShuttingDown))
    })
    .await;
    drop(gate);
    assert_eq!(aborting.await.unwrap(), EngineExit::Stopped);
    for stream in [first, second] {
        assert_eq!(collect(stream).await.1.unwrap_err(), EngineError::ShuttingDown);
    }
}

#[tokio::test]
async fn the_last_handle_gone_the_streams_still_end_well() {
    let (engine, gate, _) = engine(1, 0);
    let stream = engine.generate(request(&[1], 5)).unwrap();
    drop(engine);
    drop(gate);
    assert_eq!(collect(stream).await.1.unwrap().usage.completion_tokens, 5);
}

#[tokio::test]
async fn refuses_what_cannot_be_answered() {
    let (engine, _gate, seen) = engine(1, 0);
    let refused = |change: fn(&mut GenerateRequest)| {
        let mut request = request(&[1], 5);
        change(&mut request);
        engine.generate(request).unwrap_err()
    };
    assert_eq!(refused(|r| r.prompt.clear()), EngineError::EmptyPrompt);
    assert_eq!(refused(|r| r.max_tokens = Some(0)), EngineError::NoTokensWanted);
    assert_eq!(
        refused(|r| r.prompt.push(1000)),
        EngineError::UnknownToken {
            token: 1000,
            vocab_size: VOCAB
        }
    );
    assert!(matches!(refused(|r| r.sampling.top_p = 7.0), EngineError::Sampling(e) if e.field == "top_p"));
    assert!(matches!(
        refused(|r| r.prompt = vec![1; 198]),
        EngineError::ContextOverflow {
            over_by: 3,
            prompt_tokens: 198,
            ..
        }
    ));
    assert!(matches!(
        refused(|r| {
            r.prompt = vec![1; 200];
            r.max_tokens = None;
        }),
        EngineError::ContextOverflow { over_by: 1, .. }
    ));
    assert_eq!(seen.steps.load(Ordering::SeqCst), 0);
}
