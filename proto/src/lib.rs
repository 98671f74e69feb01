//! The gRPC contract of rbee, and the one crate generated from it.
//!
//! The contract is `proto/rbee/<part>/v1/*.proto`; read it there. The modules here are named by its
//! packages: `rbee.catalog.v1` is [`catalog::v1`]. Features: `client` and `server` generate the
//! respective half of each service.

// The generated code is documented in the contract and formatted by its generator.
#![allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all, unreachable_pub)]

macro_rules! package {
    ($part:ident) => {
        #[doc = concat!("Package `rbee.", stringify!($part), "`.")]
        pub mod $part {
            #[doc = concat!("Package `rbee.", stringify!($part), ".v1`.")]
            pub mod v1 {
                include!(concat!(
                    env!("OUT_DIR"),
                    "/rbee.",
                    stringify!($part),
                    ".v1.rs"
                ));
            }
        }
    };
}

package!(types);
package!(catalog);
package!(provisioner);
package!(hive);
package!(worker);
package!(events);

/// The encoded `FileDescriptorSet` of all packages, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rbee.bin"));

impl std::fmt::Debug for provisioner::v1::SetCredentialRequest {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetCredentialRequest")
            .field("vendor", &self.vendor())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::provisioner::v1::SetCredentialRequest;

    #[test]
    fn a_token_is_not_printed() {
        let request = SetCredentialRequest {
            vendor: 1,
            token: "hf_secret".into(),
        };
        assert_eq!(
            format!("{request:?}"),
            "SetCredentialRequest { vendor: Huggingface, .. }"
        );
    }
}
