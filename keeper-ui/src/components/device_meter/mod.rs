//! What a device does: how busy it is, what of its memory is taken and how much of that by one worker, how warm it is.
//! What was not measured is shown as unknown.

use dioxus::prelude::*;

use super::icon::{Icon, IconName};
use super::meter::{Meter, MeterPart};
use crate::model::cluster::{Device, Worker};
use crate::model::telemetry::WorkerTelemetry;
use crate::model::words::gibibytes;

/// What one worker has and does, beside its device.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WorkerShare {
    /// Memory that it has on the device, in bytes.
    pub memory_bytes: Option<u64>,
    /// Tokens per second that it generates.
    pub tokens_per_second: Option<f64>,
    /// Denoising steps per second.
    pub steps_per_second: Option<f64>,
}

impl WorkerShare {
    /// A worker's share, by what was measured of it: on a GPU its memory there, elsewhere what it has of the host's.
    #[must_use]
    pub fn of(worker: &Worker, measured: Option<&WorkerTelemetry>) -> Self {
        let Some(measured) = measured else {
            return Self::default();
        };
        let on_host = worker
            .device
            .as_ref()
            .is_some_and(|device| device.as_str().starts_with("cpu"));
        Self {
            memory_bytes: if on_host {
                measured.resident_bytes
            } else {
                measured.device_memory_bytes
            },
            tokens_per_second: measured.tokens_per_second,
            steps_per_second: measured.steps_per_second,
        }
    }

    /// How fast it is, if it does something now.
    #[must_use]
    pub fn speed(&self) -> Option<String> {
        let some = |rate: Option<f64>| rate.filter(|rate| *rate > 0.05);
        match (some(self.tokens_per_second), some(self.steps_per_second)) {
            (Some(rate), _) => Some(format!("{rate:.1} tok/s")),
            (None, Some(rate)) => Some(format!("{rate:.2} steps/s")),
            (None, None) => None,
        }
    }
}

/// A device's meters in one line, for the foot of a pane and for lists.
#[component]
pub fn DeviceMeter(
    /// The device as measured last.
    device: Device,
    /// The worker whose share stands out.
    #[props(default)]
    share: Option<WorkerShare>,
    /// Without the device's name, which is beside it already.
    #[props(default)]
    bare: bool,
) -> Element {
    let use_parts: Vec<MeterPart> = device
        .utilization_percent
        .map(|percent| MeterPart {
            share: f64::from(percent) / 100.0,
            tone: "accent",
        })
        .into_iter()
        .collect();
    let use_words = device
        .utilization_percent
        .map_or_else(|| "unknown".to_owned(), |percent| format!("{percent} %"));
    let (memory_parts, memory_words) = memory(&device, share.and_then(|share| share.memory_bytes));
    let mine = share
        .and_then(|share| share.memory_bytes)
        .map(|bytes| format!("{} by this worker", gibibytes(bytes)));
    let warm = device
        .temperature_celsius
        .map_or_else(|| "unknown".to_owned(), |celsius| format!("{celsius} °C"));
    let speed = share.and_then(|share| share.speed());
    rsx! {
        div { class: "device", role: "group", "aria-label": "Device {device.id}",
            if !bare {
                span { class: "device__name truncate", title: "{device.name}",
                    Icon { name: IconName::Device, size: 14 }
                    span { class: "truncate", "{device.id}" }
                }
            }
            span { class: "device__part", title: "How busy the device is",
                span { class: "device__label", "Use" }
                span { class: "device__bar", Meter { label: "Use of {device.id}", parts: use_parts, text: use_words.clone(), bare: true } }
                span { class: "device__value numeric", "{use_words}" }
            }
            span { class: "device__part", title: "Memory of the device that is taken",
                span { class: "device__label", "Memory" }
                span { class: "device__bar", Meter { label: "Memory of {device.id}", parts: memory_parts, text: memory_words.clone(), bare: true } }
                span { class: "device__value numeric", "{memory_words}" }
                if let Some(mine) = mine {
                    span { class: "device__mine numeric", "{mine}" }
                }
            }
            span { class: "device__part", title: "Temperature of the device",
                span { class: "device__label", "Temperature" }
                span { class: "device__value numeric", "{warm}" }
            }
            if let Some(speed) = speed {
                span { class: "device__speed numeric", "{speed}" }
            }
        }
    }
}

/// What of a device's memory is taken, the worker's share first.
fn memory(device: &Device, mine: Option<u64>) -> (Vec<MeterPart>, String) {
    let (Some(total), Some(free)) = (
        device.memory_total_bytes.filter(|total| *total > 0),
        device.memory_free_bytes,
    ) else {
        return (Vec::new(), "unknown".to_owned());
    };
    let taken = total.saturating_sub(free);
    // Files that a worker maps count as free with the system: its share can be more than what is taken.
    let mine = mine.unwrap_or(0).min(total);
    let share = |bytes: u64| bytes as f64 / total as f64;
    let mut parts = Vec::new();
    if mine > 0 {
        parts.push(MeterPart {
            share: share(mine),
            tone: "accent",
        });
    }
    parts.push(MeterPart {
        share: share(taken.saturating_sub(mine)),
        tone: "other",
    });
    (parts, format!("{} of {}", gibibytes(taken), gibibytes(total)))
}
