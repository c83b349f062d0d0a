//! The types that a GGUF file's matrices are written in.

use crate::FloatType;
use crate::gguf::TensorType;
use std::fmt;
use std::str::FromStr;

/// How the matrices of a GGUF file are written.
///
/// # Examples
/// ```
/// use dress_models::gguf::GgufType;
///
/// let kind: GgufType = "q8_0".parse()?;
/// assert_eq!((kind, kind.to_string()), (GgufType::Q8_0, "q8_0".into()));
/// # Ok::<(), dress_models::gguf::GgufTypeName>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GgufType {
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
    /// 16 bits with the range of 32.
    Bf16,
    /// 8 bits and a scale for 32 numbers.
    Q8_0,
    /// 4 bits and a scale for 32 numbers; the head has 8.
    Q4_0,
}

/// A name that is not a type's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a type that GGUF files are written in; use f32, f16, bf16, q8_0 or q4_0")]
pub struct GgufTypeName {
    /// The name as given.
    pub name: String,
}

impl GgufType {
    /// The names of all types.
    pub const NAMES: [&'static str; 5] = ["f32", "f16", "bf16", "q8_0", "q4_0"];

    const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4_0];

    /// How the file calls it.
    pub(super) fn tensor_type(self) -> TensorType {
        match self {
            Self::F32 => TensorType::F32,
            Self::F16 => TensorType::F16,
            Self::Bf16 => TensorType::Bf16,
            Self::Q8_0 => TensorType::Q8_0,
            Self::Q4_0 => TensorType::Q4_0,
        }
    }

    /// The number of a file that is mostly of this type.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
            Self::Bf16 => 32,
        }
    }

    pub(super) fn is_quantized(self) -> bool {
        matches!(self, Self::Q8_0 | Self::Q4_0)
    }
}

impl From<FloatType> for GgufType {
    fn from(element: FloatType) -> Self {
        match element {
            FloatType::F32 => Self::F32,
            FloatType::F16 => Self::F16,
            FloatType::Bf16 => Self::Bf16,
        }
    }
}

impl fmt::Display for GgufType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = Self::ALL.iter().position(|kind| kind == self);
        f.write_str(Self::NAMES[index.unwrap_or_default()])
    }
}

impl FromStr for GgufType {
    type Err = GgufTypeName;

    fn from_str(text: &str) -> Result<Self, GgufTypeName> {
        let index = Self::NAMES.iter().position(|name| *name == text);
        index.map(|index| Self::ALL[index]).ok_or_else(|| GgufTypeName { name: text.into() })
    }
}
