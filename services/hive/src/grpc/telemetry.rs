//! `WatchTelemetry`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use rbee_proto::hive::v1 as wire;
use rbee_service_kit::Fault;
use rbee_wire::timestamp_to_wire;
use tokio::time::{Interval, MissedTickBehavior};

use super::convert;
use crate::telemetry::worker::state;
use crate::telemetry::{Sample, Telemetry, WorkerSample};

/// What is taken where the client names none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// More often a sample would be taken for itself.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// More rarely a client better asks anew.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Reads the interval of a watch.
///
/// # Errors
/// If it is too short or too long.
pub(super) fn interval_from_wire(request: &wire::WatchTelemetryRequest) -> Result<Duration, Fault> {
    let Some(interval) = request.interval else {
        return Ok(DEFAULT_INTERVAL);
    };
    Duration::try_from(interval)
        .ok()
        .filter(|interval| (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(interval))
        .ok_or_else(|| Fault::invalid("interval", "must be 100 ms to 1 h"))
}

struct Watch {
    telemetry: Telemetry,
    ticks: Interval,
    previous: Option<Arc<Sample>>,
}

/// A message at once and then one at each interval. Each is measured when the client has room for it: to one that
/// reads slowly fewer are sent, none of them stale.
pub(super) fn watch(
    telemetry: Telemetry,
    interval: Duration,
) -> impl Stream<Item = wire::WatchTelemetryResponse> + Send {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch {
        telemetry,
        ticks,
        previous: None,
    };
    stream::unfold(watch, |mut watch| async move {
        watch.ticks.tick().await;
        let sample = watch.telemetry.sample().await;
        let message = to_wire(&sample, watch.previous.as_deref());
        watch.previous = Some(sample);
        Some((message, watch))
    })
}

fn to_wire(sample: &Sample, previous: Option<&Sample>) -> wire::WatchTelemetryResponse {
    let worker = |worker| worker_to_wire(sample, previous, worker);
    wire::WatchTelemetryResponse {
        time: Some(timestamp_to_wire(sample.time)),
        devices: convert::devices_to_wire(&sample.view),
        workers: sample.workers.iter().map(worker).collect(),
        cache: None,
    }
}

fn worker_to_wire(
    sample: &Sample,
    previous: Option<&Sample>,
    worker: &WorkerSample,
) -> wire::WorkerTelemetry {
    let rates = previous
        .map(|previous| sample.rates(previous, worker))
        .unwrap_or_default();
    let load = worker.load.map(|(_, load)| load);
    wire::WorkerTelemetry {
        worker_id: worker.worker.id.to_string(),
        state: state(&worker.worker).into(),
        cpu_percent: rates.used.cpu_percent,
        resident_bytes: worker.resident_bytes,
        device_memory_bytes: worker.device_memory_bytes,
        read_bytes_per_second: rates.used.read_bytes.map(|rate| rate.round() as u64),
        written_bytes_per_second: rates.used.written_bytes.map(|rate| rate.round() as u64),
        running_requests: load.map(|load| load.running),
        waiting_requests: load.map(|load| load.waiting),
        slot_count: load.map(|load| load.slots),
        tokens_per_second: rates.tokens,
        prompt_tokens_per_second: rates.prompt_tokens,
        // No worker that does any is built yet.
        steps_per_second: None,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;
    use crate::devices::{Declarations, Devices};
    use crate::host::Host;
    use crate::process::Cgroups;
    use crate::worker::Workers;

    #[tokio::test]
    async fn a_slow_client_gets_fewer_messages_and_none_that_is_stale() {
        let (devices, workers) = (Devices::of_this_host(Declarations::default()), Workers::default());
        let host = Host::new(devices.clone(), workers.clone());
        let telemetry = Telemetry::new(host, devices, workers, Cgroups::none());
        let mut stream = std::pin::pin!(watch(telemetry, SHORTEST_INTERVAL));
        let time = |message: Option<wire::WatchTelemetryResponse>| {
            let time = message.unwrap().time.unwrap();
            Duration::new(time.seconds.cast_unsigned(), time.nanos.cast_unsigned())
        };
        let first = time(stream.next().await);
        // It does something else for five intervals.
        tokio::time::sleep(SHORTEST_INTERVAL * 5).await;
        let second = time(stream.next().await);
        assert!(
            second - first >= SHORTEST_INTERVAL * 5,
            "it was measured for nobody"
        );
        let third = time(stream.next().await);
        assert!(
            third - second >= SHORTEST_INTERVAL / 2,
            "what was missed is not made up for"
        );
    }

    fn interval(seconds: i64, nanos: i32) -> Result<Duration, Fault> {
        interval_from_wire(&wire::WatchTelemetryRequest {
            interval: Some(prost_types::Duration { seconds, nanos }),
        })
    }

    #[test]
    fn an_interval_has_bounds() {
        let none = wire::WatchTelemetryRequest { interval: None };
        assert_eq!(interval_from_wire(&none).unwrap(), Duration::from_secs(1));
        assert_eq!(interval(0, 100_000_000).unwrap(), Duration::from_millis(100));
        assert_eq!(interval(3600, 0).unwrap(), Duration::from_secs(3600));
        for (seconds, nanos) in [(0, 99_999_999), (3600, 1), (0, 0), (-1, 0), (i64::MAX, 0)] {
            assert!(interval(seconds, nanos).is_err(), "{seconds} s {nanos} ns");
        }
    }
}
