//! Metadata: keys and typed values.

use std::collections::BTreeMap;
use std::io::Read;

use super::error::GgufError;
use super::source::{Field, Source};

/// A list of strings in one allocation: a vocabulary has hundreds of thousands of short ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringArray {
    text: String,
    /// Where each string ends in `text`. The header's limit keeps this below 4 GiB.
    ends: Vec<u32>,
}

impl StringArray {
    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }

    /// All strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
    }
}

/// Declares the scalar types once: the value, the array, how both are read, and what they are called.
macro_rules! scalars {
    ($($id:literal $variant:ident $rust:ty, $words:literal;)*) => {
        /// A list of values of one type.
        #[derive(Debug, Clone, PartialEq)]
        pub enum GgufArray {
            $(#[doc = concat!("Each item is ", $words, ".")] $variant(Vec<$rust>),)*
            /// Each item is true or false.
            Bool(Vec<bool>),
            /// Each item is a string.
            String(StringArray),
        }

        /// A metadata value.
        #[derive(Debug, Clone, PartialEq)]
        pub enum GgufValue {
            $(#[doc = concat!("The value is ", $words, ".")] $variant($rust),)*
            /// True or false.
            Bool(bool),
            /// A string, UTF-8.
            String(String),
            /// A list; lists of lists are refused.
            Array(GgufArray),
        }

        impl GgufArray {
            /// How many items there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self {
                    $(Self::$variant(items) => items.len(),)*
                    Self::Bool(items) => items.len(),
                    Self::String(items) => items.len(),
                }
            }
        }

        impl GgufValue {
            /// What the value is, with an article.
            fn describe(&self) -> String {
                match self {
                    $(Self::$variant(value) => format!(concat!($words, " ({})"), value),)*
                    Self::Bool(value) => format!("{value}"),
                    Self::String(_) => "a string".to_owned(),
                    Self::Array(GgufArray::String(_)) => "a list of strings".to_owned(),
                    Self::Array(GgufArray::Bool(_)) => "a list of true and false".to_owned(),
                    $(Self::Array(GgufArray::$variant(_)) => concat!("a list, each item ", $words).to_owned(),)*
                }
            }

            fn read_scalar<R: Read>(source: &mut Source<R>, kind: u32, field: Field<'_>) -> Result<Self, GgufError> {
                match kind {
                    $($id => source.array(field).map(|bytes| Self::$variant(<$rust>::from_le_bytes(bytes))),)*
                    BOOL => read_bool(source, field).map(Self::Bool),
                    STRING => source.str(field).map(|text| Self::String(text.to_owned())),
                    _ => Err(GgufError::invalid(field, format!("has the unknown value type {kind}"))),
                }
            }

            fn read_array<R: Read>(source: &mut Source<R>, field: Field<'_>) -> Result<Self, GgufError> {
                let kind = source.u32(field)?;
                let count = source.u64(field)?;
                Ok(Self::Array(match kind {
                    $($id => GgufArray::$variant(numbers(source, count, field, <$rust>::from_le_bytes)?),)*
                    BOOL => {
                        source.expect_room(count, 1, field)?;
                        let items: Result<_, _> = (0..count).map(|_| read_bool(source, field)).collect();
                        GgufArray::Bool(items?)
                    }
                    STRING => {
                        // Each string has at least its length.
                        source.expect_room(count, 8, field)?;
                        let mut items = StringArray::default();
                        for _ in 0..count {
                            items.push(source.str(field)?);
                        }
                        GgufArray::String(items)
                    }
                    ARRAY => return Err(GgufError::unsupported(field, "is a list of lists, which no model needs")),
                    _ => return Err(GgufError::invalid(field, format!("is a list of items of the unknown type {kind}"))),
                }))
            }
        }
    };
}

// The type ids are those of the specification (`gguf_metadata_value_type`).
scalars! {
    0 U8 u8, "an 8-bit number";
    1 I8 i8, "a signed 8-bit number";
    2 U16 u16, "a 16-bit number";
    3 I16 i16, "a signed 16-bit number";
    4 U32 u32, "a 32-bit number";
    5 I32 i32, "a signed 32-bit number";
    6 F32 f32, "a 32-bit float";
    10 U64 u64, "a 64-bit number";
    11 I64 i64, "a signed 64-bit number";
    12 F64 f64, "a 64-bit float";
}
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn read_bool<R: Read>(source: &mut Source<R>, field: Field<'_>) -> Result<bool, GgufError> {
    match source.array::<1>(field)? {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => Err(GgufError::invalid(
            field,
            format!("is a bool with the value {other}"),
        )),
    }
}

