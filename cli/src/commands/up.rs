//! `rbee up`: catalog, provisioner and hive in one process, on one port.
//!
//! The parts speak to each other as clients of that port, as they would from host to host: there
//! is one code path for one machine and for many.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rbee_artifacts::WorkerType;
use rbee_catalog::Catalog;
use rbee_hive::Hive;
use rbee_provisioner::Provisioner;
use rbee_service_kit::metrics::{MetricsError, MetricsServer, Process};
use rbee_service_kit::server::AuthError;
use rbee_service_kit::{Lifecycle, Listener, ServerBuilder, config};

use super::{cluster, flush, init_telemetry};
use crate::args::{Options, UpArgs};
use crate::cluster::{ClusterError, ClusterFolder};
use crate::config::UpConfig;
use crate::data_dir::{self, DataDir, DataDirError};
use crate::exit::Exit;
use crate::failure::{Doing, Failure};
use crate::output::{Output, note};
use crate::token_file;

/// What ends after the grace for calls and workers: farewells, the last lines of logs.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs a cluster until SIGINT or SIGTERM.
pub(super) async fn run(options: &Options, arguments: &UpArgs, output: Output) -> Result<(), Failure> {
    let mut config = UpConfig::load(options, arguments)
        .map_err(|error| Failure::of_error(Exit::Usage, "can't use this configuration", &error))?;
    if let Some(folder) = &arguments.cluster {
        use_cluster(&mut config, folder)?;
    }
    if arguments.print_config {
        return Ok(output.text(&config::print(&config))?);
    }
    let data_dir = match config.data_dir.take() {
        Some(path) => path,
        None => data_dir::default_path(|name| std::env::var_os(name))
            .map_err(|error| cannot_use_data_dir(&error))?,
    };
    let mut data_dir = DataDir::lock(&data_dir).map_err(|error| cannot_use_data_dir(&error))?;
    config.place_below(data_dir.path());

    let telemetry = init_telemetry("rbee-up", &config.telemetry)?;
    let lifecycle = Lifecycle::new();
    if arguments.until_stdin_closes {
        shut_down_at_end_of_stdin(&lifecycle);
    }
    let grace = config.server.shutdown_grace + LAST_WORDS;
    let served = serve(config, &mut data_dir, &lifecycle, output).await;
    // However it ended, what was started ends before this process does.
    let all_ended = lifecycle.finish(grace).await;
    flush(telemetry).await;
    served?;
    if all_ended {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "not everything ended in time")
            .because(format!(
                "some of it was still running after {} s",
                grace.as_secs()
            ))
            .hint("raise server.shutdown_grace if workers need longer to leave"))
    }
}

/// Takes from the cluster's folder what the configuration does not name itself. A folder that isn't there is made.
fn use_cluster(config: &mut UpConfig, folder: &Path) -> Result<(), Failure> {
    let opened = match ClusterFolder::open(folder) {
        Err(ClusterError::Missing { .. }) => {
            let this_host = rbee_hive::names_of_this_host().join(",");
            ClusterFolder::init(folder, &[this_host], Timestamp::now())
        }
        opened => opened,
    };
    let failed = |error| cluster::failed(&error);
    let cluster = opened.map_err(failed)?;
    if config.tls.cert.is_none() && config.tls.key.is_none() {
        let host = cluster.host_folder(&cluster.this_host().map_err(failed)?);
        config.tls.cert = Some(host.join("cert.pem"));
        config.tls.key = Some(host.join("key.pem"));
    }
    config.tls.client_ca.get_or_insert_with(|| cluster.ca());
    config
        .auth
        .tokens_file
        .get_or_insert_with(|| cluster.tokens_file());
    Ok(())
}

