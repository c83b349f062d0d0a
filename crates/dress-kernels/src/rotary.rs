//! Rotary position embedding.

use crate::fused::{Fused, Inputs, apply, numbers};
use crate::heads::{Heads, interleaved};
use crate::vector::{TASK, vectorized};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Rotates dimension `i` with dimension `i + dims / 2` by the angles of its position (RoFormer, arXiv
/// 2104.09864); dimensions beyond those of the tables stay as they are.
///
/// # Shapes
/// - `states`: `[batch, heads, seq, head_dim]`, returned likewise
/// - `cos`, `sin`: `[seq, dims / 2]`, `dims <= head_dim`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use dress_kernels::rotate_half;
///
/// let device = Device::flex();
/// let states = Tensor::<4>::ones([1, 1, 1, 4], &device);
/// // A quarter of a turn: the first half becomes the second's negative, and the second the first.
/// let tables = [Tensor::<2>::zeros([1, 2], &device), Tensor::<2>::ones([1, 2], &device)];
/// let turned = rotate_half(&states, &tables).expect("numbers in f32 on a CPU");
/// assert_eq!(turned.sum().into_scalar::<f32>(), 0.0);
/// ```
pub fn rotate_half(states: &Tensor<4>, [cos, sin]: &[Tensor<2>; 2]) -> Option<Tensor<4>> {
    let inputs = [states.clone().into_dispatch(), cos.clone().into_dispatch(), sin.clone().into_dispatch()];
    Some(apply(RotateHalf, Inputs::new(inputs)?))
}

#[derive(Debug)]
struct RotateHalf;

impl Fused<3> for RotateHalf {
    type State = [FlexTensor; 2];

    fn forward(&self, [states, cos, sin]: [FlexTensor; 3], _tracked: bool) -> (FlexTensor, Self::State) {
        let tables = [cos.to_contiguous(), sin.to_contiguous()];
        (rotate(states, &tables, 1.0), tables)
    }

    fn gradients(
        &self,
        tables: Self::State,
        output: FlexTensor,
        _wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        [Some(rotate(output, &tables, -1.0)), None, None]
    }
}

/// The rotation, or with a `direction` of -1 the rotation back, which is its gradient.
fn rotate(states: FlexTensor, tables: &[FlexTensor; 2], direction: f32) -> FlexTensor {
    let states = Heads::new(states);
    let [_, heads, seq, width] = states.dims();
    let half = tables[0].layout().shape()[1];
    let [cos, sin] = tables.each_ref().map(numbers);
    let row = heads * width;
    let mut out = vec![0.0; states.batch * seq * row];
    let rows = (TASK / row).max(1);
    out.par_chunks_mut(rows * row).enumerate().for_each(|(task, out)| {
        for (index, out) in out.chunks_exact_mut(row).enumerate() {
            let index = task * rows + index;
            let (batch, position) = (index / seq, index % seq);
            let angles = position * half..(position + 1) * half;
            let (cos, sin) = (&cos[angles.clone()], &sin[angles]);
            for (head, out) in out.chunks_exact_mut(width).enumerate() {
                let state = states.row(batch, head, position);
                vectorized(
                    #[inline(always)]
                    || rotate_row(out, state, cos, sin, direction),
                );
            }
        }
    });
    interleaved(out, states.dims())
}

#[inline(always)]
fn rotate_row(out: &mut [f32], state: &[f32], cos: &[f32], sin: &[f32], direction: f32) {
    let half = cos.len();
    let (first, second) = state.split_at(half);
    let (out_first, out_second) = out.split_at_mut(half);
    let (rotated, rest) = out_second.split_at_mut(half);
    rest.copy_from_slice(&second[half..]);
    let (first, second, sin) = (&first[..half], &second[..half], &sin[..half]);
    for i in 0..half {
        let sin = direction * sin[i];
        out_first[i] = first[i] * cos[i] - second[i] * sin;
        rotated[i] = second[i] * cos[i] + first[i] * sin;
    }
}
