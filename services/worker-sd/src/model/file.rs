//! Files of weights, mapped into memory.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::{bf16, f16};
use memmap2::Mmap;
use rbee_artifacts::detect::DetectError;
use rbee_artifacts::safetensors::{Dtype, SafetensorsHeader, TensorInfo};

use super::error::LoadError;

/// A file whose header was read and checked, and whose tensors lie in mapped memory; without `bytes`, its
/// header alone.
#[derive(Debug)]
pub(super) struct WeightFile {
    /// What it is called in errors.
    pub(super) name: String,
    pub(super) header: SafetensorsHeader,
    bytes: Option<Mmap>,
}

impl WeightFile {
    /// Opens a file and reads its header. No tensor is read yet.
    pub(super) fn open(path: &Path, name: &str) -> Result<Arc<Self>, LoadError> {
        let read_error = |source| LoadError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(read_error)?;
        let metadata = file.metadata().map_err(read_error)?;
        if !metadata.is_file() {
            let problem = io::Error::new(io::ErrorKind::InvalidInput, "it is not a file");
            return Err(read_error(problem));
        }
        let header = SafetensorsHeader::read(BufReader::new(&file), metadata.len()).map_err(|source| {
            LoadError::Model {
                path: path.to_owned(),
                source: DetectError::Safetensors {
                    file: name.to_owned(),
                    source,
                },
            }
        })?;
        // SAFETY: the map is only read. Its file is a blob of the store, which nobody changes or
        // shortens once it is there; a file that someone cuts all the same ends the process.
        let bytes = unsafe { Mmap::map(&file) }.map_err(read_error)?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            header,
            bytes: Some(bytes),
        }))
    }

    /// A file of which only the header is there: enough to check names and shapes.
    pub(super) fn without_data(name: &str, header: SafetensorsHeader) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            header,
            bytes: None,
        })
    }

    /// The bytes of a tensor; `None` where there are none.
    fn data(&self, tensor: &TensorInfo) -> Option<&[u8]> {
        let begin = usize::try_from(tensor.offset_bytes).ok()?;
        let end = begin.checked_add(usize::try_from(tensor.size_bytes).ok()?)?;
        self.bytes.as_ref()?.get(begin..end)
    }
}

/// The file's name for errors about it.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// A tensor, or some of its rows, in a file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) file: Arc<WeightFile>,
    /// Among the header's tensors.
    pub(super) tensor: usize,
    /// Which third of its rows, where query, key and value lie in one.
    pub(super) third: Option<usize>,
    /// Whether rows and columns change places.
    pub(super) transposed: bool,
}

/// Numbers out of a file, in its precision.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Stored {
    /// All numbers in 32 bits.
    pub(super) fn wide(self) -> Vec<f32> {
        match self {
            Self::F32(numbers) => numbers,
            Self::F16(numbers) => numbers.into_iter().map(f32::from).collect(),
            Self::Bf16(numbers) => numbers.into_iter().map(f32::from).collect(),
        }
    }

    fn is_finite(&self) -> bool {
        // Without leaving the loop early, so that it is made of vectors.
        match self {
            Self::F32(numbers) => numbers.iter().fold(true, |all, number| all & number.is_finite()),
            Self::F16(numbers) => numbers
                .iter()
                .fold(true, |all, number| all & (number.to_bits() & 0x7c00 != 0x7c00)),
            Self::Bf16(numbers) => numbers
                .iter()
                .fold(true, |all, number| all & (number.to_bits() & 0x7f80 != 0x7f80)),
        }
    }
}

impl Place {
    pub(super) fn info(&self) -> &TensorInfo {
        &self.file.header.tensors()[self.tensor]
    }

    /// The shape of what is meant, which may be a part of what is stored.
    pub(super) fn shape(&self) -> Vec<u64> {
        let mut shape = self.info().shape.clone();
        if self.third.is_some()
            && let Some(rows) = shape.first_mut()
        {
            *rows /= 3;
        }
        if self.transposed {
            shape.reverse();
        }
        shape
    }

    pub(super) fn invalid(&self, problem: impl Into<String>) -> DetectError {
        DetectError::Invalid {
            file: self.file.name.clone(),
            field: self.info().name.clone(),
            problem: problem.into(),
        }
    }

    /// Refuses numbers that are no floats of 16, 32 or 64 bits.
    pub(super) fn check_type(&self) -> Result<(), DetectError> {
        match self.info().dtype {
            Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64 => Ok(()),
            other => Err(DetectError::Unsupported {
                file: self.file.name.clone(),
                field: self.info().name.clone(),
                problem: format!("is stored as {other}, which this worker cannot compute with"),
            }),
        }
    }

    /// Reads the numbers, all of which must be finite.
    pub(super) fn read(&self) -> Result<Stored, DetectError> {
        self.check_type()?;
        let info = self.info();
        let bytes = self
            .file
            .data(info)
            .ok_or_else(|| self.invalid("lies outside of the file"))?;
        let bytes = match self.third {
            Some(third) => {
                let size = bytes.len() / 3;
                &bytes[third * size..(third + 1) * size]
            }
            None => bytes,
        };
        let stored = match info.dtype {
            Dtype::F16 => Stored::F16(self.arrange(bytes, f16::from_le_bytes)),
            Dtype::Bf16 => Stored::Bf16(self.arrange(bytes, bf16::from_le_bytes)),
            Dtype::F64 => Stored::F32(self.arrange(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
            _ => Stored::F32(self.arrange(bytes, f32::from_le_bytes)),
        };
        match stored.is_finite() {
            true => Ok(stored),
            false => Err(self.invalid("has numbers that are infinite or not numbers")),
        }
    }

    fn arrange<const SIZE: usize, T: Copy>(&self, bytes: &[u8], number: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
        let (items, _) = bytes.as_chunks::<SIZE>();
        if !self.transposed {
            return items.iter().map(|&item| number(item)).collect();
        }
        let columns = self
            .info()
            .shape
            .last()
            .map_or(1, |&columns| columns as usize)
            .max(1);
        let rows = items.len() / columns;
        (0..columns)
            .flat_map(|column| (0..rows).map(move |row| (row, column)))
            .map(|(row, column)| number(items[row * columns + column]))
            .collect()
    }
}

/// A path and the error about what is there.
pub(super) fn at(path: &Path) -> impl Fn(DetectError) -> LoadError + use<> {
    let path: PathBuf = path.to_owned();
    move |source| LoadError::Model {
        path: path.clone(),
        source,
    }
}
