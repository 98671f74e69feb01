//! Devices that the operator hides or declares, for tests and for hosts that are to keep some to themselves.

use std::collections::BTreeSet;
use std::str::FromStr;

use bytesize::ByteSize;
use rbee_artifacts::{DeviceId, DeviceKind};

use crate::domain::Device;

/// More than any host has.
const MAX_DECLARED: usize = 64;
const MAX_NAME_BYTES: usize = 128;

/// What is hidden and what is declared, written as rules between semicolons:
///
/// | rule | does |
/// |---|---|
/// | `-cuda:1` | hides a device |
/// | `-cuda` | hides all devices of a kind |
/// | `-*` | hides all devices |
/// | `+cuda:0` | declares a device, in place of the found one with this id |
/// | `+cuda:0,memory=24GiB,free=20GiB,name=RTX 4090,compute=8.9,cores=128` | the same with facts |
///
/// `memory` is also what is `free` unless that is said. Hiding is about what was found: what is declared is there
/// whatever the order of the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declarations {
    hidden: Vec<Hidden>,
    declared: Vec<Device>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    All,
    Kind(DeviceKind),
    One(DeviceId),
}

/// A rule that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rule {rule:?} in RBEE_DEVICES (hive.devices) {problem}; write -cuda:1, -cuda or -* to hide, and \
     +cuda:0,memory=24GiB,free=20GiB,name=RTX 4090 to declare, with semicolons between rules"
)]
pub struct DeclarationsError {
    /// The rule, shortened.
    pub rule: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Declarations {
    /// Applies the rules to what was found; answers devices by id.
    #[must_use]
    pub fn apply(&self, found: Vec<Device>) -> Vec<Device> {
        let declared: BTreeSet<_> = self.declared.iter().map(|device| device.id).collect();
        let hides = |id: DeviceId| {
            self.hidden.iter().any(|hidden| match *hidden {
                Hidden::All => true,
                Hidden::Kind(kind) => id.kind() == kind,
                Hidden::One(one) => id == one,
            })
        };
        let mut devices: Vec<_> = found
            .into_iter()
            .filter(|device| !hides(device.id) && !declared.contains(&device.id))
            .chain(self.declared.iter().cloned())
            .collect();
        devices.sort_by_key(|device| device.id);
        devices
    }
}

impl FromStr for Declarations {
    type Err = DeclarationsError;

