//! The header: tensors and metadata, each checked against the size of the file.

use std::collections::BTreeMap;
use std::io::Read;

use super::dtype::Dtype;
use super::error::SafetensorsError;
use super::json::{Field, Json};

/// The longest header that is read. The format allows 100 MB; real headers, also of models with a
/// hundred thousand tensors, stay below 16 MiB, and a longer one is an attack on our memory.
const MAX_HEADER_BYTES: u64 = 32 << 20;
/// The most tensors. The largest published shards have a few ten thousand; an entry takes about 150
/// bytes of memory above its name.
const MAX_TENSORS: usize = 131_072;
const MAX_NAME_BYTES: usize = 1024;
/// PyTorch has 64; no published tensor has more than 5.
const MAX_RANK: usize = 16;
/// What trainers write of themselves: tag lists of large data sets take a few MiB.
const MAX_METADATA_BYTES: usize = 16 << 20;
const MAX_METADATA_ENTRIES: usize = 4096;

const METADATA_KEY: &str = "__metadata__";

/// One tensor of the file. Its bytes lie inside the file and overlap no other tensor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name, unique in the file.
    pub name: String,
    /// How the items are stored.
    pub dtype: Dtype,
    /// Items in each dimension, the row's length last; empty for a single number.
    pub shape: Vec<u64>,
    /// Where the bytes begin, from the start of the file.
    pub offset_bytes: u64,
    /// How many bytes there are; may be 0.
    pub size_bytes: u64,
}

impl TensorInfo {
    /// How many numbers the tensor holds.
    #[must_use]
    pub fn element_count(&self) -> u64 {
        // The header's reader refused products that overflow.
        self.shape.iter().product()
    }
}

/// Everything in a safetensors file but the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetensorsHeader {
    /// `__metadata__`: what the writer said of the file, by name. Empty where it said nothing.
    pub metadata: BTreeMap<String, String>,
    /// Where the data begins, in bytes from the start of the file.
    pub data_offset_bytes: u64,
    tensors: Vec<TensorInfo>,
}

impl SafetensorsHeader {
    /// Reads and checks the header of a file of `file_size_bytes` from `reader`, which stands at its
    /// start. Reads no further than the header.
    ///
    /// # Errors
    /// When the file is no safetensors file, or contradicts itself or its size; the error names the
    /// field.
    pub fn read(mut reader: impl Read, file_size_bytes: u64) -> Result<Self, SafetensorsError> {
        let length_bytes = read_length(&mut reader, file_size_bytes)?;
        let data_offset_bytes = 8 + length_bytes;
        let mut json = Json::new(reader, length_bytes);
        let mut entries = Entries {
            metadata: None,
            tensors: Vec::new(),
            data_offset_bytes,
            data_bytes: file_size_bytes - data_offset_bytes,
        };
        entries.read(&mut json)?;
        json.expect_end()?;

        let Entries {
            metadata,
            mut tensors,
            data_bytes,
            ..
        } = entries;
        // Stable, so that of two tensors over the same bytes the later one in the file is named.
        tensors.sort_by_key(|tensor| (tensor.offset_bytes, tensor.size_bytes));
        expect_whole_cover(&tensors, data_offset_bytes, data_bytes)?;
        tensors.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        expect_distinct_names(&tensors)?;
        Ok(Self {
            metadata: metadata.unwrap_or_default(),
            data_offset_bytes,
            tensors,
        })
    }

    /// The tensors, ordered by name.
    #[must_use]
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors
            .binary_search_by(|tensor| tensor.name.as_str().cmp(name))
            .ok()
            .map(|place| &self.tensors[place])
    }
}

/// The length of the header, which the file and our memory must be able to hold.
fn read_length(reader: &mut impl Read, file_size_bytes: u64) -> Result<u64, SafetensorsError> {
    let field = "header length";
    let Some(left_bytes) = file_size_bytes.checked_sub(8) else {
        return Err(SafetensorsError::Truncated {
            field: field.to_owned(),
            needed_bytes: 8,
            left_bytes: file_size_bytes,
        });
    };
    let mut bytes = [0; 8];
    reader
        .read_exact(&mut bytes)
        .map_err(|source| SafetensorsError::Read {
            field: field.to_owned(),
            source,
        })?;
    let length_bytes = u64::from_le_bytes(bytes);
    if length_bytes > left_bytes {
        return Err(SafetensorsError::Truncated {
            field: Field::Header.to_string(),
            needed_bytes: length_bytes,
            left_bytes,
        });
    }
    if length_bytes > MAX_HEADER_BYTES {
        return Err(SafetensorsError::invalid(
            field,
            format!(
                "is {length_bytes}; no real file has more than {} MiB",
                MAX_HEADER_BYTES >> 20
            ),
        ));
    }
    if length_bytes < 2 {
        return Err(SafetensorsError::invalid(
            field,
            format!("is {length_bytes}, too short for any header"),
        ));
    }
    Ok(length_bytes)
}

