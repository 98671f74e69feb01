//! The container: magic, version, metadata, tensor infos.

use std::collections::HashMap;
use std::io::Read;

use super::error::GgufError;
use super::source::{Field, Source};
use super::tensor::{GgmlType, TensorInfo};
use super::value::{GgufMetadata, GgufValue};

const MAGIC: [u8; 4] = *b"GGUF";
/// Versions 2 and 3 share one layout; 1 had lengths of 32 bits and is long gone.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;

/// Real files have fewer than 100 keys and a few thousand tensors. The limits keep the cost of an
/// entry in memory (about 100 bytes above its own) from adding up.
const MAX_ENTRIES: u64 = 65_536;
/// The longest key: the specification's limit is 2^16-1.
const MAX_KEY_BYTES: u64 = 65_535;
/// The longest tensor name. The specification says 64; some converters go further.
const MAX_TENSOR_NAME_BYTES: u64 = 255;

const ALIGNMENT_KEY: &str = "general.alignment";
const DEFAULT_ALIGNMENT_BYTES: u32 = 32;
/// No writer pads to more than a page; 64 KiB leaves room for the largest pages in use.
const MAX_ALIGNMENT_BYTES: u32 = 64 << 10;

/// Everything in a GGUF file but the weights.
#[derive(Debug, Clone)]
pub struct GgufHeader {
    /// The version of the format: 2 or 3.
    pub version: u32,
    /// The metadata.
    pub metadata: GgufMetadata,
    /// The tensors in the order of the file.
    pub tensors: Vec<TensorInfo>,
    /// Where the weights begin, in bytes from the start of the file.
    pub data_offset_bytes: u64,
    by_name: HashMap<String, usize>,
}

/// A tensor as its info says, before it is known where the data begins.
struct RawTensor {
    info: TensorInfo,
    relative_offset_bytes: u64,
}

impl GgufHeader {
    /// Reads and checks the header of a file of `file_size_bytes` from `reader`, which stands at its
    /// start. Reads no further than the header (but for one read buffer), so it takes a file as well
    /// as the bytes of a mapping.
    ///
    /// # Errors
    /// When the file is no GGUF, is of a version that is not supported, or contradicts itself or its
    /// size; the error names the field.
    pub fn read(reader: impl Read, file_size_bytes: u64) -> Result<Self, GgufError> {
        let mut source = Source::new(reader, file_size_bytes);
        let magic = source.array::<4>(Field::Magic)?;
        if magic != MAGIC {
            return Err(GgufError::invalid(
                Field::Magic,
                format!(
                    "is \"{}\" and not \"GGUF\": this is not a GGUF file",
                    magic.escape_ascii()
                ),
            ));
        }
        let version = read_version(&mut source)?;
        let tensor_count = source.u64(Field::TensorCount)?;
        let metadata_count = source.u64(Field::MetadataCount)?;
        expect_count(tensor_count, Field::TensorCount)?;
        expect_count(metadata_count, Field::MetadataCount)?;

        let metadata = read_metadata(&mut source, metadata_count)?;
        let alignment_bytes = u64::from(alignment(&metadata)?);
        let mut by_name = HashMap::new();
        let mut raw = Vec::new();
        for place in 0..tensor_count {
            let tensor = read_tensor(&mut source, place + 1, alignment_bytes)?;
            if by_name.insert(tensor.info.name.clone(), raw.len()).is_some() {
                return Err(GgufError::invalid(
                    Field::Tensor(&tensor.info.name),
                    "is in the file twice",
                ));
            }
            raw.push(tensor);
        }
        // Cannot overflow: the header is at most 64 MiB long.
        let data_offset_bytes = source.position().next_multiple_of(alignment_bytes);
        let tensors = raw
            .into_iter()
            .map(|tensor| tensor.place(data_offset_bytes, file_size_bytes))
            .collect::<Result<Vec<_>, _>>()?;
        expect_no_overlap(&tensors)?;
        Ok(Self {
            version,
            metadata,
            tensors,
            data_offset_bytes,
            by_name,
        })
    }

    /// The tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.by_name.get(name).map(|&index| &self.tensors[index])
    }

    /// The tensor of this name, which must have this shape (ggml's order, the row's length first).
    ///
    /// # Errors
    /// When there is no such tensor, or it has another shape.
    pub fn require_tensor(&self, name: &str, shape: &[u64]) -> Result<&TensorInfo, GgufError> {
        let field = Field::Tensor(name);
        let tensor = self.tensor(name).ok_or_else(|| GgufError::Missing {
            field: field.to_string(),
        })?;
        if tensor.has_shape(shape) {
            Ok(tensor)
        } else {
            let found = tensor.shape();
            Err(GgufError::invalid(
                field,
                format!("has the shape {found:?}, but the metadata asks for {shape:?}"),
            ))
        }
    }
}

fn read_version<R: Read>(source: &mut Source<R>) -> Result<u32, GgufError> {
    let version = source.u32(Field::Version)?;
    if VERSIONS.contains(&version) {
        return Ok(version);
    }
    Err(GgufError::unsupported(
        Field::Version,
        if VERSIONS.contains(&version.swap_bytes()) {
            format!("{version:#010x} says that the file is big-endian, which is not supported")
        } else {
            format!("{version} is not supported; versions 2 and 3 are")
        },
    ))
}

