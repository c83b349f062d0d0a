//! Some rows of a GGUF file's tensor, in the order that the Hugging Face checkpoint has.

use super::TensorInfo;
use super::row_order::RowOrder;
use std::borrow::Cow;
use std::ops::Range;

/// Some rows of a tensor in the file.
#[derive(Debug, Clone)]
pub(super) struct TensorPart {
    pub info: TensorInfo,
    pub rows: Range<usize>,
    /// How they lie beside those of the checkpoint.
    order: RowOrder,
    /// Whether the numbers are one more than the checkpoint's.
    pub one_more: bool,
}

impl TensorPart {
    /// All rows.
    pub fn whole(info: &TensorInfo) -> Self {
        let rows = 0..info.shape.first().copied().unwrap_or(1);
        Self { info: info.clone(), rows, order: RowOrder::Same, one_more: false }
    }

    /// Some of the rows.
    pub fn rows(info: &TensorInfo, rows: Range<usize>) -> Self {
        Self { rows, ..Self::whole(info) }
    }

    /// The same, its numbers one more than the checkpoint's where `one_more` says so.
    pub fn one_more(self, one_more: bool) -> Self {
        Self { one_more, ..self }
    }

    /// The same, its rows in another order than the checkpoint's, which heads have to share
    /// ([`RowOrder::check`]).
    pub fn ordered(self, order: RowOrder) -> Self {
        Self { order, ..self }
    }

    /// The shape of these rows.
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = self.info.shape.clone();
        if let Some(rows) = shape.first_mut() {
            *rows = self.rows.len();
        }
        shape
    }

    /// `bytes` of these rows, in the order of the checkpoint.
    pub fn in_order<'a>(&self, bytes: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        match self.order {
            RowOrder::Same => bytes,
            order => Cow::Owned(in_order(&bytes, self.rows.len(), order)),
        }
    }
}

fn in_order(bytes: &[u8], rows: usize, order: RowOrder) -> Vec<u8> {
    let row_bytes = bytes.len() / rows;
    let mut ordered = Vec::with_capacity(bytes.len());
    for row in 0..rows {
        let source = order.in_file(row, rows);
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
        let order = RowOrder::Interleaved { heads: 2 };
        assert_eq!(in_order(&[0, 2, 1, 3, 4, 6, 5, 7], 8, order), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn the_query_the_key_and_the_value_of_one_head_follow_each_other() {
        // Two heads of one row of two bytes.
        let order = RowOrder::PartByPart { heads: 2 };
        let written = *b"q0q1k0k1v0v1";
        assert_eq!(in_order(&written, 6, order), *b"q0k0v0q1k1v1");
    }
}
