//! Types that are written as text: on the command line, on the wire and on disk.

/// A name that is none of those known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not a {what}; known are {known}", excerpt(.given))]
pub struct UnknownName {
    /// What the name should have been, such as `worker type`.
    pub what: &'static str,
    /// The name that was given.
    pub given: String,
    /// The names there are, separated by commas.
    pub known: String,
}

/// What of a stranger's text may be repeated in a message: short, and without control characters.
pub(crate) fn excerpt(given: &str) -> String {
    const MAX_CHARS: usize = 100;
    let mut shown: String = given
        .chars()
        .take(MAX_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if given.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// Reads and writes a type by its `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// Declares an enum whose variants have one name each, used everywhere the value is written.
macro_rules! named_enum {
    (
        $(#[$meta:meta])*
        pub enum $type:ident ($what:literal) {
            $($(#[$variant_meta:meta])* $variant:ident = $name:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type {
            $($(#[$variant_meta])* $variant,)*
        }

        impl $type {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, as written on the command line and on disk.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$variant),)*
                    _ => Err($crate::UnknownName {
                        what: $what,
                        given: text.to_owned(),
                        known: [$($name),*].join(", "),
                    }),
                }
            }
        }

        $crate::names::serde_as_text!($type);
    };
}
pub(crate) use named_enum;
