//! Three hosts and a client, each with an address, and links that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use rbee_testkit::relay::Relay;

use crate::namespaces::Namespaces;

/// A machine of the test's cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// Runs the catalog.
    Shelf,
    /// Runs a hive.
    Attic,
    /// Runs another.
    Cellar,
}

impl Host {
    pub(crate) const ALL: [Self; 3] = [Self::Shelf, Self::Attic, Self::Cellar];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shelf => "shelf",
            Self::Attic => "attic",
            Self::Cellar => "cellar",
        }
    }

    /// The last byte of its address.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Shelf => 1,
            Self::Attic => 2,
            Self::Cellar => 3,
        }
    }
}

/// Where each host's server listens.
const PORT: u16 = 7220;

/// How the hosts are linked.
pub(crate) enum Network {
    /// By relays on this host's loopback.
    Relays(Relays),
    /// By virtual cables between network namespaces.
    Namespaces(Namespaces),
}

impl Network {
    /// Three loopback addresses. Works everywhere.
    pub(crate) async fn of_relays() -> Self {
        Self::Relays(Relays::start().await)
    }

    /// A program's command, to run on a host.
    pub(crate) fn command(&self, host: Host, program: impl AsRef<std::ffi::OsStr>) -> Command {
        match self {
            Self::Relays(_) => Command::new(program),
            Self::Namespaces(namespaces) => {
                let mut command = namespaces.enter(host);
                command.arg(program.as_ref());
                command
            }
        }
    }

    /// Where a host's server listens.
    pub(crate) fn listen(&self, host: Host) -> SocketAddr {
        match self {
            Self::Relays(relays) => relays.own(host),
            Self::Namespaces(_) => SocketAddr::new(Namespaces::address(host).into(), PORT),
        }
    }

    /// Where a host's server is reached over its link, by `from` or, without one, by the client.
    pub(crate) fn seen_from(&self, from: Option<Host>, host: Host) -> SocketAddr {
        match self {
            Self::Relays(relays) => relays.link(from, host).address(),
            Self::Namespaces(_) => self.listen(host),
        }
    }

    /// Cuts a host off: what is sent to it or by it is lost, and nobody is told.
    pub(crate) fn cut(&self, host: Host) {
        match self {
            Self::Relays(relays) => relays.of(host).for_each(Relay::cut),
            Self::Namespaces(namespaces) => namespaces.unplug(host),
        }
    }

    /// Undoes [`cut`](Self::cut).
    pub(crate) fn heal(&self, host: Host) {
        match self {
            Self::Relays(relays) => relays.of(host).for_each(Relay::heal),
            Self::Namespaces(namespaces) => namespaces.plug_in(host),
        }
    }
}

impl Network {
    /// Loses the connections that a host has to the catalog, if it is a network that can.
    pub(crate) fn lose_connections_to_catalog(&self, from: Host) {
        match self {
            Self::Relays(relays) => relays.link(Some(from), Host::Shelf).lose_connections(),
            Self::Namespaces(_) => panic!("a cable loses no connections"),
        }
    }
}

/// One relay for each way that somebody takes to somebody.
pub(crate) struct Relays {
    /// The second and third byte of the hosts' addresses, this test's own.
    net: [u8; 2],
    links: Vec<(Option<Host>, Host, Relay)>,
}

impl Relays {
    async fn start() -> Self {
        // Tests that run at the same time are processes, or threads of one, of their own.
        static COUNT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let [.., high, low] = std::process::id().to_be_bytes();
        let mut relays = Self {
            net: [high.wrapping_add(count).max(1), low],
            links: Vec::new(),
        };
        for (from, to) in [
            (None, Host::Shelf),
            (Some(Host::Attic), Host::Shelf),
            (Some(Host::Cellar), Host::Shelf),
            (None, Host::Attic),
            (None, Host::Cellar),
        ] {
            let port_of_its_own = SocketAddr::new(relays.own(to).ip(), 0);
            let relay = Relay::start(port_of_its_own, relays.own(to)).await.unwrap();
            relays.links.push((from, to, relay));
        }
        relays
    }

    fn own(&self, host: Host) -> SocketAddr {
        let [high, low] = self.net;
        SocketAddr::new(Ipv4Addr::new(127, high, low, host.number()).into(), PORT)
    }

    fn link(&self, from: Option<Host>, to: Host) -> &Relay {
        let mut links = self.links.iter();
        let (_, _, relay) = links.find(|link| link.0 == from && link.1 == to).unwrap();
        relay
    }

    fn of(&self, host: Host) -> impl Iterator<Item = &Relay> {
        let links = self.links.iter();
        let touching = links.filter(move |(from, to, _)| *from == Some(host) || *to == host);
        touching.map(|(_, _, relay)| relay)
    }
}
