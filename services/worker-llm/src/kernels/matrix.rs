//! A weight matrix as it lies in the file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use half::{bf16, f16, slice::HalfFloatSliceExt};
use rbee_artifacts::gguf::GgmlType;

use super::rows;

/// A part of something that holds bytes, such as a mapped file, which it keeps alive.
#[derive(Clone)]
pub struct SharedBytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({:?})", self.range)
    }
}

impl SharedBytes {
    /// The bytes of `range`; `None` where the owner has fewer.
    #[must_use]
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Option<Self> {
        (*owner).as_ref().get(range.clone())?;
        Some(Self { owner, range })
    }

    /// A part of the part; `range` counts from its start.
    fn part(&self, range: Range<usize>) -> Self {
        assert!(range.end <= self.range.len());
        Self {
            owner: Arc::clone(&self.owner),
            range: self.range.start + range.start..self.range.start + range.end,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

/// A matrix of weights: `rows` rows of `len` numbers in one of GGUF's formats.
#[derive(Debug, Clone)]
pub struct Matrix {
    kind: GgmlType,
    rows: usize,
    len: usize,
    row_bytes: usize,
    data: SharedBytes,
}

/// Why bytes are no matrix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatrixError {
    /// There is no kernel for the format.
    #[error("is stored as {0}, which this worker cannot compute with")]
    Format(GgmlType),
    /// Size and shape do not agree.
    #[error("has {bytes} bytes, which is not {rows} rows of {len} numbers as {kind}")]
    Size {
        /// How many there are.
        bytes: usize,
        /// Rows there should be.
        rows: usize,
        /// Numbers a row should have.
        len: usize,
        /// The format.
        kind: GgmlType,
    },
}

impl Matrix {
    /// Whether there is a kernel for a format.
    #[must_use]
    pub fn supports(kind: GgmlType) -> bool {
        is_float(kind) || rows::with_format!(kind, F => { let _: Option<F> = None; true }, else false)
    }

    /// Takes the bytes as a matrix.
    ///
    /// # Errors
    /// When there is no kernel for the format, or when size and shape do not agree.
    pub fn new(kind: GgmlType, rows: usize, len: usize, data: SharedBytes) -> Result<Self, MatrixError> {
        if !Self::supports(kind) {
            return Err(MatrixError::Format(kind));
        }
        let size_error = || MatrixError::Size {
            bytes: data.as_slice().len(),
            rows,
            len,
            kind,
        };
        let block_items = kind.block_items() as usize;
        if len == 0 || rows == 0 || !len.is_multiple_of(block_items) {
            return Err(size_error());
        }
        let row_bytes = (len / block_items)
            .checked_mul(kind.block_bytes() as usize)
            .ok_or_else(size_error)?;
        if row_bytes.checked_mul(rows) != Some(data.as_slice().len()) {
            return Err(size_error());
        }
        Ok(Self {
            kind,
            rows,
            len,
            row_bytes,
            data,
        })
    }

    /// Some of its rows as a matrix of their own, over the same bytes: for files that keep several
    /// matrices in one.
    ///
    /// # Panics
    /// If it has no such rows, or there are none in the range.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Self {
        assert!(rows.start < rows.end && rows.end <= self.rows);
        Self {
            rows: rows.len(),
            data: self
                .data
                .part(rows.start * self.row_bytes..rows.end * self.row_bytes),
            ..*self
        }
    }

    /// How its numbers are stored.
    #[must_use]
    pub fn kind(&self) -> GgmlType {
        self.kind
    }

    /// How many rows there are: the length of the product.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many numbers a row has: the length of what it is multiplied with.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a matrix has rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether its numbers are floats, not blocks of codes.
    #[must_use]
    pub(super) fn is_float(&self) -> bool {
        is_float(self.kind)
    }

    /// All its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.data.as_slice()
    }

    /// The bytes of some rows.
    pub(super) fn row_range(&self, range: Range<usize>) -> &[u8] {
        &self.data.as_slice()[range.start * self.row_bytes..range.end * self.row_bytes]
    }

    /// Writes one row's numbers, `len` of them.
    ///
    /// # Panics
    /// If there is no such row, or `out` has another length.
    pub fn dequantise_row(&self, row: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.len);
        let bytes = self.row_range(row..row + 1);
        match self.kind {
            GgmlType::F32 => {
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *out = f32::from_le_bytes(*bytes);
                }
            }
            GgmlType::F16 => {
                let mut halves = [f16::ZERO; 64];
                for (out, bytes) in out.chunks_mut(64).zip(bytes.chunks(128)) {
                    let halves = &mut halves[..out.len()];
                    for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
                        *half = f16::from_le_bytes(*bytes);
                    }
                    halves.convert_to_f32_slice(out);
                }
            }
            GgmlType::BF16 => {
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *out = bf16::from_le_bytes(*bytes).to_f32();
                }
            }
            kind => rows::dequantise(kind, bytes, out),
        }
    }
}

fn is_float(kind: GgmlType) -> bool {
    matches!(kind, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16)
}
