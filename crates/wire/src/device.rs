//! What workers run on.

use rbee_artifacts::{DeviceKind, Platform};
use rbee_proto::types::v1 as wire;

use crate::InvalidField;

/// Writes a kind of device.
#[must_use]
pub fn device_kind_to_wire(kind: DeviceKind) -> wire::DeviceKind {
    match kind {
        DeviceKind::Cpu => wire::DeviceKind::Cpu,
        DeviceKind::Cuda => wire::DeviceKind::Cuda,
        DeviceKind::Metal => wire::DeviceKind::Metal,
    }
}

/// Writes a platform.
#[must_use]
pub fn platform_to_wire(platform: &Platform) -> wire::Platform {
    wire::Platform {
        os: platform.os().to_owned(),
        arch: platform.arch().to_owned(),
    }
}

/// Reads a platform.
///
/// # Errors
/// If it does not name an operating system and an architecture; `field` is the platform's path.
pub fn platform_from_wire(field: &str, platform: wire::Platform) -> Result<Platform, InvalidField> {
    Platform::new(platform.os, platform.arch).ok_or_else(|| {
        InvalidField::new(
            field,
            "must name an operating system and an architecture: linux, x86_64",
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::any_platform;

    #[test]
    fn each_kind_of_device_has_a_number_of_its_own() {
        let mut numbers: Vec<i32> = DeviceKind::ALL
            .iter()
            .map(|&kind| device_kind_to_wire(kind).into())
            .collect();
        assert!(!numbers.contains(&wire::DeviceKind::Unspecified.into()));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), DeviceKind::ALL.len());
    }

    #[test]
    fn a_platform_of_unusable_parts_is_refused() {
        let error = platform_from_wire("hive.platform", wire::Platform::default()).unwrap_err();
        assert_eq!(error.field, "hive.platform");
    }

    proptest! {
        #[test]
        fn platforms_cross_the_wire(platform in any_platform()) {
            prop_assert_eq!(platform_from_wire("platform", platform_to_wire(&platform)), Ok(platform));
        }
    }
}