/// Starts the parts, tells that they are ready, and serves until the shutdown.
async fn serve(
    config: UpConfig,
    data_dir: &mut DataDir,
    lifecycle: &Lifecycle,
    output: Output,
) -> Result<(), Failure> {
    let mut server = server(&config)?;
    let listener = Listener::tcp(config.server.listen)
        .await
        .map_err(|error| cannot_listen(config.server.listen, &error))?;
    let listens_at = listener.local_addr().unwrap_or(config.server.listen);
    let metrics = MetricsServer::bind(&config.metrics)
        .await
        .map_err(|error| cannot_give_metrics(&error))?;
    let own = server.own_target(own_address(listens_at));
    let advertised = rbee_hive::advertised(
        config.advertise.clone(),
        server.scheme(),
        listens_at,
        &own.address,
    )
    .map_err(|error| Failure::of_error(Exit::Usage, "can't use this configuration", &error))?;
    data_dir
        .describe_holder(&own.address)
        .doing(|| "can't write to the data folder".into())?;
    lifecycle
        .shut_down_on_signals()
        .doing(|| "can't listen for signals".into())?;

    let catalog = Catalog::start(config.catalog, lifecycle)
        .await
        .map_err(|error| Failure::of_error(Exit::Failed, "can't start the catalog", &error))?;
    let provisioner = Provisioner::start(config.provisioner, own.clone(), lifecycle)
        .await
        .map_err(|error| Failure::of_error(Exit::Failed, "can't start the provisioner", &error))?;
    let mut hive = config.hive;
    hive.worker.pass_on(&config.telemetry);
    let hive = Hive::start(hive, own.clone(), advertised, lifecycle)
        .await
        .map_err(|error| Failure::of_error(Exit::Failed, "can't start the hive", &error))?;

    let metrics_address = metrics.as_ref().map(MetricsServer::address);
    if let Some(metrics) = metrics {
        let process = Arc::new(Process::new("rbee-up", env!("CARGO_PKG_VERSION")));
        lifecycle.spawn(metrics.serve(vec![process, hive.metrics()], lifecycle.token()));
    }
    catalog.mount(&mut server);
    provisioner.mount(&mut server);
    hive.mount(&mut server);
    let serving = lifecycle.spawn({
        let lifecycle = lifecycle.clone();
        async move {
            server
                .serve(listener, &lifecycle, config.server.shutdown_grace)
                .await
        }
    });

    let getting_ready = async {
        install_workers(&provisioner, config.worker_dir).await;
        hive.registered().await;
        // That nobody reads it ends no cluster.
        if let Err(error) = tell_ready(&own.address, metrics_address, output) {
            tracing::warn!(%error, "cannot write that the cluster is ready");
        }
    };
    let token = lifecycle.token();
    // Both may be dropped: an import that is cut off leaves nothing, and is made anew next time.
    tokio::select! {
        () = getting_ready => {}
        () = token.cancelled() => {}
    }
    serving
        .await
        .map_err(|error| Failure::of_error(Exit::Failed, "the server failed", &error))?
        .map_err(|error| Failure::of_error(Exit::Failed, "the server failed", &error))
}

/// Whoever holds the other end of the pipe may end in any way: the system closes it then.
fn shut_down_at_end_of_stdin(lifecycle: &Lifecycle) {
    let lifecycle = lifecycle.clone();
    // A thread of its own: a read of standard input can't be given up, and would hold up the runtime's end.
    std::thread::spawn(move || {
        // An input that can't be read has nobody at its other end either.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        lifecycle.shutdown();
    });
}

/// Installs the worker programs that came with `rbee`. A cluster without any is of use still:
/// models can be brought in, and a spawn says what is missing.
async fn install_workers(provisioner: &Provisioner, folder: Option<PathBuf>) {
    let folder = match folder {
        Some(folder) => Ok(folder),
        None => std::env::current_exe().map(|program| worker_folder(&program)),
    };
    match folder {
        Ok(folder) => provisioner.import_bundled_workers(&folder).await,
        Err(error) => tracing::warn!(%error, "cannot find the worker programs beside rbee"),
    }
}

/// Where the worker programs are that came with a program: beside it, as a build leaves them, or where packages put them,
/// `/usr/lib/rbee` for `/usr/bin/rbee`.
fn worker_folder(program: &Path) -> PathBuf {
    let beside = program.with_file_name("");
    let apart = program.with_file_name("../lib/rbee");
    let has_any = |folder: &Path| {
        WorkerType::ALL
            .iter()
            .any(|worker_type| folder.join(worker_type.binary_name()).is_file())
    };
    if !has_any(&beside) && has_any(&apart) {
        apart
    } else {
        beside
    }
}

