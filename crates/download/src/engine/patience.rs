//! When a slow connection is given up for another.

use std::time::Duration;

use super::config::DownloadConfig;
use crate::http::HttpError;

/// How long a connection may be slow. Only the time that the network is waited for counts, not what a limit of
/// bandwidth or the disk take.
pub(super) struct Patience {
    slow_after: Duration,
    slow_bytes: u64,
    waited: Duration,
    came: u64,
}

impl Patience {
    pub(super) fn new(config: &DownloadConfig) -> Self {
        Self {
            slow_after: config.slow_after,
            slow_bytes: config.slow_bytes,
            waited: Duration::ZERO,
            came: 0,
        }
    }

    /// Notes that `bytes` came after waiting for them so long; an error if that has been too little for too long.
    pub(super) fn check(&mut self, host: &str, waited: Duration, bytes: u64) -> Result<(), HttpError> {
        self.waited += waited;
        self.came += bytes;
        if self.waited < self.slow_after {
            return Ok(());
        }
        if self.came < self.slow_bytes {
            return Err(HttpError::TooSlow {
                host: host.to_owned(),
                bytes: self.came,
                seconds: self.waited.as_secs(),
            });
        }
        (self.waited, self.came) = (Duration::ZERO, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_slowness_that_lasts_counts() {
        let config = DownloadConfig {
            slow_after: Duration::from_secs(60),
            slow_bytes: 1000,
            ..DownloadConfig::default()
        };
        let mut patience = Patience::new(&config);
        let second = Duration::from_secs(1);
        for _ in 0..59 {
            patience.check("h", second, 1).unwrap();
        }
        patience.check("h", second, 941).unwrap();
        let slow = (0..60).find_map(|_| patience.check("h", second, 1).err());
        let Some(HttpError::TooSlow {
            bytes: 60,
            seconds: 60,
            ..
        }) = slow
        else {
            panic!("{slow:?}")
        };
    }
}
