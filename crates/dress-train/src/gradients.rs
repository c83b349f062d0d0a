//! The gradients of one step.

use crate::batches::blocks_at;
use crate::by_layers::ByLayers;
use crate::step_objective::StepObjective;
use crate::{Batch, Error, GradientCheckpointing, StepInfo};
use dress_core::burn::optim::{GradientsAccumulator, GradientsParams};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Calibration, CausalLm};

/// What a step is taken by.
pub(crate) struct StepGradients {
    pub gradients: GradientsParams,
    /// Mean next-token loss.
    pub loss: f64,
    pub penalty: f64,
    pub distillation: Option<f64>,
    pub tokens: u64,
}

/// The part of a step that one worker does.
struct Share<'a> {
    indices: &'a [usize],
    /// How much of the step's objective it is.
    weight: f64,
}

impl<M: CausalLm> StepObjective<'_, M> {
    /// Over the blocks at `chosen`, a batch at a time.
    pub fn gradients(&self, model: &M, chosen: &[usize], info: &StepInfo) -> Result<StepGradients, Error> {
        let mut accumulator = GradientsAccumulator::new();
        let mut sum = StepGradients::none();
        for indices in chosen.chunks(self.config.batch_size) {
            let mut shares = Vec::new();
            for indices in indices.chunks(indices.len().div_ceil(self.config.workers)) {
                let weight = indices.len() as f64 / chosen.len() as f64;
                shares.push(Share { indices, weight });
            }
            for found in self.in_parallel(model, &shares, info)? {
                sum.add(&found);
                accumulator.accumulate(model, found.gradients);
            }
        }
        let (gradients, on_weights) = self.regularization.penalize(model, accumulator.grads(), info)?;
        sum.penalty += on_weights;
        sum.gradients = self.regularization.gradients(model, gradients);
        Ok(sum)
    }

    /// Every share on a thread of its own, on a copy of the model that is a graph of its own but has the same
    /// weights; in the order of the shares, so that sums come out the same every time.
    fn in_parallel(
        &self,
        model: &M,
        shares: &[Share<'_>],
        info: &StepInfo,
    ) -> Result<Vec<StepGradients>, Error> {
        if let [share] = shares {
            return Ok(vec![self.of_share(model, share, info)?]);
        }
        let copies: Vec<M> = shares.iter().map(|_| model.clone().fork(&model.device())).collect();
        std::thread::scope(|scope| {
            let work = |(copy, share): (M, _)| scope.spawn(move || self.of_share(&copy, share, info));
            let workers: Vec<_> = copies.into_iter().zip(shares).map(work).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| match worker.join() {
                Ok(found) => found,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            workers.into_iter().map(join).collect()
        })
    }

    fn of_share(&self, model: &M, share: &Share<'_>, info: &StepInfo) -> Result<StepGradients, Error> {
        let weight = share.weight;
        let (blocks, tokens) = blocks_at(self.data, share.indices);
        let tensor = Calibration::tensor(&blocks, &model.device());
        let batch = Batch { indices: share.indices, tokens: tensor };
        let mut penalty = 0.0;
        let (found, gradients) = if self.config.gradient_checkpointing == GradientCheckpointing::Layers {
            ByLayers { step: self, model, info, weight }.gradients(&batch)?
        } else {
            let (found, on_activations) =
                self.seen(model, info, |model, tap| self.objective.loss(model, &batch, tap));
            let found = found?;
            let mut total = found.total.clone() * weight;
            if let Some(term) = on_activations {
                penalty += weight * number(&term);
                total = total + term.cast(DType::F32) * weight;
            }
            (found, GradientsParams::from_grads(total.backward(), model))
        };
        Ok(StepGradients {
            loss: weight * number(&found.language_modelling),
            distillation: found.distillation.as_ref().map(|distance| weight * number(distance)),
            penalty,
            tokens,
            gradients,
        })
    }
}

impl StepGradients {
    fn none() -> Self {
        let gradients = GradientsParams::new();
        Self { gradients, loss: 0.0, penalty: 0.0, distillation: None, tokens: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        self.penalty += other.penalty;
        self.tokens += other.tokens;
        if let Some(distance) = other.distillation {
            self.distillation = Some(self.distillation.unwrap_or_default() + distance);
        }
    }
}

fn number(scalar: &Tensor<1>) -> f64 {
    scalar.clone().detach().cast(DType::F32).into_scalar::<f32>().into()
}
