//! TLS, against a server of the test's own in front of a hub; and the environment's proxies.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use rbee_download::http::{Ask, HttpError};
use rbee_testkit::hub::Host;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::support::{Served, client_of, names, program};

/// A server that takes TLS off and passes on to `hub`: its address, and its certificate as PEM.
async fn tls_before(hub: SocketAddr) -> (SocketAddr, String) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that doesn't trust it hangs up: its own business.
                if let Ok(mut inside) = acceptor.accept(stream).await {
                    let mut outside = TcpStream::connect(hub).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                }
            });
        }
    });
    (address, own.cert.pem())
}

/// Downloads in a process of its own, with this in its environment.
async fn in_a_process(served: &Served, url: String, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program());
    command.arg(url).arg(served.folder.path());
    command.args(["--name", "f", "--keep", "--sha256", &served.body.sha256()]);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env_remove("SSL_CERT_DIR").envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_systems_trust_decides() {
    let served = Served::new(100_000).await;
    let (address, certificate) = tls_before(served.hub.hosts().address(Host::Api)).await;
    let url = format!("https://localhost:{}/o/r/resolve/main/c.txt", address.port());
    let client = client_of(&[&url], Duration::from_secs(5));
    let error = client
        .prefix(&Ask::new(url.parse().unwrap()), 10)
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
    assert!(!error.is_transient());

    let trusted = served.folder.path().join("ca.pem");
    std::fs::write(&trusted, certificate).unwrap();
    let output = in_a_process(&served, url, &[("SSL_CERT_FILE", trusted.to_str().unwrap())]).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(names(served.folder.path()), ["ca.pem", "f.part", "f.part.json"]);
    assert_eq!(
        std::fs::read(served.folder.path().join("f.part")).unwrap(),
        served.body.to_vec()
    );
}

#[tokio::test]
async fn what_speaks_no_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let client = client_of(&[&url], Duration::from_secs(5));
    let error = client
        .prefix(&Ask::new(url.parse().unwrap()), 10)
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_needs_no_proxy() {
    let served = Served::new(1000).await;
    let url = format!("{}/o/r/resolve/main/f.gguf", served.hub.endpoint());
    // Nobody listens there.
    let output = in_a_process(&served, url, &[("http_proxy", "http://127.0.0.1:9")]).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
