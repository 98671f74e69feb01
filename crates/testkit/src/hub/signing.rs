//! Signed addresses: valid for one path, for a time, and for as long as the test lets them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::request::Request;

/// Signs and checks the addresses of a CDN.
#[derive(Debug)]
pub(crate) struct Signer {
    lifetime: Duration,
    /// Addresses of an earlier generation have expired.
    generation: AtomicU64,
}

/// What a signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Valid,
    Expired,
    Forged,
}

impl Signer {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            generation: AtomicU64::new(0),
        }
    }

    /// The query that opens `path` from now on.
    pub(crate) fn sign(&self, path: &str) -> String {
        let deadline = now_ms().saturating_add(self.lifetime.as_millis() as u64);
        let signature = signature(path, deadline, self.generation.load(Ordering::SeqCst));
        format!("Expires={deadline}&Signature={signature}&Key-Pair-Id=RBEETESTKIT")
    }

    /// Ends the time of every address signed so far.
    pub(crate) fn expire_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn verify(&self, request: &Request) -> Verdict {
        let (Some(deadline), Some(given)) = (
            request.query_value("Expires").and_then(|text| text.parse().ok()),
            request.query_value("Signature"),
        ) else {
            return Verdict::Forged;
        };
        let now = self.generation.load(Ordering::SeqCst);
        let made_in = (0..=now).find(|at| signature(&request.path, deadline, *at) == given);
        match made_in {
            None => Verdict::Forged,
            Some(generation) if generation == now && deadline >= now_ms() => Verdict::Valid,
            Some(_) => Verdict::Expired,
        }
    }
}

fn signature(path: &str, deadline_ms: u64, generation: u64) -> String {
    hex::encode(Sha256::digest(format!("{generation} {deadline_ms} {path}")))
}

fn now_ms() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, query: &str) -> Request {
        Request {
            path: path.to_owned(),
            query: query.to_owned(),
            ..Request::default()
        }
    }

    #[test]
    fn an_address_opens_its_path_for_its_time() {
        let signer = Signer::new(Duration::from_secs(60));
        let query = signer.sign("/a");
        assert_eq!(signer.verify(&get("/a", &query)), Verdict::Valid);
        assert_eq!(signer.verify(&get("/b", &query)), Verdict::Forged);
        assert_eq!(signer.verify(&get("/a", "")), Verdict::Forged);
        assert_eq!(
            signer.verify(&get("/a", &query.replace("Expires=", "Expires=1"))),
            Verdict::Forged
        );
        signer.expire_all();
        assert_eq!(signer.verify(&get("/a", &query)), Verdict::Expired);
        assert_eq!(signer.verify(&get("/a", &signer.sign("/a"))), Verdict::Valid);
    }
}
