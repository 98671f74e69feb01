//! What a client names on this host.

use std::path::{Path, PathBuf};

use rbee_artifacts::ModelId;
use rbee_service_kit::Fault;
use rbee_service_kit::client::FORWARDED;
use tonic::transport::server::TcpConnectInfo;
#[cfg(unix)]
use tonic::transport::server::UdsConnectInfo;
use tonic::{Extensions, Request};

use super::ProvisionerRpc;
use crate::grpc::{Retry, status};
use crate::source::Peer;

impl ProvisionerRpc {
    /// The file or folder that a client names, if it may.
    pub(super) async fn source(&self, source_path: &str, peer: Peer) -> Result<PathBuf, Fault> {
        let (roots, path) = (self.import_roots.clone(), PathBuf::from(source_path));
        tokio::task::spawn_blocking(move || roots.resolve(&path, peer))
            .await
            .map_err(|_| Fault::shutting_down())?
            .map_err(|error| status::source(&error))
    }

    /// Refuses what is plainly another file of the same name, before a job reads it for minutes. What
    /// can't be told now is told by the job.
    pub(super) async fn refuse_other_size(&self, source: &Path, model_id: &ModelId) -> Result<(), Fault> {
        let Ok(metadata) = tokio::fs::metadata(source).await else {
            return Ok(());
        };
        match self.work.importer.catalog.model(model_id, Retry::Never).await {
            Ok(Some(model)) if metadata.is_file() && model.entry.size_bytes != metadata.len() => {
                Err(status::exists(model_id))
            }
            _ => Ok(()),
        }
    }
}

/// Where a call comes from. One that can't be told is not trusted, and one that was passed on comes from elsewhere.
pub(super) fn peer<T>(request: &Request<T>) -> Peer {
    if request.metadata().contains_key(FORWARDED) {
        return Peer::Remote;
    }
    connected(request.extensions())
}

fn connected(extensions: &Extensions) -> Peer {
    #[cfg(unix)]
    if extensions.get::<UdsConnectInfo>().is_some() {
        return Peer::Local;
    }
    match extensions
        .get::<TcpConnectInfo>()
        .and_then(TcpConnectInfo::remote_addr)
    {
        Some(address) if address.ip().to_canonical().is_loopback() => Peer::Local,
        _ => Peer::Remote,
    }
}

/// What the user calls the file: the last part of the path as it was given.
pub(super) fn file_name(source_path: &str) -> String {
    let name = Path::new(source_path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rbee_proto::provisioner::v1::provisioner_service_server::ProvisionerService as _;
    use rbee_proto::provisioner::v1::{ImportModelRequest, ImportWorkerBinaryRequest};
    use rbee_service_kit::{Lifecycle, RemoteFault, Target};
    use tonic::Code;
    use tonic::metadata::MetadataMap;

    use super::*;
    use crate::{Provisioner, ProvisionerConfig};

    fn tcp(address: &str) -> Extensions {
        let mut extensions = Extensions::new();
        let remote_addr = Some(address.parse().unwrap());
        extensions.insert(TcpConnectInfo {
            local_addr: None,
            remote_addr,
        });
        extensions
    }

    #[test]
    fn only_this_machine_is_local() {
        assert_eq!(connected(&tcp("127.0.0.1:5000")), Peer::Local);
        assert_eq!(connected(&tcp("[::1]:5000")), Peer::Local);
        assert_eq!(connected(&tcp("[::ffff:127.0.0.1]:5000")), Peer::Local);
        assert_eq!(connected(&tcp("10.0.0.7:5000")), Peer::Remote);
        assert_eq!(
            connected(&Extensions::new()),
            Peer::Remote,
            "who can't be told is not trusted"
        );
    }

    #[test]
    fn what_was_passed_on_comes_from_elsewhere() {
        let from_here = |metadata| Request::from_parts(metadata, tcp("127.0.0.1:5000"), ());
        assert_eq!(peer(&from_here(MetadataMap::new())), Peer::Local);
        let mut metadata = MetadataMap::new();
        metadata.insert(FORWARDED, "catalog".parse().unwrap());
        assert_eq!(peer(&from_here(metadata)), Peer::Remote);
    }

    #[tokio::test]
    async fn another_machine_imports_from_the_roots_only() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        let config = ProvisionerConfig {
            store: Some(folder.path().join("store").display().to_string()),
            work_dir: Some(folder.path().join("work")),
            import_roots: vec![open.clone()],
            catalog_patience: Duration::ZERO,
            ..ProvisionerConfig::default()
        };
        // Nobody listens there; these calls end before anybody is asked.
        let catalog = Target {
            address: "http://127.0.0.1:9".into(),
            token: None,
            ..Target::default()
        };
        let lifecycle = Lifecycle::new();
        let provisioner = Provisioner::start(config, catalog, &lifecycle).await.unwrap();
        let service = provisioner.rpc();
        let ask = async |path: PathBuf| {
            let request = ImportModelRequest {
                source_path: path.display().to_string(),
                name: "m".into(),
                mode: 0,
            };
            service
                .import_model(Request::from_parts(
                    MetadataMap::default(),
                    tcp("10.0.0.7:5000"),
                    request,
                ))
                .await
        };
        let refused = ask(folder.path().join("m.gguf")).await.err().unwrap();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(RemoteFault::from(&refused).is("IMPORT_NOT_ALLOWED"));
        assert!(ask(open.join("m.gguf")).await.is_ok());

        let request = ImportWorkerBinaryRequest {
            source_path: "/bin/sh".to_owned(),
            worker_type: 1,
        };
        let refused = service
            .import_worker_binary(Request::new(request))
            .await
            .err()
            .unwrap();
        assert!(RemoteFault::from(&refused).is("IMPORT_NOT_ALLOWED"));
        lifecycle.finish(Duration::from_secs(10)).await;
    }
}
