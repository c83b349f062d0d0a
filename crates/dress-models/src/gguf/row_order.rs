//! The orders in which llama.cpp wants the rows of some projections.

use super::family::GgufFamily;

/// How the rows of a tensor lie in a GGUF file beside those of the Hugging Face checkpoint. Biases are rows
/// of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// Alike.
    Same,
    /// Of each head, row `i` of the second half behind row `i` of the first: the order of interleaved
    /// rotation.
    Interleaved { heads: usize },
    /// The queries of all heads, then their keys, then their values. In the checkpoint the query, the key and
    /// the value of one head follow each other.
    PartByPart { heads: usize },
}

impl GgufFamily {
    /// How the rows of a tensor lie, by its name here, in a layer of so many query heads and key/value heads.
    pub fn row_order(self, name: &str, [heads, kv_heads]: [usize; 2]) -> RowOrder {
        match name.split('.').nth(2) {
            Some("attn_q") if self.is_interleaved() => RowOrder::Interleaved { heads },
            Some("attn_k") if self.is_interleaved() => RowOrder::Interleaved { heads: kv_heads },
            Some("attn_qkv") if self == GgufFamily::GptNeox => RowOrder::PartByPart { heads },
            _ => RowOrder::Same,
        }
    }
}

impl RowOrder {
    /// Checks that heads can share so many rows.
    ///
    /// # Errors
    /// Why they cannot, behind the name of the tensor.
    pub fn check(self, rows: usize) -> Result<(), String> {
        let (heads, of_each, how) = match self {
            Self::Same => return Ok(()),
            Self::Interleaved { heads } => (heads, 2, "in pairs"),
            Self::PartByPart { heads } => (heads, 3, "as queries, keys and values"),
        };
        match rows > 0 && heads > 0 && rows.is_multiple_of(of_each * heads) {
            true => Ok(()),
            false => Err(format!("has {rows} rows, which {heads} heads do not share {how}")),
        }
    }

    /// Which of `rows` rows in the file is row `row` of the checkpoint.
    pub fn in_file(self, row: usize, rows: usize) -> usize {
        exchanged(row, self.extents(rows))
    }

    /// Which of `rows` rows of the checkpoint is row `row` in the file.
    #[cfg(any(test, feature = "tokenizer"))]
    pub fn in_checkpoint(self, row: usize, rows: usize) -> usize {
        let [first, second, inner] = self.extents(rows);
        exchanged(row, [second, first, inner])
    }

    /// The rows of the checkpoint are counted by four digits. These are the extents of the last three; in the
    /// file the first two of them are exchanged.
    fn extents(self, rows: usize) -> [usize; 3] {
        match self {
            Self::Same => [1; 3],
            Self::Interleaved { heads } => [2, rows / heads / 2, 1],
            Self::PartByPart { heads } => [heads, 3, rows / heads / 3],
        }
    }
}

/// The number with its first and second digit exchanged, where the last three digits have these extents.
fn exchanged(number: usize, [first, second, inner]: [usize; 3]) -> usize {
    let (outer, within) = (number / (first * second * inner), number % (first * second * inner));
    let (i, j, k) = (within / (second * inner), within / inner % second, within % inner);
    ((outer * second + j) * first + i) * inner + k
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(order: RowOrder, rows: usize) -> Vec<usize> {
        (0..rows).map(|row| order.in_file(row, rows)).collect()
    }

    #[test]
    fn halves_lie_in_pairs_and_the_parts_of_all_heads_together() {
        assert_eq!(in_file(RowOrder::Same, 3), [0, 1, 2]);
        // Two heads of four rows: 0 2 1 3 in the file.
        assert_eq!(in_file(RowOrder::Interleaved { heads: 2 }, 8), [0, 2, 1, 3, 4, 6, 5, 7]);
        // Two heads of two rows: q q k k v v of the first head, then of the second.
        let found = in_file(RowOrder::PartByPart { heads: 2 }, 12);
        assert_eq!(found, [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]);
    }

    #[test]
    fn each_order_leads_back() {
        for order in [RowOrder::Same, RowOrder::Interleaved { heads: 3 }, RowOrder::PartByPart { heads: 4 }] {
            let back = |row| order.in_checkpoint(order.in_file(row, 24), 24);
            assert_eq!((0..24).map(back).collect::<Vec<_>>(), (0..24).collect::<Vec<_>>(), "{order:?}");
        }
    }

    #[test]
    fn rows_that_heads_do_not_share_are_an_error() {
        assert_eq!(RowOrder::Same.check(0), Ok(()));
        assert_eq!(RowOrder::Interleaved { heads: 2 }.check(8), Ok(()));
        for (order, rows, how) in [
            (RowOrder::Interleaved { heads: 2 }, 6, "2 heads do not share in pairs"),
            (RowOrder::Interleaved { heads: 0 }, 8, "0 heads"),
            (RowOrder::PartByPart { heads: 2 }, 8, "as queries, keys and values"),
            (RowOrder::PartByPart { heads: 2 }, 0, "0 rows"),
        ] {
            assert!(order.check(rows).unwrap_err().contains(how), "{order:?}");
        }
    }
}