/// Refuses counts that no real file has. Smaller ones need no check against the file's size: nothing
/// is allocated for an entry before it is read.
fn expect_count(count: u64, field: Field<'_>) -> Result<(), GgufError> {
    if count <= MAX_ENTRIES {
        return Ok(());
    }
    Err(GgufError::invalid(
        field,
        format!("is {count}; no real file has more than {MAX_ENTRIES}"),
    ))
}

fn read_metadata<R: Read>(source: &mut Source<R>, count: u64) -> Result<GgufMetadata, GgufError> {
    let mut metadata = GgufMetadata::default();
    for place in 1..=count {
        let field = Field::Key(place);
        let key = source.str_of_at_most(MAX_KEY_BYTES, field)?.to_owned();
        if key.is_empty() {
            return Err(GgufError::invalid(field, "is empty"));
        }
        if metadata.contains(&key) {
            return Err(GgufError::invalid(key, "is in the metadata twice"));
        }
        let value = GgufValue::read(source, Field::Value(&key))?;
        metadata.insert(key, value);
    }
    Ok(metadata)
}

fn alignment(metadata: &GgufMetadata) -> Result<u32, GgufError> {
    let alignment_bytes = metadata.u32(ALIGNMENT_KEY)?.unwrap_or(DEFAULT_ALIGNMENT_BYTES);
    if alignment_bytes.is_power_of_two() && alignment_bytes <= MAX_ALIGNMENT_BYTES {
        Ok(alignment_bytes)
    } else {
        Err(GgufError::invalid(
            ALIGNMENT_KEY,
            format!("is {alignment_bytes}, but must be a power of two of at most {MAX_ALIGNMENT_BYTES}"),
        ))
    }
}

fn read_tensor<R: Read>(
    source: &mut Source<R>,
    place: u64,
    alignment_bytes: u64,
) -> Result<RawTensor, GgufError> {
    let field = Field::TensorName(place);
    let name = source.str_of_at_most(MAX_TENSOR_NAME_BYTES, field)?.to_owned();
    if name.is_empty() {
        return Err(GgufError::invalid(field, "is empty"));
    }
    let field = Field::Tensor(&name);

    let rank = source.u32(field)?;
    if !(1..=4).contains(&rank) {
        return Err(GgufError::invalid(
            field,
            format!("has {rank} dimensions, but must have 1 to 4"),
        ));
    }
    let mut dimensions = [1; 4];
    for dimension in &mut dimensions[..rank as usize] {
        *dimension = source.u64(field)?;
    }
    if dimensions.contains(&0) {
        return Err(GgufError::invalid(field, "has a dimension of 0"));
    }
    let id = source.u32(field)?;
    let kind = GgmlType::from_id(id).ok_or_else(|| {
        GgufError::unsupported(field, format!("is stored in the unknown block format {id}"))
    })?;
    let relative_offset_bytes = source.u64(field)?;
    if !relative_offset_bytes.is_multiple_of(alignment_bytes) {
        return Err(GgufError::invalid(
            field,
            format!("begins at {relative_offset_bytes}, which is not a multiple of {alignment_bytes}"),
        ));
    }
    let size_bytes = size_bytes(dimensions, kind).map_err(|problem| GgufError::invalid(field, problem))?;
    let info = TensorInfo {
        dimensions,
        kind,
        offset_bytes: 0,
        size_bytes,
        name,
    };
    Ok(RawTensor {
        info,
        relative_offset_bytes,
    })
}

/// The bytes of a tensor, or what is wrong with its shape.
fn size_bytes(dimensions: [u64; 4], kind: GgmlType) -> Result<u64, String> {
    let too_large = || format!("has dimensions too large for any file: {dimensions:?}");
    let elements = dimensions
        .iter()
        .try_fold(1_u64, |product, &items| product.checked_mul(items))
        .ok_or_else(too_large)?;
    let row = dimensions[0];
    if !row.is_multiple_of(kind.block_items()) {
        return Err(format!(
            "has rows of {row} items, but {kind} stores them in blocks of {}",
            kind.block_items()
        ));
    }
    (elements / kind.block_items())
        .checked_mul(kind.block_bytes())
        .ok_or_else(too_large)
}

impl RawTensor {
    /// Turns the offset into one from the start of the file, and checks that the file has the bytes.
    fn place(self, data_offset_bytes: u64, file_size_bytes: u64) -> Result<TensorInfo, GgufError> {
        let Self {
            mut info,
            relative_offset_bytes,
        } = self;
        let offset = data_offset_bytes.checked_add(relative_offset_bytes);
        let end = offset.and_then(|offset| offset.checked_add(info.size_bytes));
        match (offset, end) {
            (Some(offset), Some(end)) if end <= file_size_bytes => {
                info.offset_bytes = offset;
                Ok(info)
            }
            _ => Err(GgufError::invalid(
                Field::Tensor(&info.name),
                format!(
                    "has {} bytes at {relative_offset_bytes} of the data, which is past the end of the file \
                     ({file_size_bytes} bytes, the data begins at {data_offset_bytes}): the file is cut short \
                     or damaged",
                    info.size_bytes
                ),
            )),
        }
    }
}

fn expect_no_overlap(tensors: &[TensorInfo]) -> Result<(), GgufError> {
    let mut in_order: Vec<&TensorInfo> = tensors.iter().collect();
    in_order.sort_by_key(|tensor| tensor.offset_bytes);
    for pair in in_order.windows(2) {
        if pair[0].offset_bytes + pair[0].size_bytes > pair[1].offset_bytes {
            return Err(GgufError::invalid(
                Field::Tensor(&pair[1].name),
                format!("lies over the same bytes as {}", pair[0].name),
            ));
        }
    }
    Ok(())
}
