//! Asking a server whether it is ready, by gRPC's own health protocol: what a container's health check does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::Target;
use crate::client::TargetError;

/// Why a server is not taken for ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// It can't be called.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It didn't answer in time.
    #[error("{address} did not answer within {} s", patience.as_secs_f32())]
    Silent {
        /// Its address.
        address: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// It answers, and does not know the service.
    #[error("{address} does not serve {service}")]
    UnknownService {
        /// Its address.
        address: String,
        /// What was asked for.
        service: String,
    },
    /// It answers that it does not serve now.
    #[error("{address} answers that it does not serve now: it is starting or leaving")]
    NotServing {
        /// Its address.
        address: String,
    },
    /// The question failed.
    #[error("{address} could not be asked for its health ({})", status.message())]
    Failed {
        /// Its address.
        address: String,
        /// What came instead of an answer.
        status: Box<Status>,
    },
}

/// Asks a server whether it is ready; with an empty `service` the whole of it.
///
/// # Errors
/// If it is not, or doesn't say so within `patience`.
pub async fn ready(target: &Target, service: &str, patience: Duration) -> Result<(), NotReady> {
    let address = || target.address.clone();
    let asked = async {
        let mut client = HealthClient::new(target.connect(patience).await?);
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        match client.check(request).await {
            Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => Ok(()),
            Ok(_) => Err(NotReady::NotServing { address: address() }),
            Err(status) if status.code() == Code::NotFound => Err(NotReady::UnknownService {
                address: address(),
                service: service.to_owned(),
            }),
            Err(status) => Err(NotReady::Failed {
                address: address(),
                status: Box::new(status),
            }),
        }
    };
    match tokio::time::timeout(patience, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(NotReady::Silent {
            address: address(),
            patience,
        }),
    }
}

/// The address and port at which a host reaches a server of its own. Listening on all addresses includes loopback.
#[must_use]
pub fn own_address(listens_at: SocketAddr) -> SocketAddr {
    let ip = match listens_at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens_at.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_include_loopback() {
        let own = |text: &str| own_address(text.parse().unwrap()).to_string();
        assert_eq!(own("0.0.0.0:7220"), "127.0.0.1:7220");
        assert_eq!(own("[::]:7220"), "[::1]:7220");
        assert_eq!(own("192.168.1.5:80"), "192.168.1.5:80");
    }
}
