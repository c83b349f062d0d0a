//! How far a layer is from the dense one.

use super::Streams;
use dress_core::burn::tensor::{DType, Int, Tensor, TensorData};
use dress_core::{Axis, Calibration, CausalLm, Forward, NoTap, Selection, Tap};
use dress_train::{Batch, Error, LossScale, Objective, ObjectiveLoss};

/// How far what a layer adds to the stream is from what the dense layer adds to it: the mean over tokens of
/// the squared distance over the square of what the dense layer adds, to which the geometric mean of the
/// squares of the block's tokens is added. So the few tokens with massive activations do not rule, and
/// neither do those to which a layer adds next to nothing.
///
/// Where channels go, the layer reads the stream without them, and what counts is what is added to those that
/// stay.
pub(super) struct LayerDistance<'a, M> {
    pub dense: &'a M,
    /// The stream before the layer, of each calibration block.
    pub inputs: &'a Streams,
    /// What stays of the stream, where something of it goes.
    pub channels: Option<KeptChannels>,
}

/// The channels that stay, of a model that has them first until it is sliced.
pub(super) struct KeptChannels {
    /// Their numbers in the dense stream.
    kept: Tensor<1, Int>,
    width: usize,
    /// What slicing multiplies the stream by.
    factor: f64,
}

impl KeptChannels {
    /// Those that `selection` leaves of the stream of `dense`, where it takes any.
    pub fn of<M: CausalLm>(dense: &M, selection: &Selection) -> Option<Self> {
        let chosen = selection.get(Axis::Residual)?;
        let numbers: Vec<i32> = chosen.kept().into_iter().map(|channel| channel as i32).collect();
        let count = [numbers.len()];
        let kept = Tensor::from_data(TensorData::new(numbers, count), &dense.device());
        Some(Self { kept, width: chosen.len(), factor: dense.stream_factor(selection) })
    }

    fn count(&self) -> usize {
        self.kept.dims()[0]
    }

    /// The kept channels of a dense stream.
    fn of_stream(&self, stream: Tensor<3>) -> Tensor<3> {
        stream.select(2, self.kept.clone())
    }

    /// A stream of the kept channels as a model reads it that is sliced already, or that has the others with
    /// nothing in them.
    fn read(&self, kept: Tensor<3>, sliced: bool) -> Tensor<3> {
        if sliced {
            return if self.factor == 1.0 { kept } else { kept * self.factor };
        }
        let [batch, seq, count] = kept.dims();
        let gone = Tensor::zeros([batch, seq, self.width - count], (&kept.device(), kept.dtype()));
        Tensor::cat(vec![kept, gone], 2)
    }

    /// The kept channels of the stream that such a model writes.
    fn written(&self, stream: Tensor<3>, sliced: bool) -> Tensor<3> {
        match sliced {
            true if self.factor == 1.0 => stream,
            true => stream / self.factor,
            false => stream.narrow(2, 0, self.count()),
        }
    }
}

impl<M: CausalLm> LayerDistance<'_, M> {
    /// The stream before the layer, of some blocks. `[batch, seq, hidden_size]`
    fn input(&self, indices: &[usize]) -> Result<Tensor<3>, Error> {
        let blocks = indices.iter().map(|&index| self.inputs.block(index));
        Ok(Tensor::cat(blocks.collect::<Result<_, _>>()?, 0))
    }

    /// What stays of a dense stream.
    fn kept(&self, stream: Tensor<3>) -> Tensor<3> {
        match &self.channels {
            Some(channels) => channels.of_stream(stream),
            None => stream,
        }
    }

    /// The stream behind the layer of `model`, into which `kept` goes.
    fn through(&self, model: &M, kept: Tensor<3>, tap: &mut dyn Tap) -> Result<Tensor<3>, Error> {
        let Some(channels) = &self.channels else { return Ok(after(model, kept, tap)) };
        let sliced = model.coupling().axis(Axis::Residual)?.len < channels.width;
        let found = after(model, channels.read(kept, sliced), tap);
        Ok(channels.written(found, sliced))
    }
}

impl<M: CausalLm> Objective<M> for LayerDistance<'_, M> {
    fn loss(&self, model: &M, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<ObjectiveLoss, Error> {
        let input = self.input(batch.indices)?;
        let wanted = self.kept(after(self.dense, input.clone(), &mut NoTap));
        let input = self.kept(input);
        let size = squares(wide(wanted.clone()) - wide(input.clone()));
        let usual = (size.clone() + f64::from(f32::MIN_POSITIVE)).log().mean_dim(1).exp();
        let size = size.clone() + usual.expand(size.dims());
        let like = |value: Tensor<3>| match model.device().gradient_checkpointing_strategy() {
            Some(strategy) => value.autodiff().with_gradient_checkpointing_strategy(strategy),
            None => value,
        };
        let found = self.through(model, like(input), tap)?;
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
        let input = self.kept(self.input(&[0])?);
        let added = |model: &M| -> Result<Tensor<3>, Error> {
            Ok(wide(self.through(model, input.clone(), &mut NoTap)?) - wide(input.clone()))
        };
        let size = |value: Tensor<3>| f64::from(squares(value).sum().into_scalar::<f32>());
        let (before, sliced) = (added(before)?, added(sliced)?);
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
