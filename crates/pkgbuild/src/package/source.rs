//! Where a package's sources come from: one entry of the PKGBUILD's `source`.

use std::fmt;

use rbee_artifacts::RelativePath;
use url::Url;

use super::checksum::Checksums;
use super::name::excerpt;

/// A source of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called in `$srcdir`: a file's name, or a folder's for a repository.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a source comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file beside the PKGBUILD.
    Local {
        /// What it must be.
        checksums: Checksums,
    },
    /// A file of a web server.
    Web {
        /// Its address.
        url: Url,
        /// What it must be.
        checksums: Checksums,
    },
    /// A repository.
    Git {
        /// Its address, without the reference.
        url: Url,
        /// What of it.
        reference: GitReference,
    },
}

/// A state of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitReference {
    /// What its `HEAD` points to.
    Head,
    /// The tip of a branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A commit, by at least 7 digits of its name.
    Commit(String),
}

impl fmt::Display for GitReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("HEAD"),
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Commit(name) => write!(f, "commit {name}"),
        }
    }
}

/// An entry as it is written, before its checksums are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Local,
    Web(Url),
    Git(Url, GitReference),
}

/// Reads `[name::]file`, `[name::]https://…` or `[name::]git+URL[#tag=…]`; what is wrong, in words.
pub(super) fn parse(text: &str) -> Result<(String, Entry), String> {
    let (name, rest) = match text.split_once("::") {
        Some((name, rest)) => (Some(name), rest),
        None => (None, text),
    };
    let (derived, entry) = if !rest.contains("://") {
        (rest.to_owned(), Entry::Local)
    } else if let Some(address) = rest.strip_prefix("git+") {
        let url = address_of(address)?;
        let (url, reference) = git(url)?;
        (
            base_name(&url).trim_end_matches(".git").to_owned(),
            Entry::Git(url, reference),
        )
    } else {
        let url = address_of(rest)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "{:?} is neither a file beside the PKGBUILD nor http(s):// nor git+URL",
                excerpt(rest)
            ));
        }
        (base_name(&url), Entry::Web(url))
    };
    if entry == Entry::Local && name.is_some_and(|name| name != rest) {
        return Err(format!(
            "{:?}: a file beside the PKGBUILD can't be renamed",
            excerpt(text)
        ));
    }
    Ok((file_name(name.unwrap_or(&derived))?, entry))
}

fn address_of(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{:?} is no address: {error}", excerpt(text)))?;
    // It would end in logs and messages.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address with a user or a password in it is not taken".to_owned());
    }
    Ok(url)
}

/// The last part of the path, decoded; empty if there is none.
fn base_name(url: &Url) -> String {
    let last = url
        .path()
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    percent_encoding::percent_decode_str(last)
        .decode_utf8_lossy()
        .into_owned()
}

fn file_name(text: &str) -> Result<String, String> {
    match text.parse::<RelativePath>() {
        Ok(_) if text.contains('/') => Err(format!("the name {:?} of a source has a \"/\"", excerpt(text))),
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("the name of a source: {error}")),
    }
}

fn git(mut url: Url) -> Result<(Url, GitReference), String> {
    if !matches!(url.scheme(), "http" | "https" | "file") {
        return Err(format!(
            "git+{}:// is not taken; git+https:// is, and git+file:// where the operator named it",
            url.scheme()
        ));
    }
    if url.query().is_some() {
        return Err("`?signed` and the like are not supported; name a commit instead".to_owned());
    }
    let fragment = url.fragment().map(str::to_owned);
    url.set_fragment(None);
    let Some(fragment) = fragment else {
        return Ok((url, GitReference::Head));
    };
    let reference = match fragment.split_once('=') {
        Some(("branch", name)) if is_reference(name) => GitReference::Branch(name.to_owned()),
        Some(("tag", name)) if is_reference(name) => GitReference::Tag(name.to_owned()),
        Some(("commit", name)) if is_commit(name) => GitReference::Commit(name.to_ascii_lowercase()),
        _ => {
            return Err(format!(
                "\"#{}\" must be #branch=NAME, #tag=NAME or #commit=HASH",
                excerpt(&fragment)
            ));
        }
    };
    Ok((url, reference))
}

/// Stricter than git itself: nothing that could be an option, a pattern or a refspec.
fn is_reference(name: &str) -> bool {
    let is_taken = |byte: u8| byte.is_ascii_alphanumeric() || b"._/+@-".contains(&byte);
    (1..=200).contains(&name.len())
        && name.bytes().all(is_taken)
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && !["..", "//", "@{", "/."].iter().any(|part| name.contains(part))
}

