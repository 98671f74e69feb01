//! The folder of a cluster's secrets: its CA, a certificate for each host, and the tokens.
//!
//! ```text
//! ca.pem ca.key            the CA; its key never leaves this folder
//! tokens.toml              digests of the tokens
//! join-token               the token with which further hosts join
//! hosts/<host>/            what a host needs: ca.pem cert.pem key.pem tokens.toml
//! ```
//!
//! All of it is readable by its owner alone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use rbee_service_kit::server::scopes::Scope;
use rbee_service_kit::server::tokens::{Tokens, TokensError, write_private};
use secrecy::ExposeSecret as _;

mod certificates;

use certificates::Pair;
pub(crate) use certificates::{CertificateError, Facts};

/// What the joining token is called.
pub(crate) const JOIN: &str = "join";

/// What every host's certificate is for besides its names: the host itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why a cluster's folder can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// There is a cluster already.
    #[error("{} holds a cluster already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// There is none.
    #[error("{} holds no cluster", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// A host has a certificate already.
    #[error("there is a certificate for {host} already")]
    HostExists {
        /// The host.
        host: String,
    },
    /// A host's name can't be used.
    #[error("`{host}` is no name or address of a host")]
    HostName {
        /// What was given.
        host: String,
    },
    /// It isn't clear which host this is.
    #[error("it is not clear which of its hosts this is; there are {hosts}")]
    WhichHost {
        /// Those that there are.
        hosts: String,
    },
    /// A file can't be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A certificate can't be made or read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The tokens can't be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
}

/// A cluster's folder.
#[derive(Debug, Clone)]
pub(crate) struct ClusterFolder {
    path: PathBuf,
}

/// A host and what its certificate says.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// What it is called here.
    pub(crate) name: String,
    /// Its certificate's names and end.
    pub(crate) facts: Facts,
}

impl ClusterFolder {
    /// Makes a cluster: its CA, its joining token, and a certificate for each host. A host is its name or address, with
    /// further ones after commas.
    pub(crate) fn init(path: &Path, hosts: &[String], now: Timestamp) -> Result<Self, ClusterError> {
        let hosts: Vec<_> = hosts
            .iter()
            .map(|host| names_of(host))
            .collect::<Result<_, _>>()?;
        let cluster = Self {
            path: path.to_path_buf(),
        };
        if cluster.exists() {
            return Err(ClusterError::Exists {
                path: path.to_path_buf(),
            });
        }
        create_private(path)?;
        let mut tokens = Tokens::default();
        let join = tokens.create(JOIN, Scope::Operate, SystemTime::from(now), None)?;
        write(&cluster.join_token(), join.expose_secret())?;
        tokens.write(&cluster.tokens_file())?;
        let id = uuid::Uuid::now_v7().simple().to_string();
        let authority = certificates::authority(&format!("rbee cluster {}", &id[20..]), now)?;
        write(&path.join("ca.key"), &authority.key)?;
        // Last: with it the folder is a cluster, and another attempt after a failure begins anew.
        write(&cluster.ca(), &authority.cert)?;
        for names in hosts {
            cluster.make_host(&names, now)?;
        }
        Ok(cluster)
    }

    /// The cluster in a folder.
    pub(crate) fn open(path: &Path) -> Result<Self, ClusterError> {
        let cluster = Self {
            path: path.to_path_buf(),
        };
        if cluster.exists() {
            Ok(cluster)
        } else {
            Err(ClusterError::Missing {
                path: path.to_path_buf(),
            })
        }
    }

