//! One tensor as its file has it.

use super::FloatType;
use super::fused_tensors::TensorPart;
use dress_core::FingerprintBuilder;
use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

/// One tensor as its file has it, dequantized where it has to be.
#[derive(Debug)]
pub struct RawTensor<'a> {
    /// Where it is from.
    pub file: PathBuf,
    /// The type of the bytes, where it is one that is read.
    pub element: Option<FloatType>,
    /// What the file calls its type.
    pub element_name: String,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// The numbers, little-endian.
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> RawTensor<'a> {
    /// Some of its rows.
    pub(super) fn part(self, part: &TensorPart) -> Self {
        let numbers = self.shape.iter().product::<usize>().max(1);
        let size = self.bytes.len() / numbers;
        let start = part.skipped * size;
        let range = start..start + part.shape.iter().product::<usize>() * size;
        let bytes: Cow<'a, [u8]> = match self.bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[range]),
            Cow::Owned(bytes) => Cow::Owned(bytes[range].to_vec()),
        };
        Self { bytes, shape: part.shape.clone(), ..self }
    }

    /// The bytes of the rows that a fingerprint looks at.
    pub(super) fn sampled_rows(&self) -> Vec<Range<usize>> {
        let sampled = FingerprintBuilder::sampled_rows(&self.shape);
        let rows = if self.shape.len() < 2 { 1 } else { self.shape[0].max(1) };
        let width = self.bytes.len() / rows;
        sampled.into_iter().map(|row| row * width..(row + 1) * width).collect()
    }
}

/// Whether two tensors, or the same stretches of two, agree.
pub(super) fn have_same_numbers(first: &RawTensor<'_>, second: &RawTensor<'_>) -> bool {
    if first.shape != second.shape {
        return false;
    }
    if first.element_name == second.element_name && first.bytes == second.bytes {
        return true;
    }
    // Zero has two signs, and one number may be filed in several types.
    let (Some(one), Some(other)) = (first.element, second.element) else { return false };
    let (ones, others) = (first.bytes.chunks_exact(one.size()), second.bytes.chunks_exact(other.size()));
    ones.zip(others).all(|(a, b)| one.read(a) == other.read(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(element: FloatType, bytes: &[u8]) -> RawTensor<'_> {
        RawTensor {
            file: "model.safetensors".into(),
            element: Some(element),
            element_name: element.to_string(),
            shape: vec![bytes.len() / element.size()],
            bytes: Cow::Borrowed(bytes),
        }
    }

    #[test]
    fn the_same_number_in_another_type_is_the_same_and_its_neighbour_is_not() {
        let (one, next) = (1.5f32.to_le_bytes(), 1.500_000_1f32.to_le_bytes());
        let half = half::bf16::from_f32(1.5).to_le_bytes();
        assert!(have_same_numbers(&tensor(FloatType::F32, &one), &tensor(FloatType::Bf16, &half)));
        assert!(!have_same_numbers(&tensor(FloatType::F32, &next), &tensor(FloatType::Bf16, &half)));
        let zeros = [0.0f32.to_le_bytes(), (-0.0f32).to_le_bytes()];
        assert!(have_same_numbers(&tensor(FloatType::F32, &zeros[0]), &tensor(FloatType::F32, &zeros[1])));
    }
}
