//! TLS as clients meet it: whom they trust, what they show, and certificates that change while streams go on.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rbee_proto::catalog::v1::DeregisterHiveRequest;
use rbee_proto::catalog::v1::registry_service_client::RegistryServiceClient;
use rbee_service_kit::config::{AuthConfig, LimitsConfig, ServerConfig, TlsConfig};
use rbee_service_kit::server::scopes::Scope;
use rbee_service_kit::server::tokens::Tokens;
use rbee_service_kit::tls::{ClientTls, Identity};
use rbee_service_kit::{Lifecycle, Listener, RemoteFault, ServerBuilder, Target, reason};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

const PATIENCE: Duration = Duration::from_secs(20);

/// A CA and a folder for what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca: PathBuf,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            ca,
            folder,
        }
    }

    /// Signs a certificate for these names; where there is one already, it is replaced.
    fn sign(&self, file: &str, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let [cert_file, key_file] =
            ["pem", "key"].map(|end| self.folder.path().join(format!("{file}.{end}")));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        Identity {
            cert: cert_file,
            key: key_file,
        }
    }

    fn server(&self) -> Identity {
        self.sign("server", &["127.0.0.1"], ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn service(&self) -> Identity {
        self.sign("service", &["hive"], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn tls(&self) -> TlsConfig {
        let server = self.server();
        TlsConfig {
            cert: Some(server.cert),
            key: Some(server.key),
            client_ca: Some(self.ca.clone()),
        }
    }
}

struct Running {
    address: String,
    lifecycle: Lifecycle,
    own: Target,
    port: std::net::SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifecycle.shutdown();
    }
}

async fn start(tls: &TlsConfig, tokens: Option<&Path>, limits: LimitsConfig) -> Running {
    let config = ServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..ServerConfig::default()
    };
    let auth = AuthConfig {
        tokens_file: tokens.map(Path::to_path_buf),
    };
    let listener = Listener::tcp(config.listen).await.unwrap();
    let port = listener.local_addr().unwrap();
    let server = ServerBuilder::from_config(&config, tls, &auth, &limits).unwrap();
    assert_eq!(server.scheme(), "https");
    let own = server.own_target(port);
    let lifecycle = Lifecycle::new();
    let life = lifecycle.clone();
    tokio::spawn(async move { server.serve(listener, &life, Duration::from_secs(5)).await });
    Running {
        address: format!("https://{port}"),
        lifecycle,
        own,
        port,
    }
}

impl Running {
    fn target(&self, token: Option<&SecretString>, tls: ClientTls) -> Target {
        Target {
            address: self.address.clone(),
            token: token.cloned(),
            tls,
        }
    }
}

/// A call that only services and operators may make. Here nobody serves it: who may make it is told so.
async fn operate(target: &Target) -> tonic::Status {
    RegistryServiceClient::new(target.connect_lazy().unwrap())
        .deregister_hive(DeregisterHiveRequest::default())
        .await
        .unwrap_err()
}

fn is_let_in(status: &tonic::Status) -> bool {
    status.code() == Code::Unimplemented && RemoteFault::from(status).reason.is_none()
}

#[tokio::test]
async fn a_certificate_of_the_cluster_or_a_token_is_let_in() {
    let authority = Authority::new();
    let mut tokens = Tokens::default();
    let good = tokens
        .create("ada", Scope::Operate, SystemTime::now(), None)
        .unwrap();
    let tokens_file = authority.folder.path().join("tokens.toml");
    tokens.write(&tokens_file).unwrap();
    let server = start(&authority.tls(), Some(&tokens_file), LimitsConfig::default()).await;
    let trusting = |identity| ClientTls::new(Some(authority.ca.clone()), identity);

    let service = operate(&server.target(None, trusting(Some(authority.service())))).await;
    assert!(is_let_in(&service), "{service:?}");
    let ada = operate(&server.target(Some(&good), trusting(None))).await;
    assert!(is_let_in(&ada), "{ada:?}");
    let own = operate(&server.own).await;
    assert!(is_let_in(&own), "{own:?}");

    let stranger = operate(&server.target(None, trusting(None))).await;
    assert!(RemoteFault::from(&stranger).is(reason::UNAUTHENTICATED));
    HealthClient::new(server.target(None, trusting(None)).connect_lazy().unwrap())
        .check(HealthCheckRequest::default())
        .await
        .expect("probes need no token");
}

#[tokio::test]
async fn who_trusts_or_shows_another_ca_gets_no_connection() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = start(&authority.tls(), None, LimitsConfig::default()).await;
    let wrong_ca = server.target(None, ClientTls::new(Some(other.ca.clone()), None));
    let refusal = wrong_ca.connect(PATIENCE).await.unwrap_err();
    let words = format!("{:?}", anyhow_chain(&refusal));
    assert!(
        words.contains("UnknownIssuer") || words.contains("certificate"),
        "{words}"
    );

    // A certificate of another CA, and one of this CA that is not for clients.
    for identity in [other.service(), authority.server()] {
        let shows = ClientTls::new(Some(authority.ca.clone()), Some(identity));
        let refusal = operate(&server.target(None, shows)).await;
        assert!(!is_let_in(&refusal), "{refusal:?}");
        assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    }

    // A certificate for another name.
    let elsewhere = Target {
        address: format!("https://localhost:{}", server.port.port()),
        ..server.target(None, ClientTls::new(Some(authority.ca.clone()), None))
    };
    elsewhere.connect(PATIENCE).await.unwrap_err();

    // No TLS at all.
    let plain = Target {
        address: format!("http://{}", server.port),
        ..Target::default()
    };
    let refusal = operate(&plain).await;
    assert!(!is_let_in(&refusal), "{refusal:?}");
}

