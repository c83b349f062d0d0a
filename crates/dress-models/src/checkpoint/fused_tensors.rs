//! Tensors of the files that hold several parameters, taken apart where they are read and put together where
//! they are written.

use crate::{Error, Family, FusedTensor};
use std::collections::HashMap;
use std::path::Path;

/// Some rows of a tensor, which are a tensor of their own to whoever reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorPart {
    /// The tensor's name in the files.
    pub of: String,
    /// Numbers before the first of these.
    pub skipped: usize,
    /// The shape of these rows.
    pub shape: Vec<usize>,
}

/// The parts of a tensor of that shape, the rows of each behind those of the one before; none where they are
/// not all of its rows.
pub(super) fn parts_of(
    of: &str,
    shape: &[usize],
    rows: &[(String, usize)],
) -> Option<Vec<(String, TensorPart)>> {
    let (&all, rest) = shape.split_first()?;
    let mut first = 0;
    let part = |(name, count): &(String, usize)| {
        let skipped = first * rest.iter().product::<usize>();
        first += count;
        let shape = [&[*count][..], rest].concat();
        (name.clone(), TensorPart { of: of.into(), skipped, shape })
    };
    let parts = rows.iter().map(part).collect();
    (first == all).then_some(parts)
}

/// The error for a tensor that does not have the rows of its parts.
pub(super) fn misshapen(file: &Path, name: &str, shape: &[usize], rows: &[(String, usize)]) -> Error {
    let mut expected = shape.to_vec();
    if let Some(first) = expected.first_mut() {
        *first = rows.iter().map(|(_, count)| count).sum();
    }
    Error::TensorShape { file: file.into(), tensor: name.into(), expected, found: shape.into() }
}

/// By parameter, the tensor of the files that it is written into with others.
pub(super) fn written_into<F: Family>(model: &F) -> HashMap<String, String> {
    let fused = model.fused().into_iter();
    fused
        .flat_map(|FusedTensor { name, parts }| parts.into_iter().map(move |part| (part, name.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_one_part_are_behind_those_of_the_other() {
        let rows =
            |counts: [usize; 2]| ["a", "b"].map(String::from).into_iter().zip(counts).collect::<Vec<_>>();
        let found = parts_of("whole", &[5, 3], &rows([2, 3])).unwrap();
        let places: Vec<_> =
            found.iter().map(|(name, part)| (name.as_str(), part.skipped, &part.shape)).collect();
        assert_eq!(places, [("a", 0, &vec![2, 3]), ("b", 6, &vec![3, 3])]);
        assert_eq!(parts_of("whole", &[5, 3], &rows([2, 2])), None);
        assert_eq!(parts_of("whole", &[], &rows([2, 2])), None);
    }
}