fn is_commit(name: &str) -> bool {
    (7..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks that an address of a PKGBUILD may be fetched from; what is wrong, in words. On the internet that is `https`.
/// What the operator wrote into the configuration may also be plain `http`, or a repository of this host: `named` are
/// those addresses, and what lies below one is named, too.
pub(crate) fn check_allowed(url: &Url, named: &[Url]) -> Result<(), String> {
    let is_named = named.iter().any(|named| {
        let below = url.as_str().strip_prefix(named.as_str());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || named.path().ends_with('/'))
    });
    match url.scheme() {
        _ if is_named => Ok(()),
        "https" => Ok(()),
        scheme => Err(format!(
            "{scheme}:// is only taken from addresses that the operator gave to a variable \
             (provisioner.packages.variables), and {} is none",
            excerpt(url.as_str())
        )),
    }
}

/// The address in the value of a variable, if there is one: `[name::][git+]URL[#tag=…]`, without what is around it.
pub(crate) fn address_in(value: &str) -> Option<Url> {
    let value = value.rsplit("::").next().unwrap_or(value);
    let mut url = Url::parse(value.strip_prefix("git+").unwrap_or(value)).ok()?;
    url.set_fragment(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_as_arch_writes_them() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (text, name, entry) in [
            ("fix.patch", "fix.patch", Entry::Local),
            (
                "https://example.org/a/tool-1.0.tar.gz",
                "tool-1.0.tar.gz",
                Entry::Web(url("https://example.org/a/tool-1.0.tar.gz")),
            ),
            (
                "tool.zip::https://example.org/download?id=7",
                "tool.zip",
                Entry::Web(url("https://example.org/download?id=7")),
            ),
            (
                "git+https://example.org/a/tool.git",
                "tool",
                Entry::Git(url("https://example.org/a/tool.git"), GitReference::Head),
            ),
            (
                "rbee::git+file:///src/rbee#branch=feature/x",
                "rbee",
                Entry::Git(url("file:///src/rbee"), GitReference::Branch("feature/x".into())),
            ),
            (
                "git+https://example.org/tool#tag=v1.0",
                "tool",
                Entry::Git(url("https://example.org/tool"), GitReference::Tag("v1.0".into())),
            ),
            (
                "git+https://example.org/tool#commit=0123ABC",
                "tool",
                Entry::Git(
                    url("https://example.org/tool"),
                    GitReference::Commit("0123abc".into()),
                ),
            ),
        ] {
            assert_eq!(parse(text), Ok((name.to_owned(), entry)), "{text}");
        }
    }

    #[test]
    fn what_is_dangerous_or_unknown_is_refused() {
        for text in [
            "",
            "../x",
            "/etc/passwd",
            "a/b",
            "x::y",
            "../x::https://example.org/x",
            "a/b::https://example.org/x",
            "https://example.org/",
            "https://example.org/..%2fx",
            "https://user:pass@example.org/x",
            "ftp://example.org/x",
            "file:///etc/passwd",
            "svn+https://example.org/x",
            "git+ssh://git@example.org/x",
            "git+ext::sh -c x",
            "git+https://example.org/x?signed",
            "git+https://example.org/x#tag=--upload-pack=x",
            "git+https://example.org/x#tag=a..b",
            "git+https://example.org/x#commit=main",
            "git+https://example.org/x#revision=1",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn only_the_operator_can_name_what_is_not_https() {
        let url = |text: &str| Url::parse(text).unwrap();
        let named: Vec<Url> = [
            "git+file:///src/rbee#branch=x",
            "1.0",
            "rbee::git+http://10.0.0.1/rbee",
        ]
        .iter()
        .filter_map(|value| address_in(value))
        .collect();
        for text in [
            "https://example.org/x",
            "file:///src/rbee",
            "http://10.0.0.1/rbee",
            "http://10.0.0.1/rbee/a.tar",
        ] {
            assert_eq!(check_allowed(&url(text), &named), Ok(()), "{text}");
        }
        for text in [
            "file:///src/rbee2",
            "http://10.0.0.1/rbee/../a.tar",
            "http://example.org/x",
        ] {
            assert!(check_allowed(&url(text), &named).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_always_one_part(text in "([a-z./%2f]{0,6}::)?(git[+])?(https|file)://[a-z]{1,3}/[a-z./%2f#=]{0,12}") {
            if let Ok((name, _)) = parse(&text) {
                prop_assert!(!name.is_empty() && !name.contains('/') && name != ".." && name != ".");
            }
        }
    }
}
