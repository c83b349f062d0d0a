//! The gate of LLaMA's feed-forward network.

use crate::fused::{Fused, Inputs, apply, dims, numbers, tensor};
use crate::vector::{TASK, sigmoid, vectorized};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `silu(gate) * up` (SwiGLU, arXiv 2002.05202), in one pass.
///
/// # Shapes
/// - `gate`, `up`: `[batch, seq, width]`, returned likewise
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use dress_kernels::gated_silu;
///
/// let device = Device::flex();
/// let (gate, up) = (Tensor::<3>::zeros([1, 2, 4], &device), Tensor::<3>::ones([1, 2, 4], &device));
/// let gated = gated_silu(&gate, &up).expect("numbers in f32 on a CPU");
/// assert_eq!(gated.sum().into_scalar::<f32>(), 0.0);
/// ```
pub fn gated_silu(gate: &Tensor<3>, up: &Tensor<3>) -> Option<Tensor<3>> {
    let inputs = Inputs::new([gate.clone().into_dispatch(), up.clone().into_dispatch()])?;
    Some(apply(GatedSilu, inputs))
}

#[derive(Debug)]
struct GatedSilu;

impl Fused<2> for GatedSilu {
    type State = [FlexTensor; 2];

    fn forward(&self, inputs: [FlexTensor; 2], _tracked: bool) -> (FlexTensor, Self::State) {
        let inputs = inputs.map(|input| input.to_contiguous());
        let [gate, up] = inputs.each_ref().map(numbers);
        let mut out = vec![0.0; gate.len()];
        let tasks = (out.par_chunks_mut(TASK), gate.par_chunks(TASK), up.par_chunks(TASK));
        tasks.into_par_iter().for_each(|(out, gate, up)| {
            vectorized(
                #[inline(always)]
                || {
                    for ((out, &gate), up) in out.iter_mut().zip(gate).zip(up) {
                        *out = gate * sigmoid(gate) * up;
                    }
                },
            );
        });
        (tensor(out, dims::<3>(&inputs[0])), inputs)
    }

    fn gradients(
        &self,
        inputs: Self::State,
        output: FlexTensor,
        _wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let output = output.to_contiguous();
        let shape: [usize; 3] = dims(&output);
        let [gate, up] = inputs.each_ref().map(numbers);
        let (mut of_gate, mut of_up) = (vec![0.0; gate.len()], vec![0.0; gate.len()]);
        let results = (of_gate.par_chunks_mut(TASK), of_up.par_chunks_mut(TASK));
        let tasks = (results.0, results.1, gate.par_chunks(TASK), up.par_chunks(TASK));
        let tasks = tasks.into_par_iter().zip(numbers(&output).par_chunks(TASK));
        tasks.for_each(|((of_gate, of_up, gate, up), output)| {
            vectorized(
                #[inline(always)]
                || {
                    let len = of_gate.len();
                    let (of_up, gate, up, output) =
                        (&mut of_up[..len], &gate[..len], &up[..len], &output[..len]);
                    for i in 0..len {
                        let share = sigmoid(gate[i]);
                        let silu = gate[i] * share;
                        of_gate[i] = output[i] * up[i] * (share + silu * (1.0 - share));
                        of_up[i] = output[i] * silu;
                    }
                },
            );
        });
        [Some(tensor(of_gate, shape)), Some(tensor(of_up, shape))]
    }
}
