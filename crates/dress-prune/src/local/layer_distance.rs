//! How far a layer is from the dense one.

use super::Streams;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Calibration, CausalLm, Forward, NoTap, Tap};
use dress_train::{Batch, Error, LossScale, Objective, ObjectiveLoss};

/// How far what a layer adds to the stream is from what the dense layer adds to it: the mean over tokens of the squared
/// distance over the square of what the dense layer adds, to which the geometric mean of the squares of the block's tokens is
/// added. So the few tokens with massive activations do not rule, and neither do those to which a layer adds next to nothing.
pub(super) struct LayerDistance<'a, M> {
    pub dense: &'a M,
    /// The stream before the layer, of each calibration block.
    pub inputs: &'a Streams,
}

impl<M: CausalLm> LayerDistance<'_, M> {
    /// The stream before the layer, of some blocks. `[batch, seq, hidden_size]`
    fn input(&self, indices: &[usize]) -> Result<Tensor<3>, Error> {
        let blocks = indices.iter().map(|&index| self.inputs.block(index));
        Ok(Tensor::cat(blocks.collect::<Result<_, _>>()?, 0))
    }
}

impl<M: CausalLm> Objective<M> for LayerDistance<'_, M> {
    fn loss(&self, model: &M, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<ObjectiveLoss, Error> {
        let input = self.input(batch.indices)?;
        let wanted = after(self.dense, input.clone(), &mut NoTap);
        let size = squares(wide(wanted.clone()) - wide(input.clone()));
        let usual = (size.clone() + f64::from(f32::MIN_POSITIVE)).log().mean_dim(1).exp();
        let size = size.clone() + usual.expand(size.dims());
        let like = |value: Tensor<3>| match model.device().gradient_checkpointing_strategy() {
            Some(strategy) => value.autodiff().with_gradient_checkpointing_strategy(strategy),
            None => value,
        };
        let found = after(model, like(input), tap);
        let total = (squares(wide(found) - wide(like(wanted))) / like(size)).mean();
        Ok(ObjectiveLoss { language_modelling: total.clone().detach(), total, distillation: None })
    }

    fn held_out(&self, model: &M, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<Tensor<1>, Error> {
        Ok(self.loss(model, batch, tap)?.total)
    }

    /// No token of a layer that adds nothing is more than 1 away.
    fn scale(&self, _model: &M) -> LossScale {
        LossScale { nothing: 1.0, above_start: 0.5 }
    }

    /// Of what the layer adds to the first block.
    fn moved(&self, before: &M, sliced: &M, _data: &Calibration) -> Result<f64, Error> {
        let input = self.input(&[0])?;
        let added = |model: &M| wide(after(model, input.clone(), &mut NoTap)) - wide(input.clone());
        let size = |value: Tensor<3>| f64::from(squares(value).sum().into_scalar::<f32>());
        let (before, sliced) = (added(before), added(sliced));
        Ok((size(sliced - before.clone()) / size(before).max(f64::MIN_POSITIVE)).sqrt())
    }
}

fn after<M: CausalLm>(model: &M, input: Tensor<3>, tap: &mut dyn Tap) -> Tensor<3> {
    model.layer(0, input, &mut Forward::new(tap))
}

fn wide(value: Tensor<3>) -> Tensor<3> {
    value.cast(DType::F32)
}

/// Summed over the channels. `[batch, seq, 1]`
fn squares(value: Tensor<3>) -> Tensor<3> {
    value.clone().mul(value).sum_dim(2)
}
