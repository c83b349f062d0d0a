//! Whether two tensors of a checkpoint hold the same numbers.

use super::{RawTensor, SafetensorsDirectory, Weights};
use crate::Error;

/// Numbers compared at a time, so that neither tensor is in memory as a whole.
const STRETCH: usize = 1 << 20;

/// Whether two tensors have the same shape and the same numbers, whatever types they are filed in.
///
/// # Errors
/// Those of reading them.
pub(super) fn are_same(files: &Weights, first: &str, second: &str) -> Result<bool, Error> {
    if let Weights::Safetensors(files) = files {
        return are_same_by_stretches(files, first, second);
    }
    let (Some(first), Some(second)) = (files.get(first)?, files.get(second)?) else { return Ok(false) };
    Ok(have_same_numbers(&first, &second))
}

fn are_same_by_stretches(files: &SafetensorsDirectory, first: &str, second: &str) -> Result<bool, Error> {
    let (Some(one), Some(other)) = (files.place(first), files.place(second)) else { return Ok(false) };
    if one.shape != other.shape {
        return Ok(false);
    }
    let numbers: usize = one.shape.iter().product();
    for start in (0..numbers).step_by(STRETCH) {
        let end = (start + STRETCH).min(numbers);
        let stretch = |name: &str| {
            files.read_ranges(name, |whole| {
                let size = whole.bytes.len() / numbers;
                std::iter::once(start * size..end * size).collect()
            })
        };
        let (Some(one), Some(other)) = (stretch(first)?, stretch(second)?) else { return Ok(false) };
        if !have_same_numbers(&one, &other) {
            return Ok(false);
        }
    }
    Ok(true)
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
    use crate::FloatType;
    use std::borrow::Cow;

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
