//! Things by the beginnings of their ids.

use crate::exit::Exit;
use crate::failure::Failure;

/// Why an id names nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotOne {
    /// Nothing has it.
    None {
        /// What was given.
        wanted: String,
    },
    /// Several things begin with it.
    Several {
        /// What was given.
        wanted: String,
        /// Their ids.
        ids: Vec<String>,
    },
}

impl NotOne {
    /// As a failure about such a `thing`.
    pub(crate) fn failure(self, thing: &str) -> Failure {
        match self {
            Self::None { wanted } => Failure::new(Exit::NotFound, format!("no {thing} has the id {wanted}"))
                .hint(match thing {
                    "worker program" => "`rbee worker binaries` lists them".to_owned(),
                    thing => format!("`rbee {thing} ls` lists them"),
                }),
            Self::Several { wanted, ids } => Failure::new(
                Exit::Usage,
                format!("several {thing}s have an id that begins with {wanted}"),
            )
            .because(ids.join(", ")),
        }
    }
}

/// The one thing with this id, or with an id that begins like this.
pub(crate) fn one<'a, T>(wanted: &str, things: &'a [T], id: impl Fn(&T) -> &str) -> Result<&'a T, NotOne> {
    if let Some(exact) = things.iter().find(|thing| id(thing) == wanted) {
        return Ok(exact);
    }
    let matching: Vec<&T> = things
        .iter()
        .filter(|thing| !wanted.is_empty() && id(thing).starts_with(wanted))
        .collect();
    match matching.as_slice() {
        [one] => Ok(one),
        [] => Err(NotOne::None {
            wanted: wanted.to_owned(),
        }),
        several => Err(NotOne::Several {
            wanted: wanted.to_owned(),
            ids: several.iter().map(|thing| id(thing).to_owned()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 3] = ["abc", "abd", "ab"];

    fn find(wanted: &str) -> Result<&'static str, NotOne> {
        one(wanted, &IDS, |id| id).copied()
    }

    #[test]
    fn a_unique_beginning_is_enough() {
        assert_eq!(find("abc"), Ok("abc"));
        assert_eq!(find("abd"), Ok("abd"));
    }

    #[test]
    fn an_exact_id_goes_before_longer_ones() {
        assert_eq!(find("ab"), Ok("ab"));
    }

    #[test]
    fn what_is_not_unique_or_not_there_is_an_error() {
        assert!(matches!(find("a"), Err(NotOne::Several { ids, .. }) if ids.len() == 3));
        assert!(matches!(find("x"), Err(NotOne::None { .. })));
        assert!(matches!(find(""), Err(NotOne::None { .. })));
    }
}
