//! Some rows of a GGUF file's tensor, in the order that the Hugging Face checkpoint has.

use super::TensorInfo;
use std::borrow::Cow;
use std::ops::Range;

/// Some rows of a tensor in the file.
#[derive(Debug, Clone)]
pub(super) struct TensorPart {
    pub info: TensorInfo,
    pub rows: Range<usize>,
    /// The heads whose rows lie in the order of interleaved rotation.
    interleaved_heads: Option<usize>,
    /// Whether the numbers are one more than the checkpoint's.
    pub one_more: bool,
}

impl TensorPart {
    /// All rows.
    pub fn whole(info: &TensorInfo) -> Self {
        let rows = 0..info.shape.first().copied().unwrap_or(1);
        Self { info: info.clone(), rows, interleaved_heads: None, one_more: false }
    }

    /// Some of the rows.
    pub fn rows(info: &TensorInfo, rows: Range<usize>) -> Self {
        Self { rows, ..Self::whole(info) }
    }

    /// The same, its numbers one more than the checkpoint's where `one_more` says so.
    pub fn one_more(self, one_more: bool) -> Self {
        Self { one_more, ..self }
    }

    /// The same, from the order of interleaved rotation to that of halves.
    pub fn interleaved(self, heads: usize) -> Self {
        Self { interleaved_heads: Some(heads), ..self }
    }

    /// The shape of these rows.
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = self.info.shape.clone();
        if let Some(rows) = shape.first_mut() {
            *rows = self.rows.len();
        }
        shape
    }

    /// `bytes` of these rows, in the order of halves.
    pub fn in_order<'a>(&self, bytes: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        match self.interleaved_heads {
            Some(heads) => Cow::Owned(rotate_half_order(&bytes, self.rows.len(), heads)),
            None => bytes,
        }
    }
}

/// The rows of query or key projections, of which llama.cpp's converter puts row `i` of the second half
/// of each head behind row `i` of the first.
fn rotate_half_order(bytes: &[u8], rows: usize, heads: usize) -> Vec<u8> {
    let (row_bytes, head_dim) = (bytes.len() / rows, rows / heads);
    let mut ordered = Vec::with_capacity(bytes.len());
    for row in 0..rows {
        let (head, within) = (row / head_dim, row % head_dim);
        let (half, pair) = (within / (head_dim / 2), within % (head_dim / 2));
        let source = head * head_dim + 2 * pair + half;
        ordered.extend_from_slice(&bytes[source * row_bytes..(source + 1) * row_bytes]);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_pairs_become_halves() {
        // Two heads of four rows: what was written as 0 2 1 3 comes back as 0 1 2 3.
        assert_eq!(rotate_half_order(&[0, 2, 1, 3, 4, 6, 5, 7], 8, 2), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
