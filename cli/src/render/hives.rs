//! Hives and their devices as people see them.

use prost_types::Timestamp;
use rbee_proto::types::v1::{Device, DeviceUse, Hive, Worker};

use super::cards::Card;
use super::human::{UNKNOWN, age, size};
use super::memory_bar::Memory;
use super::paint::{Paint, Tone};
use super::plain_text::one_line;
use super::table::{Cell, Table};
use super::{words, workers};

/// Width of a memory bar.
const BAR_WIDTH: usize = 32;

fn known(text: Option<impl Into<String>>) -> Cell {
    text.map_or_else(|| Cell::from(UNKNOWN), |text| Cell::from(text.into()))
}

/// A hive's state: `ready`, `ready, draining`, `unreachable`.
pub(crate) fn state(hive: &Hive) -> (String, Tone) {
    let state = words::hive_state(hive.state);
    match (hive.draining, words::hive_tone(hive.state)) {
        (true, Tone::Good) => (format!("{state}, draining"), Tone::Busy),
        (true, tone) => (format!("{state}, draining"), tone),
        (false, tone) => (state, tone),
    }
}

/// Hives.
pub(crate) fn table(hives: &[Hive], workers: &[Worker], now: &Timestamp) -> Table {
    let mut table = Table::new([
        "NAME", "STATE", "ADDRESS", ">DEVICES", ">WORKERS", "VERSION", ">SEEN", "ID",
    ]);
    for hive in hives {
        let count = workers.iter().filter(|worker| worker.hive_id == hive.id).count();
        let (words, tone) = state(hive);
        table.row([
            hive.name.as_str().into(),
            Cell::new(words, tone),
            hive.address.as_str().into(),
            hive.devices.len().to_string().into(),
            count.to_string().into(),
            hive.version.as_str().into(),
            age(hive.last_seen_at.as_ref(), now).into(),
            hive.id.as_str().into(),
        ]);
    }
    table
}

/// Devices of all hives with who is on them. How warm and how busy they are is shown where any of them tells.
pub(crate) fn devices(hives: &[Hive]) -> Table {
    let all = || hives.iter().flat_map(|hive| &hive.devices);
    let busy = all().any(|device| device.utilization_percent.is_some());
    let warm = all().any(|device| device.temperature_celsius.is_some());
    let columns = [
        "HIVE",
        "DEVICE",
        "NAME",
        ">CORES",
        ">MEMORY",
        ">FREE",
        ">AVAILABLE",
    ];
    let mut columns = columns.to_vec();
    columns.extend(busy.then_some(">BUSY"));
    columns.extend(warm.then_some(">TEMP"));
    columns.push("WORKERS");
    let mut table = Table::new(columns);
    for hive in hives {
        for device in &hive.devices {
            let mut row: Vec<Cell> = vec![
                hive.name.as_str().into(),
                device_id(device).into(),
                device.name.as_str().into(),
                known(device.core_count.map(|cores| cores.to_string())),
                known(device.memory_total_bytes.map(size)),
                known(device.memory_free_bytes.map(size)),
                known(device.memory_available_bytes.map(size)),
            ];
            row.extend(busy.then(|| known(device.utilization_percent.map(|percent| format!("{percent}%")))));
            row.extend(
                warm.then(|| known(device.temperature_celsius.map(|degrees| format!("{degrees} °C")))),
            );
            let ids: Vec<&str> = device.uses.iter().map(|user| user.worker_id.as_str()).collect();
            row.push(known((!ids.is_empty()).then(|| ids.join(", "))));
            table.row(row);
        }
    }
    table
}

/// A device's id, with a mark where it was declared and not found.
pub(crate) fn device_id(device: &Device) -> String {
    if device.declared {
        format!("{} (declared)", device.id)
    } else {
        device.id.clone()
    }
}

/// What `rbee hive show` shows. `answers` tells whether the hive itself has just said so, or only the catalog.
pub(crate) fn show(hive: &Hive, workers: &[&Worker], answers: bool, now: &Timestamp, paint: Paint) -> String {
    let mut text = card(hive, answers, now).render(paint);
    for device in &hive.devices {
        text += &format!("\n{}", device_text(device, workers, paint));
    }
    if !workers.is_empty() {
        let counted = workers::counts(workers.iter().copied());
        text += &format!("\n{}\n", paint.strong(&counted));
        text += &workers::table(workers.iter().copied(), std::slice::from_ref(hive), now).render(paint);
    }
    text
}

fn card(hive: &Hive, answers: bool, now: &Timestamp) -> Card {
    let mut card = Card::default();
    card.fact("id", &hive.id);
    card.fact("name", &hive.name);
    let (words, tone) = state(hive);
    card.toned("state", words, tone);
    if hive.draining {
        let words = format!("takes no workers until `rbee hive resume {}`", hive.name);
        card.toned("draining", words, Tone::Busy);
    }
    card.fact("address", &hive.address);
    card.fact("version", &hive.version);
    card.known(
        "platform",
        hive.platform
            .as_ref()
            .map(|platform| format!("{}/{}", platform.os, platform.arch)),
    );
    card.known(
        "cache",
        hive.cache.as_ref().map(|cache| {
            format!(
                "{} of {}, {} of it in use",
                size(cache.used_bytes),
                size(cache.limit_bytes),
                size(cache.in_use_bytes)
            )
        }),
    );
    card.fact(
        "last seen",
        format!("{} ago", age(hive.last_seen_at.as_ref(), now)),
    );
    if !answers {
        card.toned("as of", "then: it does not answer now", Tone::Busy);
    }
    card
}

