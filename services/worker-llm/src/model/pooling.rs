//! How a model makes one vector of the vectors of a text's tokens.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rbee_artifacts::gguf::{GgufError, GgufHeader};
use serde::Deserialize;

/// Where sentence-transformers says it in a folder.
const POOLING_FILE: &str = "1_Pooling/config.json";
/// The longest such file; they have a few lines.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token.
    First,
    /// That of the last token.
    Last,
}

impl Pooling {
    /// What a GGUF file declares (`llama_pooling_type`). None if it declares none, or one that no decoder
    /// here can do: a rank, or tokens that see those behind them.
    ///
    /// # Errors
    /// When the metadata is of a wrong type.
    pub fn of_gguf(header: &GgufHeader) -> Result<Option<Self>, GgufError> {
        let metadata = &header.metadata;
        let Some(architecture) = metadata.str("general.architecture")? else {
            return Ok(None);
        };
        if metadata.bool(&format!("{architecture}.attention.causal"))? == Some(false) {
            return Ok(None);
        }
        Ok(match metadata.u32(&format!("{architecture}.pooling_type"))? {
            Some(1) => Some(Self::Mean),
            Some(2) => Some(Self::First),
            Some(3) => Some(Self::Last),
            _ => None,
        })
    }

    /// What a folder declares in the words of sentence-transformers; none where it declares none that is
    /// known here, or several.
    #[must_use]
    pub fn of_folder(folder: &Path) -> Option<Self> {
        let file = File::open(folder.join(POOLING_FILE)).ok()?;
        let mut text = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut text).ok()?;
        let declared: Declared = serde_json::from_slice(&text).ok()?;
        declared.pooling()
    }
}

/// `1_Pooling/config.json`: one switch for each way, and later versions its name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Declared {
    pooling_mode: Option<String>,
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

impl Declared {
    fn pooling(&self) -> Option<Pooling> {
        match self.pooling_mode.as_deref() {
            Some("mean") => return Some(Pooling::Mean),
            Some("cls") => return Some(Pooling::First),
            Some("lasttoken") => return Some(Pooling::Last),
            Some(_) => return None,
            None => {}
        }
        let others = [
            self.pooling_mode_max_tokens,
            self.pooling_mode_mean_sqrt_len_tokens,
            self.pooling_mode_weightedmean_tokens,
        ];
        if others.contains(&true) {
            return None;
        }
        match [
            self.pooling_mode_mean_tokens,
            self.pooling_mode_cls_token,
            self.pooling_mode_lasttoken,
        ] {
            [true, false, false] => Some(Pooling::Mean),
            [false, true, false] => Some(Pooling::First),
            [false, false, true] => Some(Pooling::Last),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(json: &str) -> Option<Pooling> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1_Pooling")).unwrap();
        std::fs::write(folder.path().join(POOLING_FILE), json).unwrap();
        Pooling::of_folder(folder.path())
    }

    #[test]
    fn a_folder_declares_one_way() {
        for (json, expected) in [
            (
                r#"{"word_embedding_dimension": 64, "pooling_mode_lasttoken": true}"#,
                Some(Pooling::Last),
            ),
            (r#"{"pooling_mode_mean_tokens": true}"#, Some(Pooling::Mean)),
            (r#"{"pooling_mode_cls_token": true}"#, Some(Pooling::First)),
            (r#"{"pooling_mode": "lasttoken"}"#, Some(Pooling::Last)),
            (r#"{"pooling_mode": "max"}"#, None),
            (
                r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#,
                None,
            ),
            (r#"{"pooling_mode_max_tokens": true}"#, None),
            ("{}", None),
            ("[", None),
        ] {
            assert_eq!(declared(json), expected, "{json}");
        }
        assert_eq!(Pooling::of_folder(Path::new("/nowhere")), None);
    }
}
