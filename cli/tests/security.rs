//! Who gets in where: every call of every service, with every kind of credential, against a whole cluster with TLS.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Cluster, folder, rbee_command, run};
use rbee_service_kit::client::ClientChannel;
use rbee_service_kit::server::scopes::{Access, Scope, every_call};
use rbee_service_kit::tls::{ClientTls, Identity};
use rbee_service_kit::{RemoteFault, Target, reason};
use secrecy::SecretString;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

const PATIENCE: Duration = Duration::from_secs(30);

/// Reasons with which a call is refused before anybody serves it.
const REFUSALS: [&str; 6] = [
    reason::UNAUTHENTICATED,
    reason::TOKEN_UNKNOWN,
    reason::TOKEN_EXPIRED,
    reason::TOKEN_REVOKED,
    reason::SCOPE_INSUFFICIENT,
    reason::METHOD_UNKNOWN,
];

/// A cluster with TLS, and tokens of all kinds.
struct Stage {
    cluster: Cluster,
    secrets: PathBuf,
    tokens: Vec<(Scope, SecretString)>,
    expired: SecretString,
    revoked: SecretString,
    _folder: tempfile::TempDir,
}

fn in_folder(arguments: &[&str], secrets: &Path) -> String {
    let mut command = rbee_command();
    command.args(arguments).arg("--folder").arg(secrets);
    run(command).ok().stdout.trim().to_owned()
}

impl Stage {
    fn set() -> Self {
        let folder = folder();
        let secrets = folder.path().join("cluster");
        in_folder(&["cluster", "init", "--host", "desk"], &secrets);
        let token = |name: &str, more: &[&str]| {
            let arguments = [&["token", "create", name], more].concat();
            SecretString::from(in_folder(&arguments, &secrets))
        };
        let tokens = Scope::ALL
            .map(|scope| (scope, token(scope.as_str(), &["--scope", scope.as_str()])))
            .into();
        let expired = token("expired", &["--scope", "operate", "--expires", "1s"]);
        let revoked = token("revoked", &["--scope", "operate"]);
        in_folder(&["token", "revoke", "revoked"], &secrets);
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let cluster = Cluster::start_in(&data, |command| {
            command.arg("--cluster").arg(&secrets);
            // Nobody is asked anything: there is nothing at this port.
            command.env("HF_ENDPOINT", "http://127.0.0.1:9");
            command.env("CIVITAI_BASE_URL", "http://127.0.0.1:9");
        });
        std::thread::sleep(Duration::from_secs(1));
        Self {
            cluster,
            secrets,
            tokens,
            expired,
            revoked,
            _folder: folder,
        }
    }

    fn token(&self, scope: Scope) -> &SecretString {
        &self.tokens.iter().find(|(of, _)| *of == scope).unwrap().1
    }

    fn target(&self, token: Option<&SecretString>, identity: Option<Identity>) -> Target {
        Target {
            address: self.cluster.address().to_owned(),
            token: token.cloned(),
            tls: ClientTls::new(Some(self.secrets.join("ca.pem")), identity),
        }
    }

    async fn channel(&self, token: Option<&SecretString>) -> ClientChannel {
        self.target(token, None).connect(PATIENCE).await.unwrap()
    }
}

/// Makes a call with an empty request, and answers the status that it begins with.
async fn call(channel: &ClientChannel, path: &str) -> Status {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(path).unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let answer = tokio::time::timeout(
        PATIENCE,
        client.server_streaming(Request::new(()), path.clone(), codec),
    );
    match answer.await.unwrap_or_else(|_| panic!("{path} hangs")) {
        Ok(_) => Status::ok(""),
        Err(status) => status,
    }
}

fn is_let_in(status: &Status) -> bool {
    let fault = RemoteFault::from(status);
    !REFUSALS.iter().any(|reason| fault.is(reason))
}

