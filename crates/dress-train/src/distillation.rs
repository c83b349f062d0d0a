//! Learning from the dense model.

use crate::teacher::{Capture, Taught};
use crate::{Batch, Error, Objective, ObjectiveLoss, Teacher};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{CausalLm, Divergence, Forward, Tap, TaughtLogits};
use serde::{Deserialize, Serialize};

/// `(1 - alpha) L_LM + alpha T^2 KL(p || q) + hidden H`, or with `KL(q || p)` where the divergence is
/// reversed. `p` and `q` are the next-token distributions of teacher and student at temperature `T` (Hinton
/// et al. 2015, arXiv 1503.02531), and `H` is the mean over layers of `|s - t|^2 / |t|^2` over the channels
/// of the residual stream that stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DistillationConfig {
    /// The weight of the teacher's distribution; the text's own tokens have the rest.
    pub alpha: f64,
    /// The temperature.
    pub temperature: f64,
    /// The weight of the residual stream's distance.
    pub hidden: f64,
    /// In which direction distributions are compared.
    #[serde(skip_serializing_if = "Divergence::is_forward")]
    pub divergence: Divergence,
}

impl Default for DistillationConfig {
    fn default() -> Self {
        Self { alpha: 0.5, temperature: 1.0, hidden: 0.0, divergence: Divergence::Forward }
    }
}

impl DistillationConfig {
    /// Checks that the settings make sense.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<(), Error> {
        let expected = "it has to be from 0, all from the text, to 1, all from the teacher";
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(Error::Setting { setting: "distill_alpha", value: self.alpha, expected });
        }
        let expected = "it has to be from 0.01 to 1000, such as 1 or 2";
        if !(0.01..=1000.0).contains(&self.temperature) {
            let value = self.temperature;
            return Err(Error::Setting { setting: "distill_temperature", value, expected });
        }
        if !(0.0..=1e6).contains(&self.hidden) {
            let expected = "it has to be 0 or a positive number up to 1e6";
            return Err(Error::Setting { setting: "distill_hidden", value: self.hidden, expected });
        }
        Ok(())
    }
}

/// The next-token loss with what a teacher says of every token.
#[derive(Debug)]
pub struct Distillation<'a, M> {
    /// The dense model, its channels in the student's order.
    pub teacher: &'a Teacher<M>,
    /// How much it counts.
    pub config: DistillationConfig,
}

impl<M: CausalLm> Objective<M> for Distillation<'_, M> {
    fn loss(&self, model: &M, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<ObjectiveLoss, Error> {
        let hidden = self.config.hidden;
        // First, so that its activations are gone before the student's graph is there.
        let taught = self.teacher.outputs(batch)?;
        let mut capture = Capture::new(tap, hidden > 0.0);
        let stream = model.hidden(batch.tokens.clone(), &mut Forward::new(&mut capture));
        let apart = (hidden > 0.0).then(|| streams_apart(&capture.streams, &taught) * hidden);
        Ok(self.of_head(model, batch, stream, taught.logits, &mut capture, apart))
    }

    fn loss_of_stream(
        &self,
        model: &M,
        batch: &Batch<'_>,
        stream: Tensor<3>,
        tap: &mut dyn Tap,
    ) -> Result<ObjectiveLoss, Error> {
        if self.config.hidden > 0.0 {
            return Err(Error::NotByLayers("the distance to the teacher's residual stream"));
        }
        let taught = self.teacher.outputs(batch)?;
        Ok(self.of_head(model, batch, stream, taught.logits, tap, None))
    }
}

impl<M: CausalLm> Distillation<'_, M> {
    /// The loss of a stream behind the last layer, with how far the streams are apart where that counts.
    fn of_head(
        &self,
        model: &M,
        batch: &Batch<'_>,
        stream: Tensor<3>,
        taught: Tensor<3>,
        tap: &mut dyn Tap,
        apart: Option<Tensor<1>>,
    ) -> ObjectiveLoss {
        let DistillationConfig { alpha, temperature, divergence: direction, .. } = self.config;
        let seq = batch.tokens.dims()[1];
        let (stream, targets) = (stream.narrow(1, 0, seq - 1), batch.tokens.clone().narrow(1, 1, seq - 1));
        let taught = TaughtLogits { logits: taught, alpha, temperature, direction };
        let loss = model.distilled_head_loss(stream, targets, &taught, &mut Forward::new(tap));
        let distance = loss.divergence * (alpha * temperature * temperature);
        let language_modelling = loss.language_modelling;
        match apart {
            Some(apart) => ObjectiveLoss {
                language_modelling,
                distillation: Some(distance + apart.clone().detach()),
                total: loss.total + apart,
            },
            None => ObjectiveLoss { language_modelling, distillation: Some(distance), total: loss.total },
        }
    }
}

/// The mean over layers of the squared distance of two streams over the teacher's square, over the channels
/// that the teacher was told to show, or as many as the student has. A student of no others has been sliced,
/// and the teacher's stream is multiplied as its own was. A student of more layers than the teacher shows
/// still has those that go, whose streams are not compared.
fn streams_apart(students: &[Tensor<3>], taught: &Taught) -> Tensor<1> {
    let is_whole = students.len() > taught.streams.len();
    let student_of = |place: usize| &students[if is_whole { taught.layers[place] } else { place }];
    let distances = taught.streams.iter().enumerate().map(|(place, teacher)| {
        let student = student_of(place);
        let shown = teacher.dims()[2];
        let factor = if student.dims()[2] == shown { taught.stream_factor } else { 1.0 };
        let width = student.dims()[2].min(shown);
        let student = student.clone().narrow(2, 0, width).cast(DType::F32);
        let teacher = teacher.clone().narrow(2, 0, width).cast(DType::F32) * factor;
        let apart = student - teacher.clone();
        (apart.clone() * apart).mean() / (teacher.clone() * teacher).mean().add_scalar(1e-12)
    });
    Tensor::cat(distances.collect(), 0).mean()
}
