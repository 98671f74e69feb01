//! What the hubs saw and sent, for tests to assert on.

use parking_lot::Mutex;

use super::fault::Fault;
use super::request::Request;

/// One of a hub's three servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host {
    /// The hub itself: listings, and redirects to files.
    Api,
    /// Where signed addresses lead.
    Cdn,
    /// A stranger.
    Foreign,
}

/// A request as a server saw it. Tokens are not kept, only whether one came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Who was asked.
    pub host: Host,
    /// `GET`, `HEAD`, …
    pub method: String,
    /// Percent-encoded, as it came.
    pub path: String,
    /// Percent-encoded, as it came, without the question mark.
    pub query: String,
    /// `Range`.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// `Accept-Encoding`.
    pub accept_encoding: Option<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Whether `Authorization` was there, whatever it held.
    pub authorization: bool,
    /// The faults that its answer met.
    pub faults: Vec<Fault>,
    /// The status that was answered; `None` if no answer began.
    pub status: Option<u16>,
    /// Bytes of the body handed to the kernel so far, without framing.
    pub body_bytes: u64,
}

/// The requests of all servers of a hub, in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct RequestLog(Mutex<Vec<RecordedRequest>>);

impl RequestLog {
    /// Notes a request; the number names it in what follows.
    pub(crate) fn open(&self, host: Host, request: &Request, faults: &[Fault]) -> usize {
        let header = |name: &str| request.header(name).map(str::to_owned);
        let mut requests = self.0.lock();
        requests.push(RecordedRequest {
            host,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            range: header("range"),
            if_range: header("if-range"),
            accept_encoding: header("accept-encoding"),
            user_agent: header("user-agent"),
            authorization: request.header("authorization").is_some(),
            faults: faults.to_vec(),
            status: None,
            body_bytes: 0,
        });
        requests.len() - 1
    }

    pub(crate) fn answered(&self, number: usize, status: u16) {
        self.update(number, |entry| entry.status = Some(status));
    }

    pub(crate) fn sent(&self, number: usize, bytes: u64) {
        self.update(number, |entry| entry.body_bytes += bytes);
    }

    fn update(&self, number: usize, change: impl FnOnce(&mut RecordedRequest)) {
        change(&mut self.0.lock()[number]);
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.0.lock().clone()
    }

    /// Sums without copying: for meters that look often.
    pub(crate) fn body_bytes(&self, host: Host) -> u64 {
        let requests = self.0.lock();
        requests
            .iter()
            .filter(|entry| entry.host == host)
            .map(|entry| entry.body_bytes)
            .sum()
    }
}
