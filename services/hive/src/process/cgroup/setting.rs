//! What is configured of control groups.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where workers get their control groups: `auto`, `off`, or a folder below which the hive may make groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CgroupSetting {
    /// Below the hive's own group, if that was given to the hive and to nobody else; else none.
    #[default]
    Auto,
    /// None.
    Off,
    /// Below this folder, which is made if it isn't there.
    Folder(PathBuf),
}

/// What is neither `auto` nor `off` nor an absolute path.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is neither `auto` nor `off` nor an absolute path such as /sys/fs/cgroup/rbee.slice")]
pub struct CgroupSettingError {
    text: String,
}

impl TryFrom<String> for CgroupSetting {
    type Error = CgroupSettingError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            path if path.starts_with('/') => Ok(Self::Folder(path.into())),
            _ => Err(CgroupSettingError { text }),
        }
    }
}

impl From<CgroupSetting> for String {
    fn from(setting: CgroupSetting) -> Self {
        match setting {
            CgroupSetting::Auto => "auto".into(),
            CgroupSetting::Off => "off".into(),
            CgroupSetting::Folder(path) => path.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for text in ["auto", "off", "/sys/fs/cgroup/rbee.slice"] {
            let setting = CgroupSetting::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(setting), text);
        }
        let error = CgroupSetting::try_from("on".to_owned()).unwrap_err();
        assert!(error.to_string().contains("`on` is neither"), "{error}");
    }
}
