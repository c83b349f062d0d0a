//! The number types that checkpoints come in.

use burn::tensor::{Bytes, DType};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Numbers converted at a time by one thread.
const CHUNK: usize = 1 << 16;

/// Rows and columns of a tile while transposing.
const TILE: usize = 32;

/// A float type that models are kept and saved in.
///
/// # Examples
/// ```
/// use dress_models::FloatType;
///
/// let half: FloatType = "float16".parse()?;
/// assert_eq!((half, half.torch_name(), half.size()), (FloatType::F16, "float16", 2));
/// # Ok::<(), dress_models::checkpoint::FloatTypeName>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloatType {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, 10 of them for the fraction.
    F16,
    /// 16 bits with the range of 32.
    Bf16,
}

/// A name that is not a float type's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a float type; use f32, f16 or bf16")]
pub struct FloatTypeName {
    /// The name as given.
    pub name: String,
}

impl FloatType {
    /// Burn's name.
    pub fn dtype(self) -> DType {
        match self {
            FloatType::F32 => DType::F32,
            FloatType::F16 => DType::F16,
            FloatType::Bf16 => DType::BF16,
        }
    }

    /// The name of `config.json`'s `torch_dtype`.
    pub fn torch_name(self) -> &'static str {
        match self {
            FloatType::F32 => "float32",
            FloatType::F16 => "float16",
            FloatType::Bf16 => "bfloat16",
        }
    }

    /// Bytes a number.
    pub fn size(self) -> usize {
        if self == FloatType::F32 { 4 } else { 2 }
    }

    /// The type that most bytes of some tensors have, where it is a float's: a few norms or buffers of
    /// another do not make a checkpoint one of that type.
    pub(crate) fn of_most_bytes(tensors: impl Iterator<Item = (Option<Self>, u64)>) -> Option<Self> {
        let kinds = [None, Some(FloatType::F32), Some(FloatType::F16), Some(FloatType::Bf16)];
        let mut bytes = [0; 4];
        for (kind, more) in tensors {
            bytes[kind.map_or(0, |kind| kind as usize + 1)] += more;
        }
        (0..4).max_by_key(|&kind| bytes[kind]).filter(|&kind| bytes[kind] > 0).and_then(|kind| kinds[kind])
    }

    pub(super) fn safetensors(self) -> Dtype {
        match self {
            FloatType::F32 => Dtype::F32,
            FloatType::F16 => Dtype::F16,
            FloatType::Bf16 => Dtype::BF16,
        }
    }

    pub(super) fn from_safetensors(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 => Some(FloatType::F32),
            Dtype::F16 => Some(FloatType::F16),
            Dtype::BF16 => Some(FloatType::Bf16),
            _ => None,
        }
    }

    /// The number that the first bytes of `bytes` hold, little-endian.
    pub(crate) fn read(self, bytes: &[u8]) -> f32 {
        match self {
            FloatType::F32 => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            FloatType::F16 => f16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
            FloatType::Bf16 => bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
        }
    }

    /// `bytes` of this type as numbers of type `to`, and the index in `bytes` of a number that is not
    /// finite before or after, if there is one. With `transposed` a matrix of that many columns is
    /// turned over on the way, so that every weight is copied just once.
    pub(super) fn convert(
        self,
        bytes: &[u8],
        to: FloatType,
        transposed: Option<usize>,
    ) -> (Bytes, Option<usize>) {
        match to {
            FloatType::F32 => self.convert_to(bytes, transposed, |x| x, |x: f32| x.is_finite()),
            FloatType::F16 => self.convert_to(bytes, transposed, f16::from_f32, |x| x.is_finite()),
            FloatType::Bf16 => self.convert_to(bytes, transposed, bf16::from_f32, |x| x.is_finite()),
        }
    }

    fn convert_to<T: burn::tensor::Element + Default>(
        self,
        bytes: &[u8],
        transposed: Option<usize>,
        make: impl Fn(f32) -> T + Sync,
        finite: impl Fn(T) -> bool + Sync,
    ) -> (Bytes, Option<usize>) {
        let len = bytes.len() / self.size();
        let (columns, stripe) = match transposed {
            Some(columns) => (columns, TILE * (len / columns)),
            None => (1, CHUNK),
        };
        let rows = len / columns;
        let mut numbers = vec![T::default(); len];
        let read = |index: usize| make(self.read(&bytes[index * self.size()..]));
        let stripes = numbers.par_chunks_mut(stripe).enumerate();
        let bad = stripes.filter_map(|(number, stripe_numbers)| {
            let start = number * stripe;
            match transposed {
                Some(_) => transpose_stripe(stripe_numbers, start / rows, rows, columns, read),
                None => (start..).zip(stripe_numbers.iter_mut()).for_each(|(i, n)| *n = read(i)),
            }
            let bad = stripe_numbers.iter().position(|&n| !finite(n)).map(|bad| start + bad);
            // Back from the place in the transposed matrix; with one column the same place.
            bad.map(|bad| (bad % rows) * columns + bad / rows)
        });
        let bad = bad.min();
        (Bytes::from_elems(numbers), bad)
    }
}

/// Fills the rows of a transposed matrix that start at column `first` of the original, tile by
/// tile, so that reads stay in the cache.
fn transpose_stripe<T>(
    stripe: &mut [T],
    first: usize,
    rows: usize,
    columns: usize,
    read: impl Fn(usize) -> T,
) {
    for tile in (0..rows).step_by(TILE) {
        for (offset, row_out) in stripe.chunks_mut(rows).enumerate() {
            let end = (tile + TILE).min(rows);
            for (row, number) in (tile..end).zip(&mut row_out[tile..end]) {
                *number = read(row * columns + first + offset);
            }
        }
    }
}

impl FloatType {
    /// The names of all types, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["f32", "f16", "bf16"];
}

impl fmt::Display for FloatType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FloatType::F32 => "f32",
            FloatType::F16 => "f16",
            FloatType::Bf16 => "bf16",
        })
    }
}

impl FromStr for FloatType {
    type Err = FloatTypeName;

    fn from_str(text: &str) -> Result<Self, FloatTypeName> {
        match text {
            "f32" | "float32" => Ok(FloatType::F32),
            "f16" | "float16" => Ok(FloatType::F16),
            "bf16" | "bfloat16" => Ok(FloatType::Bf16),
            _ => Err(FloatTypeName { name: text.into() }),
        }
    }
}