    fn exists(&self) -> bool {
        self.ca().exists()
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The CA's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// The tokens.
    pub(crate) fn tokens_file(&self) -> PathBuf {
        self.path.join("tokens.toml")
    }

    /// The token with which hosts join.
    pub(crate) fn join_token(&self) -> PathBuf {
        self.path.join("join-token")
    }

    /// What a host needs.
    pub(crate) fn host_folder(&self, host: &str) -> PathBuf {
        self.path.join("hosts").join(host)
    }

    /// Makes a certificate for a further host.
    pub(crate) fn add_host(&self, host: &str, now: Timestamp) -> Result<Host, ClusterError> {
        self.make_host(&names_of(host)?, now)
    }

    /// Renews the certificates of all hosts, for the same names.
    pub(crate) fn rotate(&self, now: Timestamp) -> Result<Vec<Host>, ClusterError> {
        let authority = self.authority()?;
        self.hosts()?
            .into_iter()
            .map(|host| self.sign(&authority, &host.name, &host.facts.names, now))
            .collect()
    }

    /// When the CA ends.
    pub(crate) fn ca_facts(&self) -> Result<Facts, ClusterError> {
        facts(&self.ca())
    }

    /// The hosts, by name.
    pub(crate) fn hosts(&self) -> Result<Vec<Host>, ClusterError> {
        let mut hosts = Vec::new();
        for name in self.host_names()? {
            let facts = facts(&self.host_folder(&name).join("cert.pem"))?;
            hosts.push(Host { name, facts });
        }
        Ok(hosts)
    }

    /// The host that this machine is: the one of its name, or the only one.
    pub(crate) fn this_host(&self) -> Result<String, ClusterError> {
        let mut hosts = self.host_names()?;
        let own = rbee_hive::names_of_this_host();
        if let Some(at) = hosts.iter().position(|host| own.contains(host)) {
            return Ok(hosts.swap_remove(at));
        }
        match (hosts.pop(), hosts.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                hosts.extend(last);
                Err(ClusterError::WhichHost {
                    hosts: if hosts.is_empty() {
                        "none".into()
                    } else {
                        hosts.join(", ")
                    },
                })
            }
        }
    }

    /// Changes the tokens, here and in what the hosts are given.
    pub(crate) fn change_tokens<T>(
        &self,
        change: impl FnOnce(&mut Tokens) -> Result<T, TokensError>,
    ) -> Result<T, ClusterError> {
        let mut tokens = Tokens::read(&self.tokens_file())?;
        let done = change(&mut tokens)?;
        tokens.write(&self.tokens_file())?;
        for host in self.host_names()? {
            tokens.write(&self.host_folder(&host).join("tokens.toml"))?;
        }
        Ok(done)
    }

    fn host_names(&self) -> Result<Vec<String>, ClusterError> {
        let folder = self.path.join("hosts");
        let failed = |source| ClusterError::Io {
            path: folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.into_string());
        }
        names.sort();
        Ok(names)
    }

    fn make_host(&self, names: &[String], now: Timestamp) -> Result<Host, ClusterError> {
        let host = &names[0];
        if self.host_folder(host).join("cert.pem").exists() {
            return Err(ClusterError::HostExists { host: host.clone() });
        }
        self.sign(&self.authority()?, host, names, now)
    }

    fn sign(
        &self,
        authority: &Pair,
        host: &str,
        names: &[String],
        now: Timestamp,
    ) -> Result<Host, ClusterError> {
        let folder = self.host_folder(host);
        create_private(&folder)?;
        let pair = certificates::for_host(authority, host, names, now)?;
        write(&folder.join("ca.pem"), &authority.cert)?;
        Tokens::read(&self.tokens_file())?.write(&folder.join("tokens.toml"))?;
        // A server that looks in between finds that they don't go together, and keeps those that it has.
        write(&folder.join("key.pem"), &pair.key)?;
        write(&folder.join("cert.pem"), &pair.cert)?;
        Ok(Host {
            name: host.to_owned(),
            facts: certificates::read(host, &pair.cert)?,
        })
    }

    fn authority(&self) -> Result<Pair, ClusterError> {
        Ok(Pair {
            cert: read(&self.ca())?,
            key: read(&self.path.join("ca.key"))?,
        })
    }
}

/// A host's names: what was given, the first before all, and those by which it calls itself.
fn names_of(given: &str) -> Result<Vec<String>, ClusterError> {
    let mut names: Vec<String> = Vec::new();
    for name in given.split(',').map(str::trim) {
        let is_name = !name.is_empty()
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
        if !is_name {
            return Err(ClusterError::HostName { host: given.into() });
        }
        if !names.iter().any(|other| other == name) {
            names.push(name.to_owned());
        }
    }
    for own in LOOPBACK {
        if !names.iter().any(|name| name == own) {
            names.push(own.to_owned());
        }
    }
    Ok(names)
}

fn facts(path: &Path) -> Result<Facts, ClusterError> {
    Ok(certificates::read(&path.display().to_string(), &read(path)?)?)
}

fn read(path: &Path) -> Result<String, ClusterError> {
    std::fs::read_to_string(path).map_err(|source| ClusterError::Io {
        path: path.to_path_buf(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), ClusterError> {
    let text = format!("{}\n", text.trim_end());
    write_private(path, text.as_bytes()).map_err(|source| ClusterError::Io {
        path: path.to_path_buf(),
        source,
    })
}

/// A folder that only its owner can enter, with those above it.
fn create_private(path: &Path) -> Result<(), ClusterError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| ClusterError::Io {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests;
