//! What the names of files tell.

/// Formats of Python's pickles, which can run any program when they are loaded.
const PICKLES: [&str; 6] = [".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle"];

fn ends(name: &str, ending: &str) -> bool {
    let cut = name.len().checked_sub(ending.len());
    cut.and_then(|cut| name.get(cut..))
        .is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

pub(crate) fn is_gguf(name: &str) -> bool {
    ends(name, ".gguf")
}

pub(crate) fn is_safetensors(name: &str) -> bool {
    ends(name, ".safetensors")
}

pub(crate) fn is_pickle(name: &str) -> bool {
    PICKLES.iter().any(|ending| ends(name, ending))
}

/// Whether the content of a file of this name is text.
pub(crate) fn is_text(name: &str) -> bool {
    [".json", ".txt", ".jinja", ".md", ".yaml"]
        .iter()
        .any(|ending| ends(name, ending))
}

/// What comes behind the last slash.
pub(super) fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A part of a split set, by its name `<stem>-00001-of-00003.<ending>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// What comes before the numbers, folders included.
    pub(super) stem: &'a str,
    /// From 1.
    pub(super) number: u32,
    /// Of how many.
    pub(super) count: u32,
    /// What comes behind the numbers, with the dot.
    pub(super) ending: &'a str,
}

impl Part<'_> {
    /// The name of another part of the set.
    pub(super) fn sibling(&self, number: u32) -> String {
        format!("{}-{number:05}-of-{:05}{}", self.stem, self.count, self.ending)
    }
}

/// Reads a part's name; `None` for names of whole files.
pub(super) fn part(name: &str) -> Option<Part<'_>> {
    let (rest, ending) = name.split_at(name.rfind('.')?);
    let (rest, count) = digits_at_end(rest)?;
    let (stem, number) = digits_at_end(rest.strip_suffix("-of-")?)?;
    let stem = stem.strip_suffix('-')?;
    (1..=count).contains(&number).then_some(Part {
        stem,
        number,
        count,
        ending,
    })
}

/// Whether it is the name of one part of several.
pub(super) fn is_part(name: &str) -> bool {
    part(name).is_some_and(|part| part.count > 1)
}

/// Five digits, as every tool writes them.
fn digits_at_end(text: &str) -> Option<(&str, u32)> {
    let (rest, digits) = text.split_at_checked(text.len().checked_sub(5)?)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    Some((rest, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_told_from_whole_files() {
        let part = part("Q8_0/m-00002-of-00003.gguf").unwrap();
        assert_eq!(
            (part.stem, part.number, part.count, part.ending),
            ("Q8_0/m", 2, 3, ".gguf")
        );
        assert_eq!(part.sibling(3), "Q8_0/m-00003-of-00003.gguf");
        for whole in [
            "m.gguf",
            "m-2-of-3.gguf",
            "m-00000-of-00003.gguf",
            "m-00004-of-00003.gguf",
            "m00001-of-00001.gguf",
            "-of-.x",
            "",
        ] {
            assert_eq!(super::part(whole), None, "{whole}");
        }
    }

    #[test]
    fn endings_count_in_either_case() {
        assert!(is_gguf("A.GGUF") && is_safetensors("b.SafeTensors") && is_pickle("x/y.CKPT"));
        assert!(!is_gguf("gguf") && !is_pickle("vae.pt.safetensors"));
    }

    proptest! {
        #[test]
        fn any_name_can_be_read(name in "[-a0-9o.f/é]{0,30}") {
            if let Some(part) = part(&name) {
                prop_assert_eq!(part.sibling(part.number), name);
            }
        }
    }
}