fn anyhow_chain(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source())
        .map(|error| format!("{error} {error:?}"))
        .collect()
}

/// The certificate that a new connection is shown.
async fn shown(server: &Running) -> Vec<u8> {
    #[derive(Debug)]
    struct Any;
    impl rustls::client::danger::ServerCertVerifier for Any {
        fn verify_server_cert(
            &self,
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &[rustls::pki_types::CertificateDer<'_>],
            _: &rustls::pki_types::ServerName<'_>,
            _: &[u8],
            _: rustls::pki_types::UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            rustls::crypto::ring::default_provider()
                .signature_verification_algorithms
                .supported_schemes()
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(Any))
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(server.port).await.unwrap();
    let stream = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config))
        .connect("localhost".try_into().unwrap(), stream)
        .await
        .unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_streams_go_on() {
    let authority = Authority::new();
    let server = start(&authority.tls(), None, LimitsConfig::default()).await;
    let channel = server.own.connect(PATIENCE).await.unwrap();
    let (ask, asked) = tokio::sync::mpsc::channel(1);
    let question = || ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    ask.send(question()).await.unwrap();
    let mut stream = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::wrappers::ReceiverStream::new(asked))
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap().unwrap();
    let before = shown(&server).await;

    // Only the certificate: it does not go with its key, and the one from before stays.
    let key = std::fs::read(authority.folder.path().join("server.key")).unwrap();
    let renewed = authority.server();
    let fresh_key = std::fs::read(&renewed.key).unwrap();
    std::fs::write(&renewed.key, key).unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(shown(&server).await, before);

    std::fs::write(&renewed.key, fresh_key).unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while shown(&server).await == before {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the certificate is not renewed"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Who made the stream goes on reading it; whoever comes now trusts the same CA, and the process itself too.
    ask.send(question()).await.unwrap();
    stream.message().await.unwrap().expect("the stream goes on");
    let trusting = ClientTls::new(Some(authority.ca.clone()), Some(authority.service()));
    assert!(is_let_in(&operate(&server.target(None, trusting)).await));
    assert!(is_let_in(&operate(&server.own).await));
}

#[tokio::test]
async fn handshakes_are_bounded_in_time_and_number() {
    let authority = Authority::new();
    let limits = LimitsConfig {
        handshakes: 2,
        handshake_timeout: Duration::from_millis(500),
        ..LimitsConfig::default()
    };
    let server = start(&authority.tls(), None, limits).await;
    // Two who say nothing take both places, until their time is over.
    let mut silent = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(server.port).await.unwrap();
        stream.write_all(&[22]).await.unwrap();
        silent.push(stream);
    }
    let begun = tokio::time::Instant::now();
    let own = server.own.connect(PATIENCE).await.unwrap();
    HealthClient::new(own)
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
    assert!(begun.elapsed() < PATIENCE);
    for mut stream in silent {
        let mut rest = Vec::new();
        // Closed, in order or not.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .expect("who says nothing is sent away");
    }
}
