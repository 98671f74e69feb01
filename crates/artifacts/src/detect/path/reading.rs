//! One file, read with bounds.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::detect::error::DetectError;
use crate::detect::file_kind::{FileKind, SNIFF_BYTES, sniff};
use crate::gguf::GgufHeader;
use crate::safetensors::{Dtype, SafetensorsHeader, TensorInfo};

/// The longest tensor that is read for a hint: one number a channel.
const MAX_HINT_BYTES: u64 = 1 << 16;

/// An open regular file.
pub(super) struct File {
    inner: fs::File,
    size_bytes: u64,
    /// Its name for error messages.
    pub(super) name: String,
}

/// A file of weights with its header.
pub(super) enum Opened {
    Gguf(GgufHeader),
    Safetensors(SafetensorsHeader, File),
}

impl File {
    /// Opens the file at `path`, called `name` in errors.
    pub(super) fn open(path: &Path, name: String) -> Result<Self, DetectError> {
        let open = || {
            // Asked before it is opened: to open a pipe waits for its other end.
            if !fs::metadata(path)?.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is no regular file",
                ));
            }
            let inner = fs::File::open(path)?;
            let metadata = inner.metadata()?;
            if metadata.is_file() {
                Ok((inner, metadata.len()))
            } else {
                Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is no regular file",
                ))
            }
        };
        match open() {
            Ok((inner, size_bytes)) => Ok(Self {
                inner,
                size_bytes,
                name,
            }),
            Err(source) => Err(DetectError::Read { file: name, source }),
        }
    }

    fn read_error(&self, source: io::Error) -> DetectError {
        DetectError::Read {
            file: self.name.clone(),
            source,
        }
    }

    /// The header of a file of weights, whatever the file's name says.
    pub(super) fn header(mut self) -> Result<Opened, DetectError> {
        let mut first_bytes = Vec::with_capacity(SNIFF_BYTES);
        (&mut self.inner)
            .take(SNIFF_BYTES as u64)
            .read_to_end(&mut first_bytes)
            .and_then(|_| self.inner.rewind())
            .map_err(|source| self.read_error(source))?;
        let kind = sniff(&first_bytes);
        // Of a damaged file that begins like nothing, its reader can say more.
        let named = |extension: &str| {
            matches!(kind, FileKind::Unknown | FileKind::Empty)
                && self.name.to_ascii_lowercase().ends_with(extension)
        };
        if kind == FileKind::Gguf || named(".gguf") {
            let header =
                GgufHeader::read(&self.inner, self.size_bytes).map_err(|source| DetectError::Gguf {
                    file: self.name,
                    source,
                })?;
            return Ok(Opened::Gguf(header));
        }
        if kind == FileKind::Safetensors || named(".safetensors") {
            let header = SafetensorsHeader::read(&self.inner, self.size_bytes).map_err(|source| {
                DetectError::Safetensors {
                    file: self.name.clone(),
                    source,
                }
            })?;
            return Ok(Opened::Safetensors(header, self));
        }
        Err(DetectError::Refused {
            file: self.name,
            kind,
        })
    }

    /// The header of a file that must be of safetensors.
    pub(super) fn safetensors(self) -> Result<(String, SafetensorsHeader), DetectError> {
        let name = self.name.clone();
        match self.header()? {
            Opened::Safetensors(header, _) => Ok((name, header)),
            Opened::Gguf(_) => Err(DetectError::invalid(
                name,
                "header",
                "is GGUF's, but safetensors are expected",
            )),
        }
    }

    /// All bytes of a small file.
    pub(super) fn text(mut self, max_bytes: u64) -> Result<Vec<u8>, DetectError> {
        let mut text = Vec::new();
        (&mut self.inner)
            .take(max_bytes + 1)
            .read_to_end(&mut text)
            .map_err(|source| self.read_error(source))?;
        if text.len() as u64 > max_bytes {
            return Err(DetectError::invalid(
                self.name,
                "text",
                format!("has more than {max_bytes} bytes, which no real one has"),
            ));
        }
        Ok(text)
    }

    /// A reader of a longer text, which ends after `max_bytes`.
    pub(super) fn stream(self, max_bytes: u64) -> impl Read {
        io::BufReader::new(self.inner.take(max_bytes))
    }

    /// The numbers of a small tensor; none where it is large or of another type.
    pub(super) fn floats(&mut self, tensor: &TensorInfo) -> Result<Vec<f32>, DetectError> {
        if tensor.size_bytes > MAX_HINT_BYTES {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; tensor.size_bytes as usize];
        self.inner
            .seek(SeekFrom::Start(tensor.offset_bytes))
            .and_then(|_| self.inner.read_exact(&mut bytes))
            .map_err(|source| self.read_error(source))?;
        let (pairs, _) = bytes.as_chunks::<2>();
        let (fours, _) = bytes.as_chunks::<4>();
        Ok(match tensor.dtype {
            Dtype::F16 => pairs
                .iter()
                .map(|&pair| f16_to_f32(u16::from_le_bytes(pair)))
                .collect(),
            Dtype::Bf16 => pairs
                .iter()
                .map(|&pair| f32::from_bits(u32::from(u16::from_le_bytes(pair)) << 16))
                .collect(),
            Dtype::F32 => fours.iter().map(|&four| f32::from_le_bytes(four)).collect(),
            _ => Vec::new(),
        })
    }
}

/// IEEE 754 half precision: 1 bit of sign, 5 of exponent, 10 of mantissa.
fn f16_to_f32(half: u16) -> f32 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(half >> 10 & 0x1f);
    let mantissa = f32::from(half & 0x3ff);
    match exponent {
        0 => sign * mantissa * 2_f32.powi(-24),
        0x1f if mantissa == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        _ => sign * (1.0 + mantissa / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_widened_exactly() {
        for (half, number) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(f16_to_f32(half), number, "{half:#x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
    }
}