#[track_caller]
fn assert_refused(status: &Status, code: Code, reason: &str, path: &str) {
    assert_eq!(status.code(), code, "{path}: {status:?}");
    assert!(RemoteFault::from(status).is(reason), "{path}: {status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_for_those_alone_who_may_make_it() {
    let stage = Stage::set();
    let wrong = SecretString::from("0123456789abcdef0123456789abcdef");
    let strangers = [
        (None, reason::UNAUTHENTICATED),
        (Some(&wrong), reason::TOKEN_UNKNOWN),
        (Some(&stage.expired), reason::TOKEN_EXPIRED),
        (Some(&stage.revoked), reason::TOKEN_REVOKED),
    ];
    // As the hive's own calls, and as calls to a worker.
    for worker in [None, Some("w-1")] {
        let mut channels = Vec::new();
        for (token, why) in strangers {
            channels.push((stage.channel(token).await, why));
        }
        let mut scoped = Vec::new();
        for scope in Scope::ALL {
            scoped.push((stage.channel(Some(stage.token(scope))).await, scope));
        }
        if let Some(worker) = worker {
            for (channel, _) in &mut channels {
                *channel = channel.for_worker(worker).unwrap();
            }
            for (channel, _) in &mut scoped {
                *channel = channel.for_worker(worker).unwrap();
            }
        }
        for (path, access) in every_call() {
            for (channel, why) in &channels {
                let status = call(channel, &path).await;
                match access {
                    Access::Open => assert!(is_let_in(&status), "{path}: {status:?}"),
                    Access::With(_) => assert_refused(&status, Code::Unauthenticated, why, &path),
                }
            }
            for (channel, scope) in &scoped {
                let status = call(channel, &path).await;
                match access {
                    Access::With(needed) if *scope < needed => {
                        assert_refused(&status, Code::PermissionDenied, reason::SCOPE_INSUFFICIENT, &path);
                        let fault = RemoteFault::from(&status);
                        assert_eq!(fault.metadata["needed"], needed.as_str(), "{path}");
                    }
                    _ => assert!(is_let_in(&status), "{path} with {scope}: {status:?}"),
                }
                if worker.is_some() && is_let_in(&status) {
                    assert_refused(&status, Code::NotFound, reason::WORKER_NOT_FOUND, &path);
                }
            }
        }
        let unlisted = call(&scoped[2].0, "/rbee.hive.v1.HiveService/Explode").await;
        assert_refused(&unlisted, Code::Unimplemented, reason::METHOD_UNKNOWN, "Explode");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_know_each_other_by_certificate_and_strangers_by_nothing() {
    let stage = Stage::set();
    let other = stage.secrets.with_file_name("other");
    in_folder(&["cluster", "init", "--host", "desk"], &other);
    let identity = |secrets: &Path| Identity {
        cert: secrets.join("hosts/desk/cert.pem"),
        key: secrets.join("hosts/desk/key.pem"),
    };
    let reaches = async |target: &Target| {
        let channel = target.connect_lazy().unwrap();
        call(&channel, "/rbee.catalog.v1.RegistryService/DeregisterHive").await
    };

    let service = reaches(&stage.target(None, Some(identity(&stage.secrets)))).await;
    assert!(
        is_let_in(&service) && service.code() != Code::Unavailable,
        "{service:?}"
    );
    let nobody = reaches(&stage.target(None, None)).await;
    assert_refused(
        &nobody,
        Code::Unauthenticated,
        reason::UNAUTHENTICATED,
        "without anything",
    );
    // With a good token: the connection itself is refused.
    let join = SecretString::from(
        std::fs::read_to_string(stage.secrets.join("join-token"))
            .unwrap()
            .trim(),
    );
    let stranger = reaches(&stage.target(Some(&join), Some(identity(&other)))).await;
    assert_eq!(stranger.code(), Code::Unavailable, "{stranger:?}");
    let misled = Target {
        tls: ClientTls::new(Some(other.join("ca.pem")), None),
        ..stage.target(Some(&join), None)
    };
    misled.connect(PATIENCE).await.unwrap_err();
}

#[test]
fn the_command_line_says_what_misses() {
    let stage = Stage::set();
    let file = stage.secrets.with_file_name("token");
    let rbee = |arguments: &[&str], token: Option<Scope>| {
        let mut command = stage.cluster.command(arguments);
        command.env("RBEE_CA", stage.secrets.join("ca.pem"));
        if let Some(scope) = token {
            use secrecy::ExposeSecret as _;
            std::fs::write(&file, stage.token(scope).expose_secret()).unwrap();
            command.env("RBEE_TOKEN_FILE", &file);
        }
        run(command)
    };
    rbee(&["status", "--json"], Some(Scope::Read)).ok();
    let spawn = ["hive", "drain", "--json"];
    assert_eq!(
        rbee(&spawn, Some(Scope::Use)).failed(5).reason(),
        reason::SCOPE_INSUFFICIENT
    );
    rbee(&spawn, Some(Scope::Operate)).ok();
    assert_eq!(
        rbee(&["status", "--json"], None).failed(5).reason(),
        reason::UNAUTHENTICATED
    );

    // A token is revoked while the cluster runs, and a certificate renewed.
    in_folder(&["token", "revoke", "read"], &stage.secrets);
    in_folder(&["cluster", "rotate"], &stage.secrets);
    common::wait_until("the token is refused", PATIENCE, || {
        let said = rbee(&["status", "--json"], Some(Scope::Read));
        said.code == 5 && said.reason() == reason::TOKEN_REVOKED
    });
    rbee(&["status"], Some(Scope::Use)).ok();
    let listed = in_folder(&["token", "list", "--json"], &stage.secrets);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let states: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["name"].as_str().unwrap(), token["state"].as_str().unwrap()))
        .collect();
    assert_eq!(
        states,
        [
            ("join", "good"),
            ("read", "revoked"),
            ("use", "good"),
            ("operate", "good"),
            ("expired", "expired"),
            ("revoked", "revoked")
        ]
    );
}
