//! What `show` shows: one thing, a fact a line.

use prost_types::Timestamp;
use rbee_proto::types::v1::{Hive, Model, Worker, WorkerMemory};
use rbee_proto::worker::v1::{GetInfoResponse, get_info_response::ModelInfo};
use unicode_width::UnicodeWidthStr;

use super::human::{age, count, size};
use super::lists;
use super::paint::{Paint, Tone};
use super::plain_text::one_line;
use super::words;

/// Facts by name.
#[derive(Debug, Default)]
pub(crate) struct Card {
    facts: Vec<(String, String, Tone)>,
}

impl Card {
    /// Adds a fact.
    pub(super) fn fact(&mut self, name: &str, value: impl AsRef<str>) {
        self.toned(name, value, Tone::Plain);
    }

    /// Adds a fact if it is known.
    pub(super) fn known(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value
            && !value.as_ref().is_empty()
        {
            self.fact(name, value);
        }
    }

    /// Adds a fact with a tone.
    pub(super) fn toned(&mut self, name: &str, value: impl AsRef<str>, tone: Tone) {
        self.facts.push((one_line(name), one_line(value.as_ref()), tone));
    }

    /// The lines, values aligned.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let width = self
            .facts
            .iter()
            .map(|(name, ..)| name.width())
            .max()
            .unwrap_or(0);
        self.facts
            .iter()
            .map(|(name, value, tone)| {
                let padding = " ".repeat(width - name.width());
                format!("{}{padding}  {}\n", paint.faint(name), paint.tone(*tone, value))
            })
            .collect()
    }
}

/// All that is known of a model.
pub(crate) fn model(model: &Model, now: &Timestamp) -> Card {
    let mut card = Card::default();
    card.fact("id", &model.id);
    card.known("name", Some(&model.name));
    card.toned(
        "state",
        words::model_state(model.state),
        words::model_tone(model.state),
    );
    card.known("failure", Some(&model.failure));
    card.known(
        "kind",
        words::model_kind(model.model_type.as_ref().and_then(|kind| kind.kind.as_ref())),
    );
    card.known("quantization", model.quantization.as_ref());
    card.known("parameters", model.parameter_count.map(count));
    card.known(
        "context",
        model.context_length.map(|length| format!("{length} tokens")),
    );
    card.fact("size", size(model.size_bytes));
    let types: Vec<String> = model
        .compatible_worker_types
        .iter()
        .map(|worker_type| words::worker_type(*worker_type))
        .collect();
    card.known("served by", Some(types.join(", ")));
    card.fact("vendor", words::vendor(model.vendor));
    card.fact("added", format!("{} ago", age(model.added_at.as_ref(), now)));
    for file in &model.files {
        card.fact(
            "file",
            format!("{}  {}  sha256:{}", file.name, size(file.size_bytes), file.sha256),
        );
    }
    for (name, value) in &model.metadata {
        card.fact(&format!("  {name}"), value);
    }
    card
}

/// `488.5 MiB when ready (493.2 MiB estimated), 2.1 GiB reserved`.
fn memory_words(memory: &WorkerMemory) -> String {
    let reserved = format!("{} reserved", size(memory.estimated_bytes));
    match memory.resident_bytes {
        Some(resident) => format!(
            "{} when ready ({} estimated), {reserved}",
            size(resident),
            size(memory.estimated_loaded_bytes)
        ),
        None => reserved,
    }
}

/// One worker, what it tells of itself, and why it failed.
pub(crate) fn worker(
    worker: &Worker,
    hive: Option<&Hive>,
    info: Option<&GetInfoResponse>,
    now: &Timestamp,
) -> Card {
    let mut card = Card::default();
    card.fact("id", &worker.id);
    card.toned(
        "state",
        lists::worker_state(worker),
        words::worker_tone(worker.state),
    );
    card.fact("model", &worker.model_id);
    card.fact("type", words::worker_type(worker.worker_type));
    card.fact("hive", hive.map_or(&worker.hive_id, |hive| &hive.name));
    card.fact("device", &worker.device_id);
    card.known("address", Some(&worker.hive_address));
    card.known(
        "process",
        worker.process_id.map(|process_id| process_id.to_string()),
    );
    if let Some(memory) = &worker.memory {
        card.fact("memory", memory_words(memory));
    }
    card.fact("age", age(worker.created_at.as_ref(), now));
    card.known(
        "context",
        worker.context_length.map(|length| format!("{length} tokens")),
    );
    if let Some(info) = info {
        card.fact("version", &info.version);
        if let Some(ModelInfo::Llm(llm)) = &info.model_info {
            card.fact("architecture", &llm.architecture);
            card.fact(
                "template",
                if llm.has_chat_template {
                    "chat"
                } else {
                    "none: base model"
                },
            );
        }
        if let Some(load) = &info.load {
            card.fact(
                "running",
                format!("{} of {} slots", load.running_requests, load.slot_count),
            );
            card.fact(
                "waiting",
                format!("{} of {} places", load.waiting_requests, load.queue_length),
            );
            card.fact("generated", format!("{} tokens", load.generated_tokens));
        }
    }
    if let Some(failure) = &worker.failure {
        card.toned("failure", &failure.reason, Tone::Bad);
        card.fact("why", &failure.message);
        card.known("exit code", failure.exit_code.map(|code| code.to_string()));
        card.known("signal", failure.signal.map(|signal| signal.to_string()));
        for line in &failure.log_tail {
            card.toned("log", line, Tone::Faint);
        }
    }
    card
}

/// One hive.
pub(crate) fn hive(hive: &Hive, now: &Timestamp) -> Card {
    let mut card = Card::default();
    card.fact("id", &hive.id);
    card.fact("name", &hive.name);
    card.toned(
        "state",
        words::hive_state(hive.state),
        words::hive_tone(hive.state),
    );
    card.fact("address", &hive.address);
    card.fact("version", &hive.version);
    card.known(
        "platform",
        hive.platform
            .as_ref()
            .map(|platform| format!("{}/{}", platform.os, platform.arch)),
    );
    card.fact(
        "last seen",
        format!("{} ago", age(hive.last_seen_at.as_ref(), now)),
    );
    card
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1::{WorkerFailure, WorkerState};

    use super::*;

    #[test]
    fn a_failed_worker_tells_its_last_words() {
        let failed = Worker {
            id: "w1".into(),
            model_id: "local:qwen".into(),
            device_id: "cpu:0".into(),
            memory: Some(WorkerMemory {
                estimated_bytes: 2 << 30,
                estimated_loaded_bytes: 500 << 20,
                resident_bytes: Some(488 << 20),
                limit_bytes: None,
            }),
            state: WorkerState::Failed as i32,
            failure: Some(WorkerFailure {
                reason: "WORKER_EXITED".into(),
                message: "killed by signal 9".into(),
                signal: Some(9),
                log_tail: vec!["loading".into(), "out of memory".into()],
                ..WorkerFailure::default()
            }),
            ..Worker::default()
        };
        let text = worker(&failed, None, None, &Timestamp::default()).render(Paint::OFF);
        assert!(text.contains("state    failed: WORKER_EXITED\n"), "{text}");
        assert!(
            text.contains("memory   488.0 MiB when ready (500.0 MiB estimated), 2.0 GiB reserved\n"),
            "{text}"
        );
        assert!(text.contains("why      killed by signal 9\n"), "{text}");
        assert!(
            text.contains("log      loading\nlog      out of memory\n"),
            "{text}"
        );
        assert!(!text.contains("exit code"), "{text}");
    }
}
