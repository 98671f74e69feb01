//! Tensors: block formats, shapes and places in the file.

use std::fmt;

/// Declares the formats once: id in the file, name, items a block, bytes a block.
macro_rules! formats {
    ($($id:literal $variant:ident $name:literal $items:literal $bytes:literal;)*) => {
        /// How a tensor's numbers are stored. Items are packed in blocks, and a row is whole blocks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[allow(non_camel_case_types, missing_docs)] // The names are ggml's, and say all there is to say.
        pub enum GgmlType { $($variant,)* }

        impl GgmlType {
            /// All formats whose layout is known.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The format with this id in a GGUF file; `None` for ids that were removed or are not known.
            #[must_use]
            pub fn from_id(id: u32) -> Option<Self> {
                match id { $($id => Some(Self::$variant),)* _ => None }
            }

            /// The id in a GGUF file.
            #[must_use]
            pub fn id(self) -> u32 {
                match self { $(Self::$variant => $id,)* }
            }

            /// The name ggml gives it, such as `Q4_K`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Items in one block.
            #[must_use]
            pub fn block_items(self) -> u64 {
                match self { $(Self::$variant => $items,)* }
            }

            /// Bytes of one block.
            #[must_use]
            pub fn block_bytes(self) -> u64 {
                match self { $(Self::$variant => $bytes,)* }
            }
        }
    };
}

// From ggml's `ggml_type` and the block structures of ggml-common.h.
formats! {
    0 F32 "F32" 1 4;
    1 F16 "F16" 1 2;
    2 Q4_0 "Q4_0" 32 18;
    3 Q4_1 "Q4_1" 32 20;
    6 Q5_0 "Q5_0" 32 22;
    7 Q5_1 "Q5_1" 32 24;
    8 Q8_0 "Q8_0" 32 34;
    9 Q8_1 "Q8_1" 32 36;
    10 Q2_K "Q2_K" 256 84;
    11 Q3_K "Q3_K" 256 110;
    12 Q4_K "Q4_K" 256 144;
    13 Q5_K "Q5_K" 256 176;
    14 Q6_K "Q6_K" 256 210;
    15 Q8_K "Q8_K" 256 292;
    16 IQ2_XXS "IQ2_XXS" 256 66;
    17 IQ2_XS "IQ2_XS" 256 74;
    18 IQ3_XXS "IQ3_XXS" 256 98;
    19 IQ1_S "IQ1_S" 256 50;
    20 IQ4_NL "IQ4_NL" 32 18;
    21 IQ3_S "IQ3_S" 256 110;
    22 IQ2_S "IQ2_S" 256 82;
    23 IQ4_XS "IQ4_XS" 256 136;
    24 I8 "I8" 1 1;
    25 I16 "I16" 1 2;
    26 I32 "I32" 1 4;
    27 I64 "I64" 1 8;
    28 F64 "F64" 1 8;
    29 IQ1_M "IQ1_M" 256 56;
    30 BF16 "BF16" 1 2;
    34 TQ1_0 "TQ1_0" 256 54;
    35 TQ2_0 "TQ2_0" 256 66;
    39 MXFP4 "MXFP4" 32 17;
}

impl GgmlType {
    /// Whether items are stored in fewer bits than a float has.
    #[must_use]
    pub fn is_quantized(self) -> bool {
        self.block_items() > 1
    }

    /// Whether items are integers, which no weight is.
    #[must_use]
    pub fn is_integer(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One tensor of the file. Its bytes lie inside the file and overlap no other tensor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name, unique in the file.
    pub name: String,
    /// Items in each dimension in ggml's order (the row's length first), padded with 1.
    pub dimensions: [u64; 4],
    /// How the items are stored.
    pub kind: GgmlType,
    /// Where the bytes begin, from the start of the file.
    pub offset_bytes: u64,
    /// How many bytes there are.
    pub size_bytes: u64,
}

impl TensorInfo {
    /// How many numbers the tensor holds.
    #[must_use]
    pub fn element_count(&self) -> u64 {
        // The header's reader refused products that overflow.
        self.dimensions.iter().product()
    }

    /// The dimensions without the ones at the end; at least one is left.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        let rank = self
            .dimensions
            .iter()
            .rposition(|&items| items != 1)
            .map_or(1, |last| last + 1);
        &self.dimensions[..rank]
    }

    /// Whether the dimensions are these, in ggml's order; ones at the end do not count.
    #[must_use]
    pub fn has_shape(&self, expected: &[u64]) -> bool {
        let items = |index| expected.get(index).copied().unwrap_or(1);
        expected.len() <= 4 && (0..4).all(|index| self.dimensions[index] == items(index))
    }
}
