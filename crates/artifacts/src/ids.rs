//! Ids of workers, hives, jobs and worker binaries: names that are safe wherever they are put.

use std::fmt;
use std::str::FromStr;

use crate::device::Platform;
use crate::names::{excerpt, serde_as_text};
use crate::sha256::Sha256;
use crate::worker::WorkerType;

/// Long enough for any id that rbee makes, short enough for a file name or a label.
const MAX_ID_BYTES: usize = 128;

/// Text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{}\" is not a {what}: it must have 1 to {MAX_ID_BYTES} characters out of a-z, 0-9, \"-\", \"_\" and \
     \".\", and begin and end with a letter or a digit",
    excerpt(.given)
)]
pub struct IdError {
    /// What the text should have been, such as `worker id`.
    pub what: &'static str,
    /// The text that was given.
    pub given: String,
}

/// Lower case only, so that ids stay distinct on file systems that ignore case; no separators and no
/// leading dot, so that an id is one file name and never a hidden one or a parent.
fn is_id(text: &str) -> bool {
    let ends =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= MAX_ID_BYTES
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|&byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
        })
}

macro_rules! id {
    ($(#[$meta:meta])* $type:ident, $what:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(String);

        impl $type {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError { what: $what, given: text.to_owned() })
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        serde_as_text!($type);
    };
}

/// Ids that are made at random: `WorkerId::from(Uuid::now_v7())` sorts by time.
macro_rules! from_uuid {
    ($type:ident) => {
        impl From<uuid::Uuid> for $type {
            fn from(uuid: uuid::Uuid) -> Self {
                Self(uuid.as_hyphenated().to_string())
            }
        }
    };
}

id! {
    /// A worker: one process that serves one model on one device. Unique in the cluster, never reused.
    WorkerId, "worker id"
}
from_uuid!(WorkerId);

id! {
    /// A hive: the agent of one host. Stable across restarts of the host.
    HiveId, "hive id"
}
from_uuid!(HiveId);

id! {
    /// A job of the provisioner.
    JobId, "job id"
}
from_uuid!(JobId);

id! {
    /// An installed worker program, named by what it is.
    WorkerBinaryId, "worker binary id"
}

impl WorkerBinaryId {
    /// The id of a program: the same bytes installed as the same thing have the same id, and anything
    /// else has another.
    #[must_use]
    pub fn derive(worker_type: WorkerType, version: &str, platform: &Platform, sha256: &Sha256) -> Self {
        // The version is the program's own word: what does not fit into an id becomes "-". Two versions
        // that look alike then still differ in the digest.
        let version: String = version
            .chars()
            .take(32)
            .map(|letter| match letter.to_ascii_lowercase() {
                letter @ ('a'..='z' | '0'..='9' | '.') => letter,
                _ => '-',
            })
            .collect();
        let digest = &sha256.to_string()[..16];
        Self(format!(
            "{worker_type}-{version}-{}-{}-{digest}",
            platform.os(),
            platform.arch()
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn uuids_are_ids() {
        let id = WorkerId::from(Uuid::now_v7());
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
    }

    #[test]
    fn what_could_hurt_is_no_id() {
        for text in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "A",
            ".hidden",
            "a.",
            "-a",
            "ä",
            "a b",
            "a\0",
            &"a".repeat(129),
        ] {
            let error = text.parse::<HiveId>().unwrap_err();
            assert!(error.to_string().contains("hive id"), "{error}");
            assert!(serde_json::from_str::<HiveId>(&serde_json::to_string(text).unwrap()).is_err());
        }
    }

    #[test]
    fn ids_sort_by_time() {
        let ids: Vec<JobId> = (0..100).map(|_| JobId::from(Uuid::now_v7())).collect();
        assert!(ids.is_sorted());
    }

    proptest! {
        #[test]
        fn a_derived_id_is_always_an_id(version in ".{0,80}", digest in any::<[u8; 32]>()) {
            let platform = Platform::current();
            let id = WorkerBinaryId::derive(WorkerType::CpuLlm, &version, &platform, &Sha256::from(digest));
            prop_assert_eq!(id.as_str().parse::<WorkerBinaryId>().unwrap(), id);
        }
    }
}
