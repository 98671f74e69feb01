//! How a tensor's numbers are stored.

use std::fmt;

/// Declares the types once: name in the header, bits of one item.
macro_rules! dtypes {
    ($($variant:ident $name:literal $bits:literal;)*) => {
        /// How one item of a tensor is stored.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[allow(non_camel_case_types, missing_docs)] // The names are the format's, and say all there is to say.
        pub enum Dtype { $($variant,)* }

        impl Dtype {
            /// All types of the format.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The type of this name in a header.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// The name in a header, such as `BF16`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Bits of one item.
            #[must_use]
            pub fn bits(self) -> u64 {
                match self { $(Self::$variant => $bits,)* }
            }
        }
    };
}

// From the `Dtype` of the safetensors crate, 0.8.
dtypes! {
    Bool "BOOL" 8;
    F4 "F4" 4;
    F6_E2M3 "F6_E2M3" 6;
    F6_E3M2 "F6_E3M2" 6;
    U8 "U8" 8;
    I8 "I8" 8;
    F8_E5M2 "F8_E5M2" 8;
    F8_E4M3 "F8_E4M3" 8;
    F8_E8M0 "F8_E8M0" 8;
    F8_E4M3FNUZ "F8_E4M3FNUZ" 8;
    F8_E5M2FNUZ "F8_E5M2FNUZ" 8;
    I16 "I16" 16;
    U16 "U16" 16;
    F16 "F16" 16;
    Bf16 "BF16" 16;
    I32 "I32" 32;
    U32 "U32" 32;
    F32 "F32" 32;
    C64 "C64" 64;
    F64 "F64" 64;
    I64 "I64" 64;
    U64 "U64" 64;
}

impl Dtype {
    /// Whether items are real numbers with a fraction, as weights are.
    #[must_use]
    pub fn is_float(self) -> bool {
        self.name().starts_with('F') || self == Self::Bf16
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