/// The entries of the header, as far as read.
struct Entries {
    metadata: Option<BTreeMap<String, String>>,
    tensors: Vec<TensorInfo>,
    data_offset_bytes: u64,
    data_bytes: u64,
}

impl Entries {
    fn read<R: Read>(&mut self, json: &mut Json<R>) -> Result<(), SafetensorsError> {
        json.expect(b'{', "an object of tensors", Field::Header)?;
        let mut first = true;
        while !json.at_end(b'}', first, Field::Header)? {
            first = false;
            let name = json.string(MAX_NAME_BYTES, Field::Header)?.to_owned();
            json.expect(b':', "a colon", Field::Header)?;
            if name == METADATA_KEY {
                let metadata = read_metadata(json)?;
                if self.metadata.replace(metadata).is_some() {
                    return Err(SafetensorsError::invalid(Field::Metadata, "is in the file twice"));
                }
                continue;
            }
            if self.tensors.len() == MAX_TENSORS {
                return Err(SafetensorsError::invalid(
                    Field::Header,
                    format!("has more than {MAX_TENSORS} tensors, which no real file has"),
                ));
            }
            if name.is_empty() {
                return Err(SafetensorsError::invalid(
                    Field::Header,
                    "has a tensor without a name",
                ));
            }
            let tensor = self.read_tensor(json, name)?;
            self.tensors.push(tensor);
        }
        Ok(())
    }

    fn read_tensor<R: Read>(&self, json: &mut Json<R>, name: String) -> Result<TensorInfo, SafetensorsError> {
        let field = Field::Tensor(&name);
        let twice = |part: &str| SafetensorsError::invalid(field, format!("has two of \"{part}\""));
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        json.expect(
            b'{',
            "an object with dtype, shape and data_offsets",
            Field::Header,
        )?;
        let mut first = true;
        while !json.at_end(b'}', first, field)? {
            first = false;
            // As long as the longest of the three, or what an error message wants to show of another.
            let part = json.string(64, field)?.to_owned();
            json.expect(b':', "a colon", field)?;
            match part.as_str() {
                "dtype" => {
                    if dtype.replace(read_dtype(json, field)?).is_some() {
                        return Err(twice(&part));
                    }
                }
                "shape" => {
                    if shape.replace(read_numbers(json, MAX_RANK, field)?).is_some() {
                        return Err(twice(&part));
                    }
                }
                "data_offsets" => {
                    if offsets.replace(read_offsets(json, field)?).is_some() {
                        return Err(twice(&part));
                    }
                }
                other => {
                    return Err(SafetensorsError::Unsupported {
                        field: field.to_string(),
                        problem: format!("has the unknown entry \"{}\"", other.escape_debug()),
                    });
                }
            }
        }
        let missing = |part: &str| SafetensorsError::invalid(field, format!("has no {part}"));
        let dtype = dtype.ok_or_else(|| missing("dtype"))?;
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let (begin, end) = offsets.ok_or_else(|| missing("data_offsets"))?;
        let size_bytes = self.expect_room(dtype, &shape, begin, end, field)?;
        Ok(TensorInfo {
            dtype,
            shape,
            // Cannot overflow: the tensor's end lies inside the data, and the data inside the file.
            offset_bytes: self.data_offset_bytes + begin,
            size_bytes,
            name,
        })
    }

    /// The bytes of a tensor, which its shape, its offsets and the file must agree about.
    fn expect_room(
        &self,
        dtype: Dtype,
        shape: &[u64],
        begin: u64,
        end: u64,
        field: Field<'_>,
    ) -> Result<u64, SafetensorsError> {
        let invalid = |problem: String| Err(SafetensorsError::invalid(field, problem));
        let Some(size_bytes) = end.checked_sub(begin) else {
            return invalid(format!("ends at {end}, before it begins at {begin}"));
        };
        if end > self.data_bytes {
            return invalid(format!(
                "ends at {end} of the data, of which the file has only {} bytes: the file is cut short or damaged",
                self.data_bytes
            ));
        }
        let bits = shape
            .iter()
            .try_fold(1_u64, |product, &items| product.checked_mul(items))
            .and_then(|items| items.checked_mul(dtype.bits()));
        match bits {
            Some(bits) if size_bytes.checked_mul(8) == Some(bits) => Ok(size_bytes),
            Some(bits) => invalid(format!(
                "has {size_bytes} bytes, but {dtype} in the shape {shape:?} takes {}",
                bits.div_ceil(8)
            )),
            None => invalid(format!("has a shape too large for any file: {shape:?}")),
        }
    }
}

