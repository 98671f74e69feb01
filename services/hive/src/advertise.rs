//! The address at which others reach this hive.
//!
//! It is what the catalog gives to every client, so it must lead here from their hosts: an address that means "all of
//! mine" leads them to themselves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};

use http::Uri;

/// Addresses that are nobody's (RFC 5737, RFC 3849): the way to them is the way to all that is not near.
const ELSEWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9),
];

/// What was configured can't be where others reach this hive.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{given}` is not where others can reach this hive: {problem}; set `advertise` (--advertise) to a URL such as \
     http://bees.example:7221"
)]
pub struct AdvertiseError {
    /// What was configured.
    given: String,
    /// What is wrong with it.
    problem: &'static str,
}

/// The URL at which others reach a hive that listens at `listens_at`, where it speaks `scheme` (`http` or `https`).
///
/// What is `configured` counts. Else it is the address that the hive listens at; and where that means all
/// addresses of the host, the one of the network interface towards the catalog (or, if the catalog is on this host,
/// towards everywhere else). No packet is sent to find it. A host without any network is told as loopback.
///
/// # Errors
/// If what is configured can't be right.
pub fn advertised(
    configured: Option<String>,
    scheme: &str,
    listens_at: SocketAddr,
    catalog: &str,
) -> Result<String, AdvertiseError> {
    if let Some(given) = configured {
        return match problem_with(&given) {
            None => Ok(given),
            Some(problem) => Err(AdvertiseError { given, problem }),
        };
    }
    if !listens_at.ip().is_unspecified() {
        return Ok(format!("{scheme}://{listens_at}"));
    }
    let own = addresses_of(catalog)
        .into_iter()
        .chain(ELSEWHERE)
        // One who listens on all IPv4 addresses is not reached at an IPv6 address; the other way round one is.
        .filter(|towards| towards.is_ipv4() || listens_at.is_ipv6())
        .find_map(own_address_towards);
    let url = |ip| format!("{scheme}://{}", SocketAddr::new(ip, listens_at.port()));
    if let Some(own) = own {
        let url = url(own);
        tracing::info!(
            "others are told to reach this hive at {url}; `advertise` (--advertise) sets another address"
        );
        return Ok(url);
    }
    let loopback = if listens_at.is_ipv4() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        Ipv6Addr::LOCALHOST.into()
    };
    let url = url(loopback);
    tracing::warn!(
        "this host has no network, so others are told to reach this hive at {url}; `advertise` (--advertise) sets \
         another address"
    );
    Ok(url)
}

fn problem_with(given: &str) -> Option<&'static str> {
    let Ok(url) = given.parse::<Uri>() else {
        return Some("it is no URL");
    };
    let host = url.host().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        Some("it does not begin with http:// or https://")
    } else if host.is_empty() {
        Some("it names no host")
    } else if ip.is_ok_and(|ip| ip.is_unspecified()) {
        Some("that address means all addresses of whoever uses it")
    } else if !matches!(url.path(), "" | "/") || url.query().is_some() {
        Some("it has a path, and gRPC has none before its own")
    } else {
        None
    }
}

/// The catalog's addresses, as far as its name is known now.
fn addresses_of(catalog: &str) -> Vec<SocketAddr> {
    let Some(url) = catalog.parse::<Uri>().ok() else {
        return Vec::new();
    };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let addresses = (host, url.port_u16().unwrap_or(80)).to_socket_addrs();
    addresses.into_iter().flatten().collect()
}

/// This host's addresses on the way to everywhere else.
pub(crate) fn own_addresses() -> impl Iterator<Item = IpAddr> {
    ELSEWHERE.into_iter().filter_map(own_address_towards)
}

/// This host's address on the way there, if it leads off this host. Connecting a UDP socket only asks the routing
/// table.
fn own_address_towards(there: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if there.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(there).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(configured: Option<&str>, listens_at: &str) -> Result<String, AdvertiseError> {
        let configured = configured.map(str::to_owned);
        let catalog = "http://127.0.0.1:7220";
        advertised(configured, "http", listens_at.parse().unwrap(), catalog)
    }

    #[test]
    fn where_tls_is_spoken_the_address_says_so() {
        let told = |listens_at: &str| {
            advertised(
                None,
                "https",
                listens_at.parse().unwrap(),
                "https://127.0.0.1:7220",
            )
            .unwrap()
        };
        assert_eq!(told("127.0.0.1:7221"), "https://127.0.0.1:7221");
        assert!(told("0.0.0.0:7221").starts_with("https://"));
    }

    #[test]
    fn what_is_configured_counts_if_it_can_be_right() {
        for good in [
            "http://bees.example:7221",
            "https://bees.example",
            "http://[2001:db8::5]:1/",
        ] {
            assert_eq!(found(Some(good), "0.0.0.0:7221").unwrap(), good);
        }
        for bad in [
            "bees.example:7221",
            "http://0.0.0.0:7221",
            "http://[::]:7221",
            "unix:/run/hive.sock",
            "http://bees.example/hive",
            "not a url",
        ] {
            let error = found(Some(bad), "10.0.0.5:7221").unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{bad}`")), "{error}");
        }
    }

    #[test]
    fn one_address_is_told_as_it_is() {
        assert_eq!(found(None, "127.0.0.1:7221").unwrap(), "http://127.0.0.1:7221");
        assert_eq!(found(None, "[::1]:7221").unwrap(), "http://[::1]:7221");
    }

    #[test]
    fn all_addresses_are_never_told_as_such() {
        // Which one it is depends on the host; it is never the one that means all.
        for listens_at in ["0.0.0.0:7221", "[::]:7221"] {
            let url = found(None, listens_at).unwrap();
            let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
            assert!(!address.ip().is_unspecified(), "{url}");
            assert_eq!(address.port(), 7221);
        }
    }
}
