//! A model's file, mapped into memory.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use rbee_artifacts::gguf::{GgufError, GgufHeader, TensorInfo};

use super::error::LoadError;
use crate::kernels::{Matrix, SharedBytes};

/// A GGUF file whose header was read and checked, and whose tensors lie in mapped memory.
#[derive(Debug)]
pub struct ModelFile {
    path: PathBuf,
    header: GgufHeader,
    bytes: Arc<Mmap>,
}

impl ModelFile {
    /// Opens a file and reads its header. No tensor is read yet.
    ///
    /// # Errors
    /// When the file cannot be read, or is no valid GGUF file.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let read_error = |source| LoadError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(read_error)?;
        let metadata = file.metadata().map_err(read_error)?;
        if !metadata.is_file() {
            return Err(read_error(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a file",
            )));
        }
        let header =
            GgufHeader::read(BufReader::new(&file), metadata.len()).map_err(|source| LoadError::File {
                path: path.to_owned(),
                source,
            })?;
        // SAFETY: the map is only read. Its file is a blob of the store, which nobody changes or
        // shortens once it is there; a file that someone cuts all the same ends the process.
        let bytes = unsafe { Mmap::map(&file) }.map_err(read_error)?;
        Ok(Self {
            path: path.to_owned(),
            header,
            bytes: Arc::new(bytes),
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its metadata and tensors.
    #[must_use]
    pub fn header(&self) -> &GgufHeader {
        &self.header
    }

    /// Bytes of all tensors.
    #[must_use]
    pub fn weights_bytes(&self) -> u64 {
        self.header.tensors.iter().map(|tensor| tensor.size_bytes).sum()
    }

    /// The mapping, and where in it the tensors begin.
    pub(super) fn tensors(&self) -> (&Mmap, usize) {
        let start = usize::try_from(self.header.data_offset_bytes).unwrap_or(usize::MAX);
        (&self.bytes, start)
    }

    /// All rows of a tensor, whatever dimensions they are counted in. `shape` begins with their length.
    pub(super) fn rows(&self, name: &str, shape: &[usize]) -> Result<Matrix, GgufError> {
        let dimensions: Vec<u64> = shape.iter().map(|&dimension| dimension as u64).collect();
        let tensor = self.header.require_tensor(name, &dimensions)?;
        let invalid = |problem: String| GgufError::Invalid {
            field: format!("tensor {name}"),
            problem,
        };
        let data = self
            .data(tensor)
            .ok_or_else(|| invalid("lies outside of the file".to_owned()))?;
        if !Matrix::supports(tensor.kind) {
            return Err(GgufError::Unsupported {
                field: format!("tensor {name}"),
                problem: format!(
                    "is stored as {}, which this worker cannot compute with",
                    tensor.kind
                ),
            });
        }
        let rows = shape[1..].iter().product();
        Matrix::new(tensor.kind, rows, shape[0], data).map_err(|error| invalid(error.to_string()))
    }

    fn data(&self, tensor: &TensorInfo) -> Option<SharedBytes> {
        let start = usize::try_from(tensor.offset_bytes).ok()?;
        let end = start.checked_add(usize::try_from(tensor.size_bytes).ok()?)?;
        let owner: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::<Mmap>::clone(&self.bytes);
        SharedBytes::new(owner, start..end)
    }
}
