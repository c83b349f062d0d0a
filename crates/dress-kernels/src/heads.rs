//! The states of attention heads, in whatever order of dimensions they are in memory.

use crate::product::Matrix;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType};

/// A tensor `[batch, heads, seq, head_dim]` whose last dimension is contiguous.
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    tensor: FlexTensor,
    pub batch: usize,
    pub heads: usize,
    pub seq: usize,
    pub width: usize,
    strides: [usize; 3],
}

impl Heads {
    /// The tensor as it is, or a copy where rows are not contiguous.
    pub fn new(tensor: FlexTensor) -> Self {
        let strides = tensor.layout().strides();
        let as_it_is = strides[3] == 1 && strides.iter().all(|&stride| stride >= 0);
        let tensor = if as_it_is { tensor } else { tensor.to_contiguous() };
        let [batch, heads, seq, width] = tensor.layout().shape().dims();
        let stride = |dim: usize| tensor.layout().strides()[dim] as usize;
        let strides = [stride(0), stride(1), stride(2)];
        Self { tensor, batch, heads, seq, width, strides }
    }

    /// The sizes of the tensor.
    pub fn dims(&self) -> [usize; 4] {
        [self.batch, self.heads, self.seq, self.width]
    }

    /// The state of one position in one head.
    #[inline]
    pub fn row(&self, batch: usize, head: usize, position: usize) -> &[f32] {
        let [of_batch, of_head, of_row] = self.strides;
        let start = self.tensor.layout().start_offset();
        let start = start + batch * of_batch + head * of_head + position * of_row;
        &self.tensor.storage()[start..start + self.width]
    }

    /// The first `rows` states of one head.
    pub fn matrix(&self, batch: usize, head: usize, rows: usize) -> Matrix<'_> {
        let start = self.tensor.layout().start_offset() + batch * self.strides[0] + head * self.strides[1];
        Matrix::new(&self.tensor.storage()[start..], rows, self.width, self.strides[2])
    }
}

/// Numbers of `[batch, seq, heads, head_dim]` as a view `[batch, heads, seq, head_dim]`: what a projection
/// leaves and the next one reads, without a copy between.
pub(crate) fn interleaved(numbers: Vec<f32>, [batch, heads, seq, width]: [usize; 4]) -> FlexTensor {
    let row = heads * width;
    let strides = [seq * row, width, row, 1].map(|stride| stride as isize);
    let layout = Layout::new([batch, heads, seq, width].into(), strides.to_vec(), 0);
    FlexTensor::new(Bytes::from_elems(numbers), layout, DType::F32)
}
