//! How much one client may ask: calls a second, and calls at the same time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::Code;

use crate::config::LimitsConfig;
use crate::{Fault, reason};

/// Clients that are remembered. Where more come than can be told apart, the rest count as one.
const MOST_CLIENTS: usize = 4096;

/// How soon a client with too many calls at the same time may ask again: one of them has to end first.
const AFTER_CONCURRENT: Duration = Duration::from_secs(1);

/// Who counts as one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Who shows this token of the list.
    Named(String),
    /// An address. Of IPv6 the first half, which is what one household or machine has to itself.
    Address(IpAddr),
    /// All for whom there is no room.
    Others,
}

impl Client {
    /// The client at an address.
    pub(super) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Counts what clients ask. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub(super) struct Limiter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    calls_per_second: f64,
    burst: f64,
    concurrent: u32,
    clients: Mutex<HashMap<Client, Account>>,
}

/// What a client has left.
#[derive(Debug)]
struct Account {
    /// Calls that it may begin now: a bucket that fills at a steady rate.
    left: f64,
    at: Instant,
    running: u32,
}

/// A call that counts until this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    shared: Arc<Shared>,
    client: Client,
}

impl Limiter {
    pub(super) fn new(config: &LimitsConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                calls_per_second: config.calls_per_second.into(),
                burst: config.burst.max(1).into(),
                concurrent: config.concurrent_calls,
                clients: Mutex::default(),
            }),
        }
    }

    /// Counts a call, or says why it is too much.
    pub(super) fn begin(&self, client: Client) -> Result<Running, Fault> {
        let shared = &self.shared;
        let now = Instant::now();
        let mut clients = shared.clients.lock();
        let client = if clients.contains_key(&client) || clients.len() < MOST_CLIENTS {
            client
        } else {
            clients.retain(|_, account| account.running > 0 || !account.is_full(shared, now));
            if clients.len() < MOST_CLIENTS {
                client
            } else {
                Client::Others
            }
        };
        let account = clients.entry(client.clone()).or_insert(Account {
            left: shared.burst,
            at: now,
            running: 0,
        });
        account.take(shared, now)?;
        if shared.concurrent > 0 && account.running >= shared.concurrent {
            return Err(Fault::new(
                Code::ResourceExhausted,
                reason::TOO_MANY_CALLS,
                format!("{} calls of this client run already", account.running),
            )
            .with("limit", shared.concurrent)
            .retry_after(AFTER_CONCURRENT));
        }
        account.running += 1;
        Ok(Running {
            shared: shared.clone(),
            client,
        })
    }
}

impl Account {
    fn filled(&self, shared: &Shared, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + since * shared.calls_per_second).min(shared.burst)
    }

    fn is_full(&self, shared: &Shared, now: Instant) -> bool {
        self.filled(shared, now) >= shared.burst
    }

    fn take(&mut self, shared: &Shared, now: Instant) -> Result<(), Fault> {
        if shared.calls_per_second <= 0.0 {
            return Ok(());
        }
        self.left = self.filled(shared, now);
        self.at = now;
        if self.left < 1.0 {
            let wait = Duration::from_secs_f64((1.0 - self.left) / shared.calls_per_second);
            return Err(Fault::new(
                Code::ResourceExhausted,
                reason::RATE_LIMITED,
                format!(
                    "more than {} calls a second of one client",
                    shared.calls_per_second
                ),
            )
            .with("limit", shared.calls_per_second)
            // A wait that is written as 0 would be none.
            .retry_after(wait.max(Duration::from_millis(1))));
        }
        self.left -= 1.0;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(account) = self.shared.clients.lock().get_mut(&self.client) {
            account.running = account.running.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RemoteFault;

    fn limiter(calls_per_second: u32, burst: u32, concurrent_calls: u32) -> Limiter {
        Limiter::new(&LimitsConfig {
            calls_per_second,
            burst,
            concurrent_calls,
            ..LimitsConfig::default()
        })
    }

    fn ada() -> Client {
        Client::Named("ada".into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_gets_its_burst_and_then_its_rate() {
        let limiter = limiter(10, 3, 0);
        for _ in 0..3 {
            limiter.begin(ada()).unwrap();
        }
        let refused = RemoteFault::from(&limiter.begin(ada()).unwrap_err().into());
        assert!(refused.is(reason::RATE_LIMITED));
        assert_eq!(refused.code, Code::ResourceExhausted);
        let wait = refused.retry_after.unwrap();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        limiter.begin(Client::Named("bob".into())).unwrap();

        tokio::time::sleep(wait).await;
        limiter.begin(ada()).unwrap();
        assert!(limiter.begin(ada()).is_err());
        tokio::time::sleep(Duration::from_secs(60)).await;
        for _ in 0..3 {
            limiter.begin(ada()).unwrap();
        }
        assert!(
            limiter.begin(ada()).is_err(),
            "silence gives no more than the burst"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn calls_at_the_same_time_are_counted_until_they_end() {
        let limiter = limiter(0, 1, 2);
        let first = limiter.begin(ada()).unwrap();
        let _second = limiter.begin(ada()).unwrap();
        let refused = RemoteFault::from(&limiter.begin(ada()).unwrap_err().into());
        assert!(refused.is(reason::TOO_MANY_CALLS) && refused.retry_after.is_some());
        drop(first);
        limiter.begin(ada()).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_is_counted_in_bounded_memory() {
        let limiter = limiter(1, 1, 0);
        for number in 0..2 * MOST_CLIENTS as u32 {
            // The rest share one account, and most of them are refused.
            let _ = limiter.begin(Client::Address(std::net::Ipv4Addr::from(number).into()));
        }
        assert!(limiter.shared.clients.lock().len() <= MOST_CLIENTS + 1);
        assert!(limiter.begin(Client::Named("late".into())).is_err());
        tokio::time::sleep(Duration::from_secs(2)).await;
        limiter.begin(Client::Named("late".into())).unwrap();
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_client() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
