//! What a step minimises.

use crate::slicing_while_training::logits_moved;
use crate::{Error, LossScale};
use dress_core::burn::tensor::{Int, Tensor};
use dress_core::{Calibration, CausalLm, Forward, Tap};

/// Blocks that go through the model together.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// Their places in the calibration set, blocks that are held out counted.
    pub indices: &'a [usize],
    /// Their tokens. `[batch, seq]`
    pub tokens: Tensor<2, Int>,
}

/// The loss of one batch, each term `[1]`.
#[derive(Debug, Clone)]
pub struct ObjectiveLoss {
    /// What is minimised, on the autodiff graph.
    pub total: Tensor<1>,
    /// The mean next-token loss, in nats, for the curve.
    pub language_modelling: Tensor<1>,
    /// How far the model is from its teacher, where it has one, for the curve.
    pub distillation: Option<Tensor<1>>,
}

/// What a step minimises, of the data alone; what the weights are to be is a
/// [`Regularization`](crate::Regularization)'s.
pub trait Objective<M: CausalLm>: Sync {
    /// The loss of `batch`; every [`Site`](dress_core::Site) passes `tap`, which may be a gate. By default
    /// [`Objective::loss_of_stream`] behind the last layer.
    ///
    /// # Errors
    /// Where a teacher's outputs cannot be had.
    fn loss(&self, model: &M, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<ObjectiveLoss, Error> {
        let stream = model.hidden(batch.tokens.clone(), &mut Forward::new(tap));
        self.loss_of_stream(model, batch, stream, tap)
    }

    /// The same of a stream that has been through the layers already, where that is all that counts:
    /// [`GradientCheckpointing::Layers`](crate::GradientCheckpointing::Layers) needs it.
    ///
    /// # Shapes
    /// - `stream`: `[batch, seq, hidden_size]`
    ///
    /// # Errors
    /// Those of [`Objective::loss`], and [`Error::NotByLayers`] by default.
    fn loss_of_stream(
        &self,
        model: &M,
        batch: &Batch<'_>,
        stream: Tensor<3>,
        tap: &mut dyn Tap,
    ) -> Result<ObjectiveLoss, Error> {
        let _ = (model, batch, stream, tap);
        Err(Error::NotByLayers("this objective"))
    }

    /// What is watched on blocks that are held out, where training is to stop early: by default the mean
    /// next-token loss. `[1]`
    ///
    /// # Errors
    /// Those of [`Objective::loss`].
    fn held_out(&self, model: &M, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<Tensor<1>, Error> {
        Ok(model.next_token_loss(batch.tokens.clone(), &mut Forward::new(tap)))
    }

    /// By what it is told that training has made `model` worse than one that has learnt nothing: by default
    /// the loss of a model for which all tokens are alike.
    fn scale(&self, model: &M) -> LossScale {
        LossScale::of_tokens(model.vocab_size())
    }

    /// How far slicing `before` to `after` moved what counts, as a share of its norm: by default the logits
    /// of the first block of `data`.
    ///
    /// # Errors
    /// Those of [`Objective::loss`].
    fn moved(&self, before: &M, after: &M, data: &Calibration) -> Result<f64, Error> {
        Ok(logits_moved(before, after, &data.blocks[0]))
    }
}

/// The next-token loss alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct LanguageModelling;

impl<M: CausalLm> Objective<M> for LanguageModelling {
    fn loss_of_stream(
        &self,
        model: &M,
        batch: &Batch<'_>,
        stream: Tensor<3>,
        tap: &mut dyn Tap,
    ) -> Result<ObjectiveLoss, Error> {
        let total = model.loss_of_hidden(stream, batch.tokens.clone(), &mut Forward::new(tap));
        Ok(ObjectiveLoss { language_modelling: total.clone().detach(), total, distillation: None })
    }
}