fn numbers<R: Read, T, const N: usize>(
    source: &mut Source<R>,
    count: u64,
    field: Field<'_>,
    from_le_bytes: fn([u8; N]) -> T,
) -> Result<Vec<T>, GgufError> {
    source.expect_room(count, N as u64, field)?;
    (0..count)
        .map(|_| source.array(field).map(from_le_bytes))
        .collect()
}

impl GgufArray {
    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl GgufValue {
    pub(super) fn read<R: Read>(source: &mut Source<R>, field: Field<'_>) -> Result<Self, GgufError> {
        match source.u32(field)? {
            ARRAY => Self::read_array(source, field),
            kind => Self::read_scalar(source, kind, field),
        }
    }

    fn integer(&self) -> Option<i128> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::I8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::I16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::I32(value) => Some(value.into()),
            Self::U64(value) => Some(value.into()),
            Self::I64(value) => Some(value.into()),
            _ => None,
        }
    }
}

/// The metadata of a file, ordered by key.
///
/// The typed getters give `None` for a key that is absent and an error that names the key where the
/// value has another type. Writers disagree about the width of integers, so any integer type is
/// taken for one as long as the value fits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GgufMetadata(BTreeMap<String, GgufValue>);

impl GgufMetadata {
    /// The value of `key`, whatever its type.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&GgufValue> {
        self.0.get(key)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys with their values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &GgufValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The string at `key`.
    ///
    /// # Errors
    /// When the value is no string.
    pub fn str(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.typed(key, "a string", |value| match value {
            GgufValue::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The integer at `key`.
    ///
    /// # Errors
    /// When the value is no integer or does not fit.
    pub fn u32(&self, key: &str) -> Result<Option<u32>, GgufError> {
        self.typed(key, "a number from 0 to 4294967295", |value| {
            u32::try_from(value.integer()?).ok()
        })
    }

    /// The integer at `key`.
    ///
    /// # Errors
    /// When the value is no integer or negative.
    pub fn u64(&self, key: &str) -> Result<Option<u64>, GgufError> {
        self.typed(key, "a number that is not negative", |value| {
            u64::try_from(value.integer()?).ok()
        })
    }

    /// The floating-point number at `key`; 64-bit ones are rounded.
    ///
    /// # Errors
    /// When the value is no floating-point number.
    pub fn f32(&self, key: &str) -> Result<Option<f32>, GgufError> {
        self.typed(key, "a floating-point number", |value| match *value {
            GgufValue::F32(number) => Some(number),
            GgufValue::F64(number) => Some(number as f32),
            _ => None,
        })
    }

    /// The bool at `key`.
    ///
    /// # Errors
    /// When the value is no bool.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "true or false", |value| match *value {
            GgufValue::Bool(truth) => Some(truth),
            _ => None,
        })
    }

    /// The list at `key`, of whatever type.
    ///
    /// # Errors
    /// When the value is no list.
    pub fn array(&self, key: &str) -> Result<Option<&GgufArray>, GgufError> {
        self.typed(key, "a list", |value| match value {
            GgufValue::Array(items) => Some(items),
            _ => None,
        })
    }

    /// The list of strings at `key`. An empty list of another type counts as one.
    ///
    /// # Errors
    /// When the value is no list of strings.
    pub fn strings(&self, key: &str) -> Result<Option<&StringArray>, GgufError> {
        static EMPTY: StringArray = StringArray {
            text: String::new(),
            ends: Vec::new(),
        };
        self.typed(key, "a list of strings", |value| match value {
            GgufValue::Array(GgufArray::String(items)) => Some(items),
            GgufValue::Array(items) if items.is_empty() => Some(&EMPTY),
            _ => None,
        })
    }

    /// The list of 32-bit floats at `key`.
    ///
    /// # Errors
    /// When the value is no list of 32-bit floats.
    pub fn f32_array(&self, key: &str) -> Result<Option<&[f32]>, GgufError> {
        self.typed(key, "a list of 32-bit floats", |value| match value {
            GgufValue::Array(GgufArray::F32(items)) => Some(items.as_slice()),
            _ => None,
        })
    }

    /// The list of 32-bit integers at `key`, signed as token types are written.
    ///
    /// # Errors
    /// When the value is no list of 32-bit integers, or one of them does not fit.
    pub fn i32_array(&self, key: &str) -> Result<Option<Vec<i32>>, GgufError> {
        self.typed(key, "a list of signed 32-bit numbers", |value| match value {
            GgufValue::Array(GgufArray::I32(items)) => Some(items.clone()),
            GgufValue::Array(GgufArray::U32(items)) => {
                items.iter().map(|&item| i32::try_from(item).ok()).collect()
            }
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        take: impl FnOnce(&'a GgufValue) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        take(value).map(Some).ok_or_else(|| GgufError::WrongType {
            field: key.to_owned(),
            expected,
            found: value.describe(),
        })
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn insert(&mut self, key: String, value: GgufValue) {
        self.0.insert(key, value);
    }
}