/// A device: what it is, its memory, who is on it.
fn device_text(device: &Device, workers: &[&Worker], paint: Paint) -> String {
    let facts: Vec<String> = [
        (!device.name.is_empty()).then(|| device.name.clone()),
        device.core_count.map(|cores| format!("{cores} cores")),
        device
            .utilization_percent
            .map(|percent| format!("{percent}% busy")),
        device.temperature_celsius.map(|degrees| format!("{degrees} °C")),
        (!device.compute_capability.is_empty())
            .then(|| format!("compute capability {}", device.compute_capability)),
        (!device.driver_version.is_empty()).then(|| format!("driver {}", device.driver_version)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let id = paint.strong(&one_line(&device_id(device)));
    let mut text = format!("{id}  {}", one_line(&facts.join(", ")));
    text = format!("{}\n", text.trim_end());
    if let Some(memory) = Memory::of(device) {
        text += &format!("{}  {}\n", memory.painted(BAR_WIDTH, paint), memory.words());
    }
    if !device.uses.is_empty() {
        text += &uses(&device.uses, workers).render(paint);
    }
    text
}

fn uses(uses: &[DeviceUse], workers: &[&Worker]) -> Table {
    let mut table = Table::new(["WORKER", "MODEL", ">RESERVED", ">TAKEN"]);
    for user in uses {
        let worker = workers.iter().find(|worker| worker.id == user.worker_id);
        table.row([
            user.worker_id.as_str().into(),
            known(worker.map(|worker| worker.model_id.as_str())),
            size(user.reserved_bytes).into(),
            known(user.taken_bytes.map(size)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use rbee_proto::types::v1::{HiveState, WorkerState};

    use super::*;

    const NOW: Timestamp = Timestamp {
        seconds: 1_000_000,
        nanos: 0,
    };

    fn hive() -> Hive {
        Hive {
            id: "h1".into(),
            name: "desk".into(),
            state: HiveState::Ready as i32,
            devices: vec![Device {
                id: "cpu:0".into(),
                name: "AMD EPYC".into(),
                memory_total_bytes: Some(8 << 30),
                ..Device::default()
            }],
            ..Hive::default()
        }
    }

    fn gpu() -> Device {
        Device {
            id: "cuda:0".into(),
            name: "RTX 4090".into(),
            declared: true,
            memory_total_bytes: Some(24 << 30),
            memory_free_bytes: Some(18 << 30),
            memory_available_bytes: Some(12 << 30),
            utilization_percent: Some(55),
            temperature_celsius: Some(61),
            uses: vec![DeviceUse {
                worker_id: "qwen-1".into(),
                reserved_bytes: 8 << 30,
                taken_bytes: Some(2 << 30),
            }],
            ..Device::default()
        }
    }

    #[test]
    fn devices_read_like_this() {
        assert_eq!(
            devices(&[hive()]).render(Paint::OFF),
            "HIVE  DEVICE  NAME      CORES   MEMORY  FREE  AVAILABLE  WORKERS\n\
             desk  cpu:0   AMD EPYC      -  8.0 GiB     -          -  -\n"
        );
        let mut hive = hive();
        hive.devices.push(gpu());
        assert_eq!(
            devices(&[hive]).render(Paint::OFF),
            "HIVE  DEVICE             NAME      CORES    MEMORY      FREE  AVAILABLE  BUSY   TEMP  WORKERS\n\
             desk  cpu:0              AMD EPYC      -   8.0 GiB         -          -     -      -  -\n\
             desk  cuda:0 (declared)  RTX 4090      -  24.0 GiB  18.0 GiB   12.0 GiB   55%  61 °C  qwen-1\n"
        );
    }

    #[test]
    fn a_hive_shows_what_is_on_its_devices() {
        let mut hive = hive();
        hive.devices = vec![gpu()];
        hive.draining = true;
        let worker = Worker {
            id: "qwen-1".into(),
            model_id: "local:qwen".into(),
            state: WorkerState::Draining as i32,
            hive_id: "h1".into(),
            ..Worker::default()
        };
        let text = show(&hive, &[&worker], true, &NOW, Paint::OFF);
        assert!(text.contains("state      ready, draining\n"), "{text}");
        assert!(
            text.contains(
                "\ncuda:0 (declared)  RTX 4090, 55% busy, 61 °C\n\
                 ████████▒▒▒▒▒▒▒▒░░░░░░░░░░░░░░░░  6.0 GiB used, 6.0 GiB reserved, 12.0 GiB available of 24.0 GiB\n\
                 WORKER  MODEL       RESERVED    TAKEN\n\
                 qwen-1  local:qwen   8.0 GiB  2.0 GiB\n"
            ),
            "{text}"
        );
        assert!(text.contains("\n1 worker: 1 draining\nID "), "{text}");
        assert!(!text.contains("as of") && !text.contains("cache"), "{text}");
        hive.cache = Some(rbee_proto::types::v1::CacheUse {
            limit_bytes: 100 << 30,
            used_bytes: 3 << 30,
            in_use_bytes: 1 << 30,
        });
        let cached = show(&hive, &[], true, &NOW, Paint::OFF);
        assert!(
            cached.contains("3.0 GiB of 100.0 GiB, 1.0 GiB of it in use"),
            "{cached}"
        );
        let old = show(&hive, &[], false, &NOW, Paint::OFF);
        assert!(old.contains("it does not answer now"), "{old}");
    }
}
