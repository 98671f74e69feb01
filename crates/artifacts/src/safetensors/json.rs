//! The JSON of a header as a stream of bytes: only what the format allows, nothing kept that was not
//! asked for.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Take};

use super::error::SafetensorsError;
use crate::names::excerpt;

/// What is being read, for error messages; formatted only when something goes wrong.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    Header,
    Metadata,
    Tensor(&'a str),
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => write!(f, "header"),
            Self::Metadata => write!(f, "__metadata__"),
            Self::Tensor(name) => write!(f, "tensor {}", excerpt(name)),
        }
    }
}

impl From<Field<'_>> for String {
    fn from(field: Field<'_>) -> Self {
        field.to_string()
    }
}

/// A reader of the header's JSON that knows where it stands.
pub(super) struct Json<R> {
    inner: BufReader<Take<R>>,
    position: u64,
    length_bytes: u64,
    scratch: Vec<u8>,
}

impl<R: Read> Json<R> {
    /// Reads JSON of `length_bytes` from `reader`.
    pub(super) fn new(reader: R, length_bytes: u64) -> Self {
        Self {
            inner: BufReader::new(reader.take(length_bytes)),
            position: 0,
            length_bytes,
            scratch: Vec::new(),
        }
    }

    /// The next byte, left where it is; `None` at the end of the header.
    fn peek(&mut self, field: Field<'_>) -> Result<Option<u8>, SafetensorsError> {
        let byte = loop {
            match self.inner.fill_buf() {
                Ok(buffer) => break buffer.first().copied(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(SafetensorsError::Read {
                        field: field.to_string(),
                        source,
                    });
                }
            }
        };
        if byte.is_none() && self.position < self.length_bytes {
            // The size we were told and the size there is differ.
            return Err(SafetensorsError::Truncated {
                field: "header".to_owned(),
                needed_bytes: self.length_bytes,
                left_bytes: self.position,
            });
        }
        Ok(byte)
    }

    fn advance(&mut self) {
        self.inner.consume(1);
        self.position += 1;
    }

    fn next(&mut self, field: Field<'_>) -> Result<u8, SafetensorsError> {
        match self.peek(field)? {
            Some(byte) => {
                self.advance();
                Ok(byte)
            }
            None => Err(SafetensorsError::invalid(
                Field::Header,
                "ends in the middle: the length of the header is wrong, or the file is damaged",
            )),
        }
    }

    fn skip_whitespace(&mut self, field: Field<'_>) -> Result<(), SafetensorsError> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek(field)? {
            self.advance();
        }
        Ok(())
    }

    /// The next byte that is no white space; consumed.
    fn token(&mut self, field: Field<'_>) -> Result<u8, SafetensorsError> {
        self.skip_whitespace(field)?;
        self.next(field)
    }

    fn unexpected(&self, found: u8, expected: &str, field: Field<'_>) -> SafetensorsError {
        SafetensorsError::invalid(
            field,
            format!(
                "is not what a safetensors header has: expected {expected} at byte {} of the header, found \"{}\"",
                self.position.saturating_sub(1),
                found.escape_ascii()
            ),
        )
    }

    /// Takes `byte`, called `expected` in words.
    pub(super) fn expect(
        &mut self,
        byte: u8,
        expected: &str,
        field: Field<'_>,
    ) -> Result<(), SafetensorsError> {
        match self.token(field)? {
            found if found == byte => Ok(()),
            found => Err(self.unexpected(found, expected, field)),
        }
    }

    /// Whether the list or object whose opening bracket was taken ends here; takes the bracket or the
    /// comma before the next item.
    pub(super) fn at_end(
        &mut self,
        close: u8,
        first: bool,
        field: Field<'_>,
    ) -> Result<bool, SafetensorsError> {
        self.skip_whitespace(field)?;
        if self.peek(field)? == Some(close) {
            self.advance();
            return Ok(true);
        }
        if !first {
            self.expect(b',', "a comma or the closing bracket", field)?;
        }
        Ok(false)
    }

    /// A string of at most `max_bytes`.
    pub(super) fn string(&mut self, max_bytes: usize, field: Field<'_>) -> Result<&str, SafetensorsError> {
        self.expect(b'"', "a string", field)?;
        self.scratch.clear();
        loop {
            match self.next(field)? {
                b'"' => break,
                b'\\' => {
                    let letter = self.escape(field)?;
                    self.scratch
                        .extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                control @ 0..0x20 => return Err(self.unexpected(control, "a printable character", field)),
                byte => self.scratch.push(byte),
            }
            if self.scratch.len() > max_bytes {
                return Err(SafetensorsError::invalid(
                    field,
                    format!("has a string of more than {max_bytes} bytes"),
                ));
            }
        }
        std::str::from_utf8(&self.scratch).map_err(|_| SafetensorsError::invalid(field, "is not valid UTF-8"))
    }

    /// What follows a backslash.
    fn escape(&mut self, field: Field<'_>) -> Result<char, SafetensorsError> {
        Ok(match self.next(field)? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.code_unit(field)?;
                let units = if (0xd800..0xdc00).contains(&first) {
                    // The second half of a character outside of the basic plane must follow.
                    for expected in *b"\\u" {
                        let found = self.next(field)?;
                        if found != expected {
                            return Err(self.unexpected(found, "the second half of a surrogate pair", field));
                        }
                    }
                    vec![first, self.code_unit(field)?]
                } else {
                    vec![first]
                };
                match char::decode_utf16(units).next() {
                    Some(Ok(letter)) => letter,
                    _ => {
                        return Err(SafetensorsError::invalid(
                            field,
                            "has half of a surrogate pair in a string",
                        ));
                    }
                }
            }
            other => return Err(self.unexpected(other, "an escape of JSON", field)),
        })
    }

    fn code_unit(&mut self, field: Field<'_>) -> Result<u16, SafetensorsError> {
        let mut unit = 0_u16;
        for _ in 0..4 {
            let byte = self.next(field)?;
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.unexpected(byte, "a hexadecimal digit", field));
            };
            unit = (unit << 4) | digit as u16;
        }
        Ok(unit)
    }

    /// A whole number that is not negative.
    pub(super) fn number(&mut self, field: Field<'_>) -> Result<u64, SafetensorsError> {
        let expected = "a whole number that is not negative";
        let first = self.token(field)?;
        if !first.is_ascii_digit() {
            return Err(self.unexpected(first, expected, field));
        }
        let mut number = u64::from(first - b'0');
        while let Some(byte) = self.peek(field)? {
            match byte {
                // No digit may follow a leading zero.
                b'0'..=b'9' if number != 0 => {
                    self.advance();
                    number = number
                        .checked_mul(10)
                        .and_then(|number| number.checked_add(u64::from(byte - b'0')))
                        .ok_or_else(|| {
                            SafetensorsError::invalid(field, "has a number of more than 64 bits")
                        })?;
                }
                b'0'..=b'9' | b'.' | b'e' | b'E' => {
                    self.advance();
                    return Err(self.unexpected(byte, expected, field));
                }
                _ => break,
            }
        }
        Ok(number)
    }

    /// Expects nothing but padding up to the end of the header.
    pub(super) fn expect_end(&mut self) -> Result<(), SafetensorsError> {
        self.skip_whitespace(Field::Header)?;
        match self.peek(Field::Header)? {
            None => Ok(()),
            Some(byte) => {
                self.advance();
                Err(self.unexpected(byte, "the end of the header", Field::Header))
            }
        }
    }
}
