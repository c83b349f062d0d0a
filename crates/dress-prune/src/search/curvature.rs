//! What the loss gains as structures of an axis go, to second order, from one pass forward and back.
//!
//! Let `x` be what a projection reads and `h` the loss's gradient there. Channels `B` go, and what reads the
//! others is refitted: the least error of its outputs has the covariance `W_B' S W_B`, where `S` is what of
//! the second moments of `x_B` the other channels cannot say, `(Q_BB)^-1` with `Q` the inverse of the second
//! moments of all (Optimal Brain Surgeon for several weights at once: Hassibi and Stork 1993). To second
//! order the loss gains half of the mean of `(error . gradient)^2`, where the gradients are of tokens drawn
//! from what the model itself says comes next: their second moments are the loss's curvature (Fisher
//! information), which those of the text's own tokens are not. Taking errors and gradients for independent,
//! as K-FAC (arXiv 1503.05671) does, that is `1/2 tr(S M_BB)` with `M` the second moments of `h`.
//!
//! The second moments have the refit's shrinkage on their diagonal, so that what channels only say together
//! on the calibration blocks counts for less. With it, an order by what is expected holds on other text as
//! well; without it, it fits the calibration text.
//!
//! Nothing is added up over the layers' loss as it is measured, so that no noise of a measurement decides;
//! and a layer whose errors the loss does not feel gives more than one whose errors it does.

use super::gain::{STEPS, Seen, gained, least_first};
use super::measured::positions_at_once;
use crate::projection::has_bias;
use crate::ridge::{SHRINKAGE, least_damping};
use crate::token_moments::TokenMoments;
use crate::{Error, Protected};
use dress_core::burn::tensor::activation::softmax;
use dress_core::burn::tensor::{DType, Int, Tensor};
use dress_core::{
    Axis, Calibration, CausalLm, CouplingMap, Forward, NoTap, Progress, Role, Scores, Site, Tap, Unit,
};
use faer::Mat;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What the loss is expected to gain as the structures of one axis go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// The axis.
    pub axis: Axis,
    /// The structures in the order in which they go.
    pub order: Vec<usize>,
    /// The loss gained, in nats a token, where none of them is gone, the first one, the first two, and so on.
    pub expected: Vec<f64>,
}

impl Sensitivity {
    /// How many structures the axis has.
    pub fn structures(&self) -> usize {
        self.order.len()
    }
}

/// In which order the structures of all axes go.
#[derive(Clone, Copy)]
pub(crate) struct OrderOf<'a> {
    /// The scores that say it, the least first; without them it is that of the least expected loss.
    pub scores: Option<&'a Scores>,
    /// What goes last where there are no scores.
    pub protected: &'a Protected,
}

/// The scores of structures whose order is that of what is expected: the loss that is expected where a
/// structure and all that go before it are gone.
///
/// # Errors
/// Those of [`Scores::insert`].
pub(crate) fn expected_scores(sensitivities: &[Sensitivity]) -> Result<Scores, Error> {
    let mut scores = Scores::new();
    for Sensitivity { axis, order, expected } in sensitivities {
        let mut of_axis = vec![0.0; order.len()];
        for (&structure, expected) in order.iter().zip(&expected[1..]) {
            of_axis[structure] = *expected;
        }
        scores.insert(*axis, of_axis)?;
    }
    Ok(scores)
}

/// Second moments of what one axis's readers read, and of the loss's gradients there.
struct Moments {
    axis: Axis,
    site: Site,
    /// Channels a structure.
    block: usize,
    /// Whether a bias makes up for what is lost of the mean.
    centred: bool,
    activations: TokenMoments,
    gradients: TokenMoments,
}

impl Moments {
    fn of<M: CausalLm>(model: &M, map: &CouplingMap, axis: Axis) -> Result<Self, Error> {
        let slots = &map.axis(axis)?.slots;
        let found = slots.iter().find(|slot| slot.role == Role::Reads && slot.site.is_some());
        let (slot, site) = found
            .and_then(|slot| Some((slot, slot.site?)))
            .ok_or_else(|| Error::NotSearchable { axis: axis.to_string() })?;
        let centred = has_bias(model, slot);
        Ok(Self {
            axis,
            site,
            block: slot.block,
            centred,
            activations: TokenMoments::default(),
            gradients: TokenMoments::default(),
        })
    }

