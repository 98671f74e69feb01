//! Tokens: where they come from. Where they may go is `rbee_download`'s to hold.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use secrecy::SecretString;

/// Gives the token with which a hub is asked, as it is now: a login takes effect without a restart.
pub trait TokenSource: Send + Sync {
    /// The token, if there is one.
    fn token(&self) -> Option<SecretString>;
}

/// The same one always, or none.
impl TokenSource for Option<SecretString> {
    fn token(&self) -> Option<SecretString> {
        self.clone()
    }
}

impl<F: Fn() -> Option<SecretString> + Send + Sync> TokenSource for F {
    fn token(&self) -> Option<SecretString> {
        self()
    }
}

/// Tokens have some 40 bytes; a file that is larger than this is something else.
const MAX_TOKEN_FILE_BYTES: u64 = 4096;

/// A token that was found on this machine, and where.
#[derive(Debug)]
pub struct FoundToken {
    /// The token.
    pub secret: SecretString,
    /// The variable or the file that it is from.
    pub from: String,
}

/// The token that Hugging Face's own tools would use, found in their order: `HF_TOKEN`, then its old name
/// `HUGGING_FACE_HUB_TOKEN`, then the file that `hf auth login` writes. That one is at `HF_TOKEN_PATH`, else
/// `token` in `HF_HOME`, else in `huggingface` in `XDG_CACHE_HOME` or `~/.cache`. Line breaks and blanks around a
/// token are not part of it, and an empty one is none.
///
/// `variable` reads the environment. A file that is missing or can't be read is no token.
#[must_use]
pub fn hugging_face_token(variable: impl Fn(&str) -> Option<String>) -> Option<FoundToken> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
        if let Some(secret) = set(name).and_then(|text| clean(&text)) {
            return Some(FoundToken {
                secret,
                from: name.to_owned(),
            });
        }
    }
    let path = token_path(set)?;
    let mut text = String::new();
    File::open(&path)
        .ok()?
        .take(MAX_TOKEN_FILE_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    Some(FoundToken {
        secret: clean(&text)?,
        from: path.display().to_string(),
    })
}

fn token_path(set: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let home = || set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from);
    let expand = |path: String| match path.strip_prefix("~/") {
        Some(rest) => home().map_or_else(|| path.clone().into(), |home| home.join(rest)),
        None => PathBuf::from(path),
    };
    if let Some(path) = set("HF_TOKEN_PATH") {
        return Some(expand(path));
    }
    if let Some(folder) = set("HF_HOME") {
        return Some(expand(folder).join("token"));
    }
    let cache = set("XDG_CACHE_HOME")
        .map(expand)
        .or_else(|| Some(home()?.join(".cache")))?;
    Some(cache.join("huggingface").join("token"))
}

/// A token is one word of visible ASCII; anything else could not stand in a header.
fn clean(text: &str) -> Option<SecretString> {
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned().into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<(String, String)> {
        let token = hugging_face_token(|name| {
            let pair = variables.iter().find(|(have, _)| *have == name);
            pair.map(|(_, value)| (*value).to_owned())
        })?;
        Some((token.secret.expose_secret().to_owned(), token.from))
    }

    #[test]
    fn places_are_looked_at_in_the_hubs_own_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("path", "from-path\n");
        write("home/token", " from-home\r\n");
        write("xdg/huggingface/token", "from-xdg");
        write("user/.cache/huggingface/token", "from-user");
        let (path, home) = (format!("{root}/path"), format!("{root}/home"));
        let (xdg, user) = (format!("{root}/xdg"), format!("{root}/user"));
        let all = [
            ("HF_TOKEN", "hf_a\n"),
            ("HUGGING_FACE_HUB_TOKEN", "hf_b"),
            ("HF_TOKEN_PATH", path.as_str()),
            ("HF_HOME", home.as_str()),
            ("XDG_CACHE_HOME", xdg.as_str()),
            ("HOME", user.as_str()),
        ];
        let expected = ["hf_a", "hf_b", "from-path", "from-home", "from-xdg", "from-user"];
        for (skipped, secret) in expected.iter().enumerate() {
            assert_eq!(found(&all[skipped..]).unwrap().0, *secret);
        }
        assert_eq!(found(&all).unwrap().1, "HF_TOKEN");
        assert_eq!(
            found(&[("HF_TOKEN", "  "), ("HOME", &user)]).unwrap().0,
            "from-user"
        );
        assert_eq!(
            found(&[("HF_TOKEN_PATH", "~/.cache/huggingface/token"), ("HOME", &user)])
                .unwrap()
                .0,
            "from-user"
        );
        assert_eq!(
            found(&[("HF_TOKEN_PATH", "/no/such/file"), ("HOME", &user)]),
            None
        );
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("HF_TOKEN", "two words")]), None, "it could not be sent");
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = hugging_face_token(|name| (name == "HF_TOKEN").then(|| "hf_secret".to_owned()));
        assert!(!format!("{token:?}").contains("hf_secret"));
    }
}
