//! What bash found in a PKGBUILD, as plain data.

use std::collections::BTreeMap;

/// The variables that are asked for. Those in [`PER_ARCHITECTURE`] also with `_x86_64` and the like.
pub(crate) const ASKED: [&str; 29] = [
    "pkgname",
    "pkgver",
    "pkgrel",
    "epoch",
    "pkgdesc",
    "arch",
    "_os",
    "url",
    "license",
    "depends",
    "makedepends",
    "checkdepends",
    "optdepends",
    "provides",
    "conflicts",
    "source",
    "noextract",
    "sha256sums",
    "sha512sums",
    "b2sums",
    // Only to say that they don't do.
    "cksums",
    "md5sums",
    "sha1sums",
    "sha224sums",
    "sha384sums",
    "validpgpkeys",
    "install",
    "pkgbase",
    "options",
];

/// The variables that a PKGBUILD may have for one processor alone, as PKGBUILD(5) lists them.
pub(crate) const PER_ARCHITECTURE: [&str; 10] = [
    "source",
    "sha256sums",
    "sha512sums",
    "b2sums",
    "depends",
    "makedepends",
    "checkdepends",
    "optdepends",
    "provides",
    "conflicts",
];

/// The functions that a PKGBUILD may have.
pub(crate) const FUNCTIONS: [&str; 5] = ["prepare", "pkgver", "build", "check", "package"];

/// Ends the records, so that output that was cut off is told from output that is whole.
pub(crate) const END: &str = "end of PKGBUILD";

const MAX_VALUES: usize = 1024;

/// Variables with their values, and the functions that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Variables {
    values: BTreeMap<String, Vec<String>>,
}

impl Variables {
    /// Reads what the evaluating script prints: for each variable its name, the number of its values and
    /// the values, each ended by NUL; functions as `name()` with the number 0 or 1 and nothing more.
    pub(crate) fn parse(output: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(output).map_err(|_| "it has text that is not UTF-8".to_owned())?;
        let malformed = || "it interferes with the output of its own evaluation".to_owned();
        let mut fields = text.strip_suffix('\0').ok_or_else(malformed)?.split('\0');
        let mut values = BTreeMap::new();
        loop {
            let name = fields.next().ok_or_else(malformed)?;
            if name == END {
                break;
            }
            let count: usize = fields
                .next()
                .and_then(|count| count.parse().ok())
                .ok_or_else(malformed)?;
            if count > MAX_VALUES {
                return Err(format!("{name} has {count} values; the most is {MAX_VALUES}"));
            }
            let list: Vec<String> = if name.ends_with("()") {
                vec![String::new(); count]
            } else {
                fields.by_ref().take(count).map(str::to_owned).collect()
            };
            if list.len() != count || values.insert(name.to_owned(), list).is_some() {
                return Err(malformed());
            }
        }
        match fields.next() {
            None => Ok(Self { values }),
            Some(_) => Err(malformed()),
        }
    }

    /// The values of a variable; none if it isn't set.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of a variable that is no list. An empty one counts as not set.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, String> {
        match self.all(name) {
            [] => Ok(None),
            [value] => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
            _ => Err(format!("{name} must be one value, not a list")),
        }
    }

    /// The values for all processors, and then those for this one.
    pub(crate) fn with_architecture(&self, name: &str, architecture: &str) -> Vec<String> {
        let own = self.all(&format!("{name}_{architecture}"));
        self.all(name).iter().chain(own).cloned().collect()
    }

    /// Whether there is such a function.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        !self.all(&format!("{name}()")).is_empty()
    }

    #[cfg(test)]
    pub(crate) fn of(entries: &[(&str, &[&str])]) -> Self {
        let values = entries
            .iter()
            .map(|(name, values)| {
                (
                    (*name).to_owned(),
                    values.iter().map(|&value| value.to_owned()).collect(),
                )
            })
            .collect();
        Self { values }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(entries: &BTreeMap<String, Vec<String>>) -> Vec<u8> {
        let mut text = String::new();
        for (name, values) in entries {
            text += &format!("{name}\0{}\0", values.len());
            for value in values {
                text += &format!("{value}\0");
            }
        }
        (text + END + "\0").into_bytes()
    }

    proptest! {
        #[test]
        fn any_values_are_read_back(entries in prop::collection::btree_map("[a-z_]{1,8}", prop::collection::vec("[^\0]{0,12}", 0..4), 0..6)) {
            let variables = Variables::parse(&written(&entries)).unwrap();
            for (name, values) in &entries {
                prop_assert_eq!(variables.all(name), values.as_slice());
            }
        }

        #[test]
        fn what_is_cut_off_is_refused(entries in prop::collection::btree_map("[a-z_]{1,8}", prop::collection::vec("[a-z]{0,4}", 0..4), 0..4), cut in 1..40_usize) {
            let whole = written(&entries);
            let cut = whole.len().saturating_sub(cut);
            prop_assert!(Variables::parse(&whole[..cut]).is_err());
        }

        #[test]
        fn anything_else_does_not_panic(output in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Variables::parse(&output);
        }
    }

    #[test]
    fn functions_and_lists_are_told_apart() {
        let output = format!(
            "pkgver\x001\x001.0\0build()\x001\0check()\x000\0source\x002\0a\0b\0source_x86_64\x001\0c\0{END}\0"
        );
        let variables = Variables::parse(output.as_bytes()).unwrap();
        assert_eq!(variables.one("pkgver"), Ok(Some("1.0")));
        assert!(variables.has_function("build") && !variables.has_function("check"));
        assert_eq!(variables.with_architecture("source", "x86_64"), ["a", "b", "c"]);
        assert_eq!(variables.with_architecture("source", "aarch64"), ["a", "b"]);
        assert!(variables.one("source").is_err());
    }
}
