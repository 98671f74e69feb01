//! `rbee cluster`: the CA, and the certificates of the hosts.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::args::{ClusterCommand, FolderArg};
use crate::cluster::{ClusterError, ClusterFolder, Facts, Host};
use crate::data_dir;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, note};
use crate::render::paint::Tone;
use crate::render::table::{Cell, Table};

/// A certificate that ends within these days should be renewed.
const SOON_DAYS: i64 = 30;

const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// Does what was asked. No server is needed.
pub(super) fn run(command: ClusterCommand, output: Output) -> Result<(), Failure> {
    let now = Timestamp::now();
    match command {
        ClusterCommand::Init { hosts, folder } => init(hosts, &folder, now, output),
        ClusterCommand::AddHost { host, folder } => {
            let cluster = open(&folder)?;
            let host = cluster.add_host(&host, now).map_err(|error| failed(&error))?;
            show(&cluster, &[host], now, output)?;
            remark_on_copies(output);
            Ok(())
        }
        ClusterCommand::Rotate { folder } => {
            let cluster = open(&folder)?;
            let hosts = cluster.rotate(now).map_err(|error| failed(&error))?;
            show(&cluster, &hosts, now, output)?;
            remark_on_copies(output);
            Ok(())
        }
        ClusterCommand::Show { folder } => {
            let cluster = open(&folder)?;
            let hosts = cluster.hosts().map_err(|error| failed(&error))?;
            show(&cluster, &hosts, now, output)
        }
    }
}

fn init(mut hosts: Vec<String>, folder: &FolderArg, now: Timestamp, output: Output) -> Result<(), Failure> {
    if hosts.is_empty() {
        hosts.push(rbee_hive::names_of_this_host().join(","));
    }
    let cluster = ClusterFolder::init(&path(folder)?, &hosts, now).map_err(|error| failed(&error))?;
    let hosts = cluster.hosts().map_err(|error| failed(&error))?;
    show(&cluster, &hosts, now, output)?;
    if !output.json {
        let folder = cluster.path().display();
        note(&format!(
            "{folder} is the cluster: who has ca.key can make hosts, who has join-token can do everything.\n\
             On this host: rbee up --cluster {folder} --listen 0.0.0.0:7220\n\
             Elsewhere:    rbee --server https://HOST:7220 --ca ca.pem --token-file FILE status"
        ));
    }
    Ok(())
}

/// The cluster's folder, as given or below the data folder.
pub(super) fn path(folder: &FolderArg) -> Result<PathBuf, Failure> {
    match &folder.folder {
        Some(path) => Ok(path.clone()),
        None => data_dir::default_path(|name| std::env::var_os(name))
            .map(|data| data.join("cluster"))
            .map_err(|_| {
                Failure::new(
                    Exit::Usage,
                    "there is no place for the cluster: name one with --folder",
                )
            }),
    }
}

/// The cluster that is there.
pub(super) fn open(folder: &FolderArg) -> Result<ClusterFolder, Failure> {
    ClusterFolder::open(&path(folder)?).map_err(|error| failed(&error))
}

/// What went wrong with the cluster's folder.
pub(super) fn failed(error: &ClusterError) -> Failure {
    let exit = match error {
        ClusterError::Exists { .. } | ClusterError::HostExists { .. } => Exit::Refused,
        ClusterError::Missing { .. } => Exit::NotFound,
        ClusterError::HostName { .. } | ClusterError::WhichHost { .. } => Exit::Usage,
        ClusterError::Tokens(error) => return super::token::failed(error),
        ClusterError::Io { .. } | ClusterError::Certificate(_) => Exit::Failed,
    };
    let message = error.to_string();
    let failure = match std::error::Error::source(error) {
        Some(cause) => Failure::of_error(exit, message, cause),
        None => Failure::new(exit, message),
    };
    match error {
        ClusterError::Missing { .. } => failure.hint("`rbee cluster init` makes one; --folder names another"),
        ClusterError::Exists { .. } => failure
            .hint("`rbee cluster add-host NAME` adds a host; `rbee cluster rotate` renews certificates"),
        ClusterError::HostExists { .. } => failure.hint("`rbee cluster rotate` renews certificates"),
        ClusterError::WhichHost { .. } => {
            failure.hint("name its files with --tls-cert, --tls-key, --tls-client-ca and --tokens-file")
        }
        _ => failure,
    }
}

#[derive(Serialize)]
struct ClusterView {
    folder: PathBuf,
    ca_ends: String,
    hosts: Vec<HostView>,
}

#[derive(Serialize)]
struct HostView {
    name: String,
    names: Vec<String>,
    ends: String,
    days_left: i64,
    folder: PathBuf,
}

fn days_left(facts: &Facts, now: Timestamp) -> i64 {
    (facts.ends.as_second() - now.as_second()).div_euclid(SECONDS_A_DAY)
}

fn show(cluster: &ClusterFolder, hosts: &[Host], now: Timestamp, output: Output) -> Result<(), Failure> {
    let ca = cluster.ca_facts().map_err(|error| failed(&error))?;
    if output.json {
        let view = ClusterView {
            folder: cluster.path().to_path_buf(),
            ca_ends: ca.ends.to_string(),
            hosts: hosts
                .iter()
                .map(|host| HostView {
                    name: host.name.clone(),
                    names: host.facts.names.clone(),
                    ends: host.facts.ends.to_string(),
                    days_left: days_left(&host.facts, now),
                    folder: cluster.host_folder(&host.name),
                })
                .collect(),
        };
        return Ok(output.document(&view)?);
    }
    let mut table = Table::new(["HOST", "ENDS", ">DAYS LEFT", "NAMES"]);
    let mut row = |name: &str, facts: &Facts| {
        let left = days_left(facts, now);
        let tone = if left < 0 {
            Tone::Bad
        } else if left < SOON_DAYS {
            Tone::Busy
        } else {
            Tone::Plain
        };
        table.row(vec![
            Cell::from(name),
            Cell::from(day(facts.ends)),
            Cell::new(left.to_string(), tone),
            Cell::from(facts.names.join(" ")),
        ]);
    };
    row("(the CA)", &ca);
    for host in hosts {
        row(&host.name, &host.facts);
    }
    Ok(output.text(&table.render(output.paint))?)
}

/// The day of a moment, in UTC.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn remark_on_copies(output: Output) {
    if !output.json {
        note(
            "copy each host's folder to it; servers take what has changed within seconds, and streams go on",
        );
    }
}
