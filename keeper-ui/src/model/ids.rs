//! Names of things in the cluster, each a type of its own so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($($(#[$documentation:meta])+ $name:ident;)+) => {$(
        $(#[$documentation])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as it goes over the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )+};
}

id! {
    /// A worker: one model on one device.
    WorkerId;
    /// A model, as people write it: `org/repo:file.gguf`, `civitai:123456`, `local:qwen`.
    ModelId;
    /// A host's agent.
    HiveId;
    /// A device within its hive: `cpu:0`, `cuda:1`.
    DeviceId;
    /// A job of the provisioner: a download, an import, an installation.
    JobId;
}

impl WorkerId {
    /// The end of the id, enough to tell workers apart on a screen: ids begin with the time and end at random.
    #[must_use]
    pub fn short(&self) -> &str {
        let start = self.0.char_indices().rev().nth(5).map_or(0, |(at, _)| at);
        &self.0[start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_is_the_random_end_of_it() {
        assert_eq!(WorkerId::from("0190-abcdef").short(), "abcdef");
        assert_eq!(WorkerId::from("ab").short(), "ab");
        assert_eq!(WorkerId::from("").short(), "");
        assert_eq!(WorkerId::from("1äöüßéà").short(), "äöüßéà");
    }
}