    fn sensitivity(self, structures: usize, order: OrderOf<'_>) -> Result<Sensitivity, Error> {
        let channels = self.activations.width();
        if channels != structures * self.block {
            return Err(Error::NotSearchable { axis: self.axis.to_string() });
        }
        let shrunk = |i, j| {
            let second = self.activations.second(i, j, self.centred);
            // Of a channel that hardly changes, rounding may leave less than nothing.
            if i == j { (1.0 + SHRINKAGE) * second.max(0.0) } else { second }
        };
        let least = least_damping(|i| self.activations.second(i, i, self.centred), channels);
        let seen = Seen {
            activations: Mat::from_fn(channels, channels, |i, j| {
                0.5 * (shrunk(i, j) + shrunk(j, i)) + if i == j { least } else { 0.0 }
            }),
            gradients: Mat::from_fn(channels, channels, |i, j| self.gradients.second(i, j, false)),
            block: self.block,
        };
        let (axis, block) = (self.axis, self.block);
        // As large as the matrices that were made of them.
        drop(self);
        let solved = |reason| Error::Solve { parameter: axis.to_string(), reason };
        let order = match order.scores {
            Some(scores) => {
                let unscored = || Error::NotScored { axis: axis.to_string() };
                let scores = scores.get(axis).ok_or_else(unscored)?;
                let mut order: Vec<usize> = (0..scores.len()).collect();
                // Of equal scores the later structure goes first, as everywhere.
                order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
                order
            }
            None => {
                let last = order.protected.of(axis, structures);
                least_first(&seen, &last, STEPS).map_err(solved)?
            }
        };
        let of_channels = gained(&order, &seen).map_err(solved)?;
        let expected = (0..=order.len()).map(|gone| of_channels[gone * block]).collect();
        Ok(Sensitivity { axis, order, expected })
    }
}

/// Adds a zero to what passes, whose gradient is that of what passes.
struct Listening<'a> {
    moments: &'a mut [Moments],
    zeros: Vec<(usize, Tensor<3>)>,
}

impl Tap for Listening<'_> {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let Some(index) = self.moments.iter().position(|moments| moments.site == site) else {
            return value;
        };
        self.moments[index].activations.add(value.clone());
        let zero = value.zeros_like().without_autodiff().autodiff().require_grad();
        self.zeros.push((index, zero.clone()));
        value + zero
    }
}

/// The sensitivities of `axes`, from one pass forward and back over the blocks.
///
/// # Errors
/// [`Error::NotSearchable`], [`Error::NotScored`] and [`Error::Solve`].
pub(crate) fn sensitivities<M: CausalLm>(
    model: &M,
    axes: &[Axis],
    order: OrderOf<'_>,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<Vec<Sensitivity>, Error> {
    let map = model.coupling();
    let moments = axes.iter().map(|&axis| Moments::of(model, &map, axis));
    let mut moments = moments.collect::<Result<Vec<_>, Error>>()?;
    // Weights need no gradients: those of what passes are enough.
    let model = model.clone().train().no_grad();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let stage = progress.begin("curvature", Unit::Blocks, calibration.blocks.len() as u64);
    for block in &calibration.blocks {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        let mut tap = Listening { moments: &mut moments, zeros: Vec::new() };
        let stream = model.hidden(tokens, &mut Forward::new(&mut tap));
        let zeros = tap.zeros;
        let drawn = drawn_tokens(&model, stream.clone().without_autodiff(), &mut random);
        let loss = model.head_loss(stream, drawn, &mut Forward::new(&mut NoTap));
        // Of the sum of the tokens' losses, not of their mean.
        let gradients = (loss * block.len() as f64).backward();
        for (index, zero) in zeros {
            if let Some(gradient) = zero.grad(&gradients) {
                moments[index].gradients.add(gradient);
            }
        }
        stage.advance(1)?;
    }
    drop(stage);
    let stage = progress.begin("order", Unit::Axes, moments.len() as u64);
    let mut sensitivities = Vec::with_capacity(moments.len());
    // The moments of an axis are as large as its matrices: they go as they are used.
    for moments in moments {
        let structures = map.axis(moments.axis)?.len;
        sensitivities.push(moments.sensitivity(structures, order)?);
        stage.advance(1)?;
    }
    Ok(sensitivities)
}

/// One token for each position of `stream`, the model's behind its last layer, drawn from what the model says
/// comes next.
///
/// # Shapes
/// - `stream`: `[1, seq, hidden_size]`; returns `[1, seq]`
fn drawn_tokens<M: CausalLm>(model: &M, stream: Tensor<3>, random: &mut impl Rng) -> Tensor<2, Int> {
    let (seq, vocabulary) = (stream.dims()[1], model.vocab_size());
    let rows = positions_at_once(vocabulary);
    let drawn = (0..seq).step_by(rows).map(|start| {
        let rows = rows.min(seq - start);
        let logits = model.head(stream.clone().narrow(1, start, rows), &mut Forward::new(&mut NoTap));
        let up_to = softmax(logits.cast(DType::F32), 2).cumsum(2);
        let thresholds: Vec<f32> = (0..rows).map(|_| random.random()).collect();
        let thresholds =
            Tensor::<1>::from_floats(thresholds.as_slice(), &stream.device()).reshape([1, rows, 1]);
        // The last of the sums may be a little less than 1.
        let below = up_to.lower(thresholds.expand([1, rows, vocabulary])).int().sum_dim(2);
        below.reshape([1, rows]).clamp_max(vocabulary as i32 - 1)
    });
    Tensor::cat(drawn.collect(), 1)
}
