//! A pass that keeps one stream a layer and computes each layer again on the way back.

use crate::step_objective::StepObjective;
use crate::{Batch, Error, ObjectiveLoss, StepInfo};
use dress_core::burn::optim::{GradientsAccumulator, GradientsParams};
use dress_core::burn::tensor::{Gradients, Tensor};
use dress_core::{CausalLm, Forward, Part, Tap};

/// A pass of one batch. Each part is a graph of its own, so that the model is seen, and what it draws is
/// drawn, anew and alike every time.
pub(crate) struct ByLayers<'a, M: CausalLm> {
    pub step: &'a StepObjective<'a, M>,
    pub model: &'a M,
    pub info: &'a StepInfo,
    /// How much of the step's objective it is.
    pub weight: f64,
}

impl<M: CausalLm> ByLayers<'_, M> {
    /// The loss of a batch, off the graph, and `weight` times its gradients.
    ///
    /// # Errors
    /// [`Error::NotByLayers`] where activations count that are not the last stream's.
    pub fn gradients(&self, batch: &Batch<'_>) -> Result<(ObjectiveLoss, GradientsParams), Error> {
        let layers = self.model.num_layers();
        let embed =
            |model: &M, tap: &mut dyn Tap| model.embed_tapped(batch.tokens.clone(), &mut Forward::new(tap));
        let through = |layer: usize, stream: Tensor<3>| {
            move |model: &M, tap: &mut dyn Tap| model.layer_tapped(layer, stream, &mut Forward::new(tap))
        };
        let mut streams = vec![self.part(Part::Embedding, embed)?.detach()];
        for layer in 0..layers {
            let after = self.part(Part::Layer(layer), through(layer, streams[layer].clone()))?;
            streams.push(after.detach());
        }

        let mut accumulator = GradientsAccumulator::new();
        let mut keep = |gradients: Gradients| {
            accumulator.accumulate(self.model, GradientsParams::from_grads(gradients, self.model));
        };
        let mut take = || streams.pop().unwrap_or_else(|| unreachable!("one stream a part")).require_grad();
        let stream = take();
        let loss = self.part(Part::Head, |model, tap| {
            self.step.objective.loss_of_stream(model, batch, stream.clone(), tap)
        })??;
        let mut gradients = (loss.total.clone() * self.weight).backward();
        let mut slope = slope_of(&stream, &mut gradients);
        keep(gradients);
        for layer in (0..layers).rev() {
            let stream = take();
            let after = self.part(Part::Layer(layer), through(layer, stream.clone()))?;
            let mut gradients = (after * slope).sum().backward();
            slope = slope_of(&stream, &mut gradients);
            keep(gradients);
        }
        let embedded = self.part(Part::Embedding, embed)?;
        if embedded.is_tracked() {
            keep((embedded * slope).sum().backward());
        }
        let loss = ObjectiveLoss { total: loss.total.detach(), ..loss };
        Ok((loss, accumulator.grads()))
    }

    /// What `run` makes of the model as this part sees it.
    fn part<R>(&self, part: Part, run: impl FnOnce(&M, &mut dyn Tap) -> R) -> Result<R, Error> {
        let number = match part {
            Part::Embedding => 0,
            Part::Layer(layer) => layer as u64 + 1,
            Part::Head => self.model.num_layers() as u64 + 1,
        };
        self.model.device().seed(self.step.seed.wrapping_add(number));
        match self.step.seen(self.model, self.info, run) {
            (result, None) => Ok(result),
            (_, Some(_)) => Err(Error::NotByLayers("a penalty on activations")),
        }
    }
}

/// The gradient of a stream, on its device.
fn slope_of(stream: &Tensor<3>, gradients: &mut Gradients) -> Tensor<3> {
    let slope = stream.grad_remove(gradients);
    slope.unwrap_or_else(|| unreachable!("the loss depends on every stream")).autodiff()
}
