//! Which scope each call takes. The one table of it: a call that is not here is refused wherever anybody is asked who
//! they are, and a test compares the table with the contract.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// What a token may be used for. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See what there is and what happens.
    Read,
    /// Have workers work: chat, complete, embed, generate.
    Use,
    /// Change what there is: spawn, stop, bring in, delete, drain, give credentials. Services of the cluster have it.
    Operate,
}

impl Scope {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Use, Self::Operate];

    /// As it is written in files and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Use => "use",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no scope.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is no scope: read, use or operate")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let named = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        named.ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody who can reach the server, for probes.
    Open,
    /// Who has this scope, or one that includes it.
    With(Scope),
}

const OPEN: Access = Access::Open;
const READ: Access = Access::With(Scope::Read);
const USE: Access = Access::With(Scope::Use);
const OPERATE: Access = Access::With(Scope::Operate);

/// A service's methods with what they take.
type Methods = &'static [(&'static str, Access)];

const TABLE: &[(&str, Methods)] = &[
    ("grpc.health.v1.Health", &[("Check", OPEN), ("Watch", OPEN)]),
    (
        "grpc.reflection.v1.ServerReflection",
        &[("ServerReflectionInfo", READ)],
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection",
        &[("ServerReflectionInfo", READ)],
    ),
    ("rbee.events.v1.EventService", &[("WatchEvents", READ)]),
    (
        "rbee.catalog.v1.ModelService",
        &[
            ("CreateModel", OPERATE),
            ("GetModel", READ),
            ("ListModels", READ),
            ("UpdateModel", OPERATE),
            ("DeleteModel", OPERATE),
            ("WatchModels", READ),
        ],
    ),
    (
        "rbee.catalog.v1.WorkerBinaryService",
        &[
            ("CreateWorkerBinary", OPERATE),
            ("GetWorkerBinary", READ),
            ("ListWorkerBinaries", READ),
            ("DeleteWorkerBinary", OPERATE),
        ],
    ),
    (
        "rbee.catalog.v1.RegistryService",
        &[
            ("RegisterHive", OPERATE),
            ("HiveHeartbeat", OPERATE),
            ("DeregisterHive", OPERATE),
            ("ListHives", READ),
            ("RegisterWorker", OPERATE),
            ("UpdateWorker", OPERATE),
            ("DeregisterWorker", OPERATE),
            ("ListWorkers", READ),
            ("WatchCluster", READ),
        ],
    ),
    (
        "rbee.provisioner.v1.ProvisionerService",
        &[
            // Asks a hub, with the operator's token where there is one.
            ("ResolveModel", OPERATE),
            ("ProvisionModel", OPERATE),
            ("SearchModels", OPERATE),
            ("SetCredential", OPERATE),
            ("ListCredentials", OPERATE),
            ("InstallWorker", OPERATE),
            ("ListWorkerPackages", READ),
            ("VerifyModels", OPERATE),
            ("CollectGarbage", OPERATE),
            ("ImportModel", OPERATE),
            ("ImportWorkerBinary", OPERATE),
            ("GetJob", READ),
            ("ListJobs", READ),
            ("WatchJob", READ),
            ("CancelJob", OPERATE),
        ],
    ),
    (
        "rbee.hive.v1.HiveService",
        &[
            ("GetHive", READ),
            ("ListDevices", READ),
            ("CheckSpawn", READ),
            ("SpawnWorker", OPERATE),
            ("StopWorker", OPERATE),
            ("RestartWorker", OPERATE),
            ("UpdateWorker", OPERATE),
            ("AttachAddOns", OPERATE),
            ("GetWorker", READ),
            ("ListWorkers", READ),
            ("WatchWorkers", READ),
            ("StreamLogs", READ),
            ("WatchTelemetry", READ),
            ("Drain", OPERATE),
            ("Resume", OPERATE),
        ],
    ),
    ("rbee.worker.v1.WorkerService", &[("GetInfo", READ)]),
    (
        "rbee.worker.v1.TextService",
        &[
            ("Chat", USE),
            ("Complete", USE),
            ("Tokenize", USE),
            ("Detokenize", USE),
            ("CountTokens", USE),
            ("Embed", USE),
        ],
    ),
    (
        "rbee.worker.v1.ImageService",
        &[("GenerateImage", USE), ("ListSamplers", READ)],
    ),
];

static BY_PATH: LazyLock<HashMap<String, Access>> = LazyLock::new(|| all().collect());

fn all() -> impl Iterator<Item = (String, Access)> {
    TABLE.iter().flat_map(|(service, methods)| {
        methods
            .iter()
            .map(move |(method, access)| (format!("/{service}/{method}"), *access))
    })
}

/// Who may make the call with this path, such as `/rbee.hive.v1.HiveService/Drain`; `None` for a call that is not in
/// the contract.
#[must_use]
pub fn access(path: &str) -> Option<Access> {
    BY_PATH.get(path).copied()
}

/// Every call of the table by its path, for tests that walk them.
#[must_use]
pub fn every_call() -> Vec<(String, Access)> {
    all().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    fn paths_of(descriptors: &[u8]) -> BTreeSet<String> {
        let set = FileDescriptorSet::decode(descriptors).unwrap();
        set.file
            .iter()
            .flat_map(|file| {
                file.service.iter().flat_map(move |service| {
                    service.method.iter().map(move |method| {
                        format!("/{}.{}/{}", file.package(), service.name(), method.name())
                    })
                })
            })
            .collect()
    }

    #[test]
    fn the_table_is_the_contract() {
        let mut contract = paths_of(rbee_proto::FILE_DESCRIPTOR_SET);
        contract.extend(paths_of(tonic_health::pb::FILE_DESCRIPTOR_SET));
        contract.extend(paths_of(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET));
        contract.extend(paths_of(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET));
        let listed: Vec<_> = every_call().into_iter().map(|(path, _)| path).collect();
        let table: BTreeSet<_> = listed.iter().cloned().collect();
        assert_eq!(table.len(), listed.len(), "a call is listed twice");
        assert_eq!(table, contract);
    }

    #[test]
    fn nothing_but_health_is_open() {
        for (path, access) in every_call() {
            assert_eq!(
                access == Access::Open,
                path.starts_with("/grpc.health."),
                "{path}"
            );
        }
    }

    /// What a verb says of a call, so that a new one is not let in too easily.
    #[test]
    fn who_only_reads_changes_nothing() {
        for (path, access) in every_call()
            .into_iter()
            .filter(|(path, _)| path.starts_with("/rbee."))
        {
            let method = path.rsplit('/').next().unwrap();
            let reads = ["Get", "List", "Watch", "Stream", "Check"]
                .iter()
                .any(|verb| method.starts_with(verb));
            assert!(access != READ || reads, "{path} takes no more than read");
            let works = path.starts_with("/rbee.worker.");
            assert!(access != USE || works, "{path} takes no more than use");
        }
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
        assert!("admin".parse::<Scope>().is_err());
        assert!(Scope::Read < Scope::Use && Scope::Use < Scope::Operate);
    }
}