fn read_metadata<R: Read>(json: &mut Json<R>) -> Result<BTreeMap<String, String>, SafetensorsError> {
    let field = Field::Metadata;
    let mut metadata = BTreeMap::new();
    let mut left_bytes = MAX_METADATA_BYTES;
    json.expect(b'{', "an object of strings", field)?;
    while !json.at_end(b'}', metadata.is_empty(), field)? {
        let key = json.string(left_bytes, field)?.to_owned();
        left_bytes -= key.len();
        json.expect(b':', "a colon", field)?;
        let value = json.string(left_bytes, field)?.to_owned();
        left_bytes -= value.len();
        if metadata.len() == MAX_METADATA_ENTRIES {
            return Err(SafetensorsError::invalid(
                field,
                format!("has more than {MAX_METADATA_ENTRIES} entries"),
            ));
        }
        if metadata.insert(key, value).is_some() {
            return Err(SafetensorsError::invalid(field, "has one key twice"));
        }
    }
    Ok(metadata)
}

fn read_dtype<R: Read>(json: &mut Json<R>, field: Field<'_>) -> Result<Dtype, SafetensorsError> {
    let name = json.string(64, field)?;
    Dtype::from_name(name).ok_or_else(|| SafetensorsError::Unsupported {
        field: field.to_string(),
        problem: format!("is stored in the unknown type \"{}\"", name.escape_debug()),
    })
}

fn read_numbers<R: Read>(
    json: &mut Json<R>,
    max_count: usize,
    field: Field<'_>,
) -> Result<Vec<u64>, SafetensorsError> {
    json.expect(b'[', "a list of numbers", field)?;
    let mut numbers = Vec::new();
    while !json.at_end(b']', numbers.is_empty(), field)? {
        if numbers.len() == max_count {
            return Err(SafetensorsError::invalid(
                field,
                format!("has a list of more than {max_count} numbers"),
            ));
        }
        numbers.push(json.number(field)?);
    }
    Ok(numbers)
}

fn read_offsets<R: Read>(json: &mut Json<R>, field: Field<'_>) -> Result<(u64, u64), SafetensorsError> {
    match read_numbers(json, 2, field)?[..] {
        [begin, end] => Ok((begin, end)),
        _ => Err(SafetensorsError::invalid(
            field,
            "must have two data_offsets, where it begins and where it ends",
        )),
    }
}

/// Checks that tensors in the order of their places follow one another from the first byte of the data
/// to the last.
fn expect_whole_cover(
    tensors: &[TensorInfo],
    data_offset_bytes: u64,
    data_bytes: u64,
) -> Result<(), SafetensorsError> {
    let mut covered_to = data_offset_bytes;
    for tensor in tensors {
        let field = Field::Tensor(&tensor.name);
        if tensor.offset_bytes < covered_to {
            return Err(SafetensorsError::invalid(
                field,
                "lies over the same bytes as another tensor",
            ));
        }
        if tensor.offset_bytes > covered_to {
            return Err(SafetensorsError::invalid(
                field,
                format!(
                    "begins at {} of the data, after {} bytes that belong to no tensor",
                    tensor.offset_bytes - data_offset_bytes,
                    tensor.offset_bytes - covered_to
                ),
            ));
        }
        covered_to = tensor.offset_bytes + tensor.size_bytes;
    }
    match data_offset_bytes + data_bytes - covered_to {
        0 => Ok(()),
        left => Err(SafetensorsError::invalid(
            "data",
            format!("goes on for {left} bytes after the last tensor"),
        )),
    }
}

fn expect_distinct_names(in_order: &[TensorInfo]) -> Result<(), SafetensorsError> {
    match in_order.windows(2).find(|pair| pair[0].name == pair[1].name) {
        None => Ok(()),
        Some(pair) => Err(SafetensorsError::invalid(
            Field::Tensor(&pair[0].name),
            "is in the file twice",
        )),
    }
}
