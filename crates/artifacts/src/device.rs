//! What workers run on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{excerpt, named_enum, serde_as_text};

named_enum! {
    /// The hardware behind a device.
    pub enum DeviceKind ("kind of device") {
        /// Main processor and memory.
        Cpu = "cpu",
        /// NVIDIA GPU.
        Cuda = "cuda",
        /// Apple GPU.
        Metal = "metal",
    }
}

/// A device of a host: `cpu:0`, `cuda:N`, `metal:N`. All processors together are the one device `cpu:0`;
/// that a host has no `cpu:1` is the host's to say, as it is for a GPU that isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId {
    kind: DeviceKind,
    index: u32,
}

/// Text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not a device: write cpu:0, or cuda:N or metal:N with the GPU's number", excerpt(.given))]
pub struct DeviceIdError {
    /// The text that was given.
    pub given: String,
}

impl DeviceId {
    /// The processor.
    pub const CPU: Self = Self {
        kind: DeviceKind::Cpu,
        index: 0,
    };

    /// The device of a kind with this number.
    #[must_use]
    pub fn new(kind: DeviceKind, index: u32) -> Self {
        Self { kind, index }
    }

    /// The hardware behind it.
    #[must_use]
    pub fn kind(self) -> DeviceKind {
        self.kind
    }

    /// Its number among the devices of its kind, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        let parse = || {
            let (kind, index) = text.split_once(':')?;
            let device = Self {
                kind: kind.parse().ok()?,
                index: index.parse().ok()?,
            };
            // One way to write each: no "+1", no "01".
            (device.to_string() == text).then_some(device)
        };
        parse().ok_or_else(|| DeviceIdError {
            given: text.to_owned(),
        })
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.kind, self.index))
    }
}

serde_as_text!(DeviceId);

/// What a program is built for, in Rust's words: `linux` and `x86_64`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "PlatformParts")]
pub struct Platform {
    os: String,
    arch: String,
}

#[derive(Deserialize)]
struct PlatformParts {
    os: String,
    arch: String,
}

impl Platform {
    /// A platform by its parts; `None` unless each has 1 to 16 characters out of a-z, 0-9 and `_`.
    #[must_use]
    pub fn new(os: impl Into<String>, arch: impl Into<String>) -> Option<Self> {
        let (os, arch) = (os.into(), arch.into());
        let is_word = |text: &str| {
            (1..=16).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        (is_word(&os) && is_word(&arch)).then_some(Self { os, arch })
    }

    /// What this program was built for.
    #[must_use]
    pub fn current() -> Self {
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
        }
    }

    /// The operating system: `linux`, `macos`, `windows`.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The processor's architecture: `x86_64`, `aarch64`.
    #[must_use]
    pub fn arch(&self) -> &str {
        &self.arch
    }
}

impl TryFrom<PlatformParts> for Platform {
    type Error = &'static str;

    fn try_from(parts: PlatformParts) -> Result<Self, Self::Error> {
        Self::new(parts.os, parts.arch).ok_or("not a platform")
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.os, self.arch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_written_in_one_way() {
        for text in ["cpu:0", "cpu:1", "cuda:0", "cuda:7", "metal:1"] {
            assert_eq!(text.parse::<DeviceId>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "cpu",
            "cuda:",
            "cuda:01",
            "cuda:+1",
            "cuda:-1",
            "CUDA:0",
            "tpu:0",
            "cuda:0:0",
            "cuda:4294967296",
        ] {
            assert!(text.parse::<DeviceId>().is_err(), "{text}");
        }
        assert_eq!("cpu:0".parse(), Ok(DeviceId::CPU));
    }

    #[test]
    fn this_platform_is_one() {
        let platform = Platform::current();
        assert_eq!(
            Platform::new(platform.os(), platform.arch()),
            Some(platform.clone())
        );
        let json = serde_json::to_string(&platform).unwrap();
        assert_eq!(serde_json::from_str::<Platform>(&json).unwrap(), platform);
        assert!(serde_json::from_str::<Platform>(r#"{"os": "../x", "arch": "x86_64"}"#).is_err());
    }
}
