//! AdamW in one pass over weights, gradient and moments.

use crate::fused::{Inputs, numbers};
use crate::vector::{TASK, vectorized};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::optim::{
    AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer,
};
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

/// Burn's AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with the same states, so that records of one
/// can be read by the other, updating weights and moments in place.
///
/// On tensors that are not `f32` on `flex` it is Burn's own.
#[derive(Clone)]
pub struct FusedAdamW {
    plain: AdamW,
    settings: Settings,
}

#[derive(Clone, Copy)]
struct Settings {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    weight_decay: f32,
}

impl FusedAdamW {
    /// An optimizer with these decays of the gradient's mean and mean square, what is added to the root of
    /// the latter, and decoupled weight decay.
    pub fn new([beta_1, beta_2]: [f32; 2], epsilon: f32, weight_decay: f32) -> Self {
        let plain = AdamWConfig::new().with_beta_1(beta_1).with_beta_2(beta_2);
        let plain = plain.with_epsilon(epsilon).with_weight_decay(weight_decay).build();
        Self { plain, settings: Settings { beta_1, beta_2, epsilon, weight_decay } }
    }

    /// The optimizer of a whole module.
    pub fn init(self) -> ModuleOptimizer {
        self.into()
    }
}

impl Optimizer for FusedAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let amsgrad = state.as_ref().is_some_and(|state| state.momentum.max_moment_2.is_some());
        let plain = Inputs::new([weights.clone().into_dispatch(), gradient.clone().into_dispatch()]);
        let Some(Inputs::Plain([mut inner, slopes])) = plain.filter(|_| !amsgrad) else {
            return self.plain.step(rate, weights, gradient, state);
        };
        drop((weights, gradient));
        let shape = inner.layout().shape().clone();
        let (time, moments) = match state {
            Some(AdamWState { momentum: AdaptiveMomentumState { time, moment_1, moment_2, .. } }) => {
                (time + 1, [moment_1, moment_2].map(plain_tensor))
            }
            None => (1, [(), ()].map(|()| FlexTensor::zeros(shape.clone(), inner.dtype()))),
        };
        let [mut first, mut second] = moments;
        let update = Update::new(self.settings, rate, time);
        let slopes = slopes.to_contiguous();
        let tasks = (writable(&mut inner), writable(&mut first), writable(&mut second));
        let tasks =
            (tasks.0.par_chunks_mut(TASK), tasks.1.par_chunks_mut(TASK), tasks.2.par_chunks_mut(TASK));
        tasks.into_par_iter().zip(numbers(&slopes).par_chunks(TASK)).for_each(
            |((weights, first, second), slopes)| {
                vectorized(
                    #[inline(always)]
                    || update.carry_out(weights, first, second, slopes),
                );
            },
        );
        let [weights, moment_1, moment_2] = [inner, first, second].map(Tensor::from_primitive::<Flex>);
        let momentum = AdaptiveMomentumState { time, moment_1, moment_2, max_moment_2: None };
        (weights, Some(AdamWState { momentum }))
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamW::to_device(state, device)
    }
}

/// The tensor itself, without keeping another handle of it.
fn plain_tensor<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match Inputs::new([tensor.into_dispatch()]) {
        Some(Inputs::Plain([tensor])) => tensor,
        _ => unreachable!("moments are where the weights are"),
    }
}

/// The numbers of a tensor, to be overwritten; they are copied where something else holds them.
fn writable(tensor: &mut FlexTensor) -> &mut [f32] {
    if !tensor.is_contiguous() {
        *tensor = tensor.to_contiguous();
    }
    let (start, len) = (tensor.layout().start_offset(), tensor.layout().num_elements());
    &mut tensor.storage_mut()[start..start + len]
}

/// What one step does to every number.
struct Update {
    settings: Settings,
    /// What is left of a weight after its decay.
    kept: f32,
    /// The learning rate over the first moment's correction.
    rate: f32,
    /// One over the second moment's correction.
    correction: f32,
}

impl Update {
    fn new(settings: Settings, rate: LearningRate, time: usize) -> Self {
        let [correction_1, correction_2] =
            [settings.beta_1, settings.beta_2].map(|beta| 1.0 - f64::from(beta).powi(time as i32));
        Self {
            settings,
            kept: (1.0 - rate * f64::from(settings.weight_decay)) as f32,
            rate: (rate / correction_1) as f32,
            correction: (1.0 / correction_2) as f32,
        }
    }

    #[inline(always)]
    fn carry_out(&self, weights: &mut [f32], first: &mut [f32], second: &mut [f32], slopes: &[f32]) {
        let Settings { beta_1, beta_2, epsilon, .. } = self.settings;
        let len = weights.len();
        let (first, second, slopes) = (&mut first[..len], &mut second[..len], &slopes[..len]);
        for i in 0..len {
            let slope = slopes[i];
            first[i] = beta_1 * first[i] + (1.0 - beta_1) * slope;
            second[i] = beta_2 * second[i] + (1.0 - beta_2) * slope * slope;
            let spread = (second[i] * self.correction).sqrt() + epsilon;
            weights[i] = self.kept * weights[i] - self.rate * first[i] / spread;
        }
    }
}