    fn from_str(text: &str) -> Result<Self, DeclarationsError> {
        let mut declarations = Self::default();
        for rule in text.split(';').map(str::trim).filter(|rule| !rule.is_empty()) {
            declarations.add(rule).map_err(|problem| DeclarationsError {
                rule: rule.chars().take(100).collect(),
                problem,
            })?;
        }
        Ok(declarations)
    }
}

impl Declarations {
    fn add(&mut self, rule: &str) -> Result<(), String> {
        if let Some(what) = rule.strip_prefix('-') {
            self.hidden.push(hidden(what.trim())?);
            return Ok(());
        }
        let facts = rule.strip_prefix('+').ok_or("begins with neither - nor +")?;
        let device = declared(facts)?;
        if self.declared.iter().any(|other| other.id == device.id) {
            return Err(format!("declares {} a second time", device.id));
        }
        if self.declared.len() == MAX_DECLARED {
            return Err(format!("is one more than {MAX_DECLARED} declared devices"));
        }
        self.declared.push(device);
        Ok(())
    }
}

fn hidden(what: &str) -> Result<Hidden, String> {
    if what == "*" {
        return Ok(Hidden::All);
    }
    if let Ok(kind) = what.parse() {
        return Ok(Hidden::Kind(kind));
    }
    what.parse()
        .map(Hidden::One)
        .map_err(|_| "names neither a device nor a kind of device".to_owned())
}

fn declared(text: &str) -> Result<Device, String> {
    let mut parts = text.split(',').map(str::trim);
    let id: DeviceId = parts
        .next()
        .unwrap_or_default()
        .parse()
        .map_err(|_| "names no device: cpu:0, cuda:N and metal:N are some".to_owned())?;
    let mut device = Device {
        declared: true,
        ..Device::named(id, "declared")
    };
    for part in parts {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| format!("has {part:?}, which is not name=value"))?;
        let bytes = || -> Result<u64, String> {
            let size: ByteSize = value
                .parse()
                .map_err(|_| format!("has {value:?}, which is no size such as 24GiB"))?;
            Ok(size.as_u64())
        };
        match name {
            "memory" => device.memory_total_bytes = Some(bytes()?),
            "free" => device.memory_free_bytes = Some(bytes()?),
            "name" if (1..=MAX_NAME_BYTES).contains(&value.len()) && !value.contains(char::is_control) => {
                device.name = value.to_owned();
            }
            "compute" if value.split('.').all(|part| part.parse::<u8>().is_ok()) => {
                device.compute_capability = Some(value.to_owned());
            }
            "cores" => {
                let count = value
                    .parse()
                    .map_err(|_| format!("has {value:?}, which is no number"))?;
                device.core_count = Some(count);
            }
            "name" | "compute" => return Err(format!("has {value:?}, which is no {name}")),
            _ => return Err(format!("has the unknown name {name:?}")),
        }
    }
    device.memory_free_bytes = device.memory_free_bytes.or(device.memory_total_bytes);
    match (device.memory_free_bytes, device.memory_total_bytes) {
        (Some(free), Some(total)) if free > total => Err("has more memory free than there is".to_owned()),
        (Some(_), None) => Err("says what is free and not how much memory there is".to_owned()),
        _ => Ok(device),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found() -> Vec<Device> {
        ["cpu:0", "cuda:0", "cuda:1"]
            .map(|id| Device::named(id.parse().unwrap(), "found"))
            .into()
    }

    fn left(rules: &str) -> Vec<String> {
        let rules: Declarations = rules.parse().unwrap();
        rules.apply(found()).iter().map(Device::label).collect()
    }

    #[test]
    fn rules_hide_and_declare() {
        assert_eq!(left(""), ["cpu:0", "cuda:0", "cuda:1"]);
        assert_eq!(left("-cuda:1"), ["cpu:0", "cuda:0"]);
        assert_eq!(left(" -cuda ;"), ["cpu:0"]);
        assert_eq!(left("-*"), [""; 0]);
        assert_eq!(left("+cuda:7,memory=1GiB;-cuda"), ["cpu:0", "cuda:7 (declared)"]);
        assert_eq!(left("+cpu:0"), ["cpu:0 (declared)", "cuda:0", "cuda:1"]);
    }

    #[test]
    fn a_declared_device_has_the_facts_it_was_given() {
        let rules = "+cuda:0,memory=24GiB,free=20GiB,name=RTX 4090,compute=8.9,cores=128";
        let rules: Declarations = rules.parse().unwrap();
        assert_eq!(
            rules.declared,
            [Device {
                memory_total_bytes: Some(24 << 30),
                memory_free_bytes: Some(20 << 30),
                core_count: Some(128),
                compute_capability: Some("8.9".into()),
                declared: true,
                ..Device::named("cuda:0".parse().unwrap(), "RTX 4090")
            }]
        );
        let all_free: Declarations = "+cpu:0,memory=1GiB".parse().unwrap();
        assert_eq!(all_free.declared[0].memory_free_bytes, Some(1 << 30));
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said() {
        for (rules, words) in [
            ("cuda:0", "neither - nor +"),
            ("-tpu", "neither a device nor a kind"),
            ("+cuda", "names no device"),
            ("+cuda:0,memory=lots", "no size"),
            ("+cuda:0,memory", "not name=value"),
            ("+cuda:0,colour=red", "unknown name"),
            ("+cuda:0,memory=1GiB,free=2GiB", "more memory free"),
            ("+cuda:0,free=2GiB", "not how much"),
            ("+cuda:0;+cuda:0", "a second time"),
            ("+cuda:0,compute=new", "no compute"),
        ] {
            let error = rules.parse::<Declarations>().unwrap_err().to_string();
            assert!(error.contains(words), "{rules}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[-+;,=a-z0-9:* ]{0,60}") {
            let _ = text.parse::<Declarations>();
        }
    }
}
