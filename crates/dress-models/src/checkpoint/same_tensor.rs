//! Whether two tensors of a checkpoint hold the same numbers.

use super::raw_tensor::have_same_numbers;
use super::{SafetensorsDirectory, Weights};
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
