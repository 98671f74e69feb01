//! Asking a worker how it is.

use std::time::{Duration, Instant};

use rbee_service_kit::client::ClientChannel;
use tokio::sync::mpsc;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::domain::Event;

/// Between checks while the model loads: a small model is ready in no time.
const LOADING_INTERVAL: Duration = Duration::from_millis(25);

/// How often and how patiently to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Between checks once it serves.
    pub(crate) interval: Duration,
    /// Without any answer for this long it is taken for hung.
    pub(crate) limit: Duration,
}

/// Asks on and on, until nobody wants to hear: tells when the worker serves for the first time,
/// and when it has stopped answering.
pub(crate) async fn probe(channel: ClientChannel, patience: Patience, events: mpsc::Sender<Event>) {
    let mut client = HealthClient::new(channel);
    loop {
        let serving = check(&mut client, patience.limit).await == Some(true);
        if serving {
            break;
        }
        tokio::time::sleep(LOADING_INTERVAL).await;
    }
    if events.send(Event::Serving).await.is_err() {
        return;
    }
    let mut answered = Instant::now();
    loop {
        tokio::time::sleep(patience.interval).await;
        let left = patience.limit.saturating_sub(answered.elapsed());
        // An answer is a sign of life, whatever it says.
        if check(&mut client, left).await.is_some() {
            answered = Instant::now();
        } else if answered.elapsed() >= patience.limit {
            let _ = events.send(Event::Unresponsive(answered.elapsed())).await;
            return;
        }
    }
}

/// Whether it serves; `None` if it doesn't answer.
async fn check(client: &mut HealthClient<ClientChannel>, limit: Duration) -> Option<bool> {
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let answer = tokio::time::timeout(limit, client.check(request))
        .await
        .ok()?
        .ok()?;
    Some(answer.into_inner().status() == ServingStatus::Serving)
}
