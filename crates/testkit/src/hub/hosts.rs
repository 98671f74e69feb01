//! The three servers of a hub, and the handles on them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::body::FileBody;
use super::cdn::Cdn;
use super::foreign::Foreign;
use super::log::{Host, RecordedRequest, RequestLog};
use super::plan::FaultPlan;
use super::server::{Server, Shared, Site, bind};
use super::signing::Signer;

/// API, CDN and foreign host of one hub: what they saw, and what shall go wrong. They listen until dropped.
#[derive(Debug)]
pub struct Hosts {
    api: Server,
    cdn: Server,
    foreign: Server,
    stranger: Arc<Foreign>,
    log: Arc<RequestLog>,
    faults: Arc<FaultPlan>,
    signer: Arc<Signer>,
}

/// A free port of loopback.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Base addresses, `http://127.0.0.1:port`.
#[derive(Debug, Clone)]
pub(crate) struct Bases {
    pub(crate) api: String,
    pub(crate) cdn: String,
}

impl Hosts {
    /// Binds three ports of one address, the API's own being `api`, then builds the sites, which need to know each other's addresses. Building may
    /// hash gigabytes and so has a thread of its own.
    pub(crate) async fn start<A: Site + 'static>(
        api: SocketAddr,
        signed_for: Duration,
        build: impl FnOnce(Bases, Arc<Signer>) -> (A, Cdn) + Send + 'static,
    ) -> Self {
        let any_port = SocketAddr::new(api.ip(), 0);
        let ((api, api_address), (cdn, cdn_address), (foreign, foreign_address)) =
            (bind(api).await, bind(any_port).await, bind(any_port).await);
        let bases = Bases {
            api: base(api_address),
            cdn: base(cdn_address),
        };
        let signer = Arc::new(Signer::new(signed_for));
        let signing = Arc::clone(&signer);
        let (api_site, cdn_site) = tokio::task::spawn_blocking(move || build(bases, signing))
            .await
            .expect("a hub's content can be built");
        let (log, faults) = (Arc::new(RequestLog::default()), Arc::new(FaultPlan::default()));
        let stranger = Arc::new(Foreign::new());
        let shared = |host, site: Arc<dyn Site>| Shared {
            host,
            site,
            log: Arc::clone(&log),
            faults: Arc::clone(&faults),
            foreign: base(foreign_address),
        };
        Self {
            api: Server::start(api, shared(Host::Api, Arc::new(api_site))),
            cdn: Server::start(cdn, shared(Host::Cdn, Arc::new(cdn_site))),
            foreign: Server::start(
                foreign,
                shared(Host::Foreign, Arc::clone(&stranger) as Arc<dyn Site>),
            ),
            stranger,
            log,
            faults,
            signer,
        }
    }

    fn server(&self, host: Host) -> &Server {
        match host {
            Host::Api => &self.api,
            Host::Cdn => &self.cdn,
            Host::Foreign => &self.foreign,
        }
    }

    /// Where a server listens.
    #[must_use]
    pub fn address(&self, host: Host) -> SocketAddr {
        self.server(host).address()
    }

    /// A server's base address: `http://127.0.0.1:port`.
    #[must_use]
    pub fn base(&self, host: Host) -> String {
        base(self.address(host))
    }

    /// What shall go wrong.
    #[must_use]
    pub fn faults(&self) -> &FaultPlan {
        &self.faults
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.log.all()
    }

    /// The requests to one server so far.
    #[must_use]
    pub fn requests_to(&self, host: Host) -> Vec<RecordedRequest> {
        self.log
            .all()
            .into_iter()
            .filter(|request| request.host == host)
            .collect()
    }

    /// Bytes of bodies that a server has sent so far.
    #[must_use]
    pub fn body_bytes(&self, host: Host) -> u64 {
        self.log.body_bytes(host)
    }

    /// What the foreign host serves under every path; small nonsense before that.
    pub fn serve_at_foreign_host(&self, body: FileBody) {
        self.stranger.serve(body);
    }

    /// Ends the time of every signed address given so far.
    pub fn expire_signed_urls(&self) {
        self.signer.expire_all();
    }

    /// Takes a server off the network: open connections close, new ones are refused when this returns.
    pub async fn go_down(&self, host: Host) {
        self.server(host).go_down().await;
    }

    /// Brings it back on the port it had.
    ///
    /// # Panics
    /// If another program took the port in the meantime.
    pub async fn come_back(&self, host: Host) {
        self.server(host).come_back().await;
    }
}

fn base(address: SocketAddr) -> String {
    format!("http://{address}")
}