fn tell_ready(address: &str, metrics: Option<SocketAddr>, output: Output) -> io::Result<()> {
    if output.json {
        let mut event = serde_json::json!({ "event": "ready", "address": address });
        if let Some(metrics) = metrics {
            event["metrics"] = format!("http://{metrics}/metrics").into();
        }
        output.json_line(&event)?;
    } else {
        output.line(&format!("rbee is up at {address}"))?;
        if output.remarks_on_terminal {
            note(&output.remark_paint.faint("Ctrl-C ends it and stops its workers."));
        }
    }
    Ok(())
}

/// The server: whom it answers, and how. A token file that isn't there yet is made.
fn server(config: &UpConfig) -> Result<ServerBuilder, Failure> {
    if let Some(path) = &config.server.token_file
        && token_file::create_if_missing(path)
            .doing(|| format!("can't make a token in {}", path.display()))?
    {
        tracing::info!("made a token in {}", path.display());
    }
    ServerBuilder::from_config(&config.server, &config.tls, &config.auth, &config.limits).map_err(|error| {
        match error {
            AuthError::Insecure { .. } => Failure::new(Exit::Usage, error.to_string()),
            AuthError::Read { .. } | AuthError::Token { .. } => {
                Failure::of_error(Exit::Usage, "can't use the token file", &error)
            }
            AuthError::Tokens(error) => Failure::of_error(Exit::Usage, "can't use the tokens", &error),
            AuthError::Tls(error) => Failure::of_error(Exit::Usage, "can't speak TLS", &error),
        }
    })
}

/// The address at which this process reaches itself. Listening on all addresses includes loopback.
fn own_address(listens_at: SocketAddr) -> SocketAddr {
    let ip = match listens_at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens_at.port())
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Failure {
    let doing = format!("can't listen on {address}");
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::of_error(Exit::Refused, doing, error)
            .hint("another `rbee up` may be running: `rbee status` asks it")
            .hint("choose another address with --listen; port 0 takes a free one"),
        io::ErrorKind::PermissionDenied => Failure::of_error(Exit::Refused, doing, error)
            .hint("ports below 1024 are for the administrator: choose another with --listen"),
        _ => Failure::of_error(Exit::Usage, doing, error).hint("choose another address with --listen"),
    }
}

fn cannot_give_metrics(error: &MetricsError) -> Failure {
    match error {
        MetricsError::Insecure { .. } => Failure::new(Exit::Usage, error.to_string()),
        MetricsError::Listen { address, source } => Failure::of_error(
            Exit::Refused,
            format!("can't listen on {address} for metrics"),
            source,
        )
        .hint("choose another address with --metrics; port 0 takes a free one"),
    }
}

fn cannot_use_data_dir(error: &DataDirError) -> Failure {
    match error {
        DataDirError::Nowhere => Failure::new(Exit::Usage, error.to_string()),
        DataDirError::Held { .. } => Failure::new(Exit::Refused, error.to_string())
            .hint("`rbee status` asks the one that runs; --data-dir names another folder"),
        DataDirError::Io { .. } => {
            let message = error.to_string();
            match std::error::Error::source(error) {
                Some(cause) => Failure::of_error(Exit::Failed, message, cause),
                None => Failure::new(Exit::Failed, message),
            }
        }
    }
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

    #[test]
    fn the_programs_of_a_package_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let rbee = place("bin/rbee");
        assert_eq!(worker_folder(&rbee), folder.path().join("bin/"), "there are none");
        place("lib/rbee/llm-worker-rbee-cpu");
        assert_eq!(worker_folder(&rbee), folder.path().join("bin/../lib/rbee"));
        place("bin/sd-worker-rbee-cpu");
        assert_eq!(worker_folder(&rbee), folder.path().join("bin/"), "a build's own");
    }

    #[test]
    fn a_taken_port_is_refused_with_a_way_out() {
        let failure = cannot_listen(
            "127.0.0.1:7220".parse().unwrap(),
            &io::ErrorKind::AddrInUse.into(),
        );
        assert_eq!(failure.exit, Exit::Refused);
        assert!(failure.hints.iter().any(|hint| hint.contains("--listen")));
    }
}
