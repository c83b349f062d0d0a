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
//! Nothing is added up over the layers' loss as it is measured, so that no noise of a measurement decides;
//! and a layer whose errors the loss does not feel gives more than one whose errors it does.

use super::measured::positions_at_once;
use crate::Error;
use crate::projection::has_bias;
use crate::ridge::least_damping;
use crate::token_moments::TokenMoments;
use dress_core::burn::tensor::activation::softmax;
use dress_core::burn::tensor::{DType, Int, Tensor};
use dress_core::{
    Axis, Calibration, CausalLm, CouplingMap, Forward, NoTap, Progress, Role, Scores, Site, Tap, Unit,
};
use faer::{Mat, Side};
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

    fn sensitivity(&self, scores: &[f64]) -> Result<Sensitivity, Error> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Of equal scores the later structure goes first, as everywhere.
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
        let activations = |i, j| self.activations.second(i, j, self.centred);
        let of_channels = gained(&order, self.block, activations, |i, j| self.gradients.second(i, j, false))
            .map_err(|reason| Error::Solve { parameter: self.axis.to_string(), reason })?;
        let expected = (0..=order.len()).map(|gone| of_channels[gone * self.block]).collect();
        Ok(Sensitivity { axis: self.axis, order, expected })
    }
}

/// `1/2 tr(S M_BB)` of the module's documentation for every set of channels that go together with all before
/// them.
///
/// With the channels in the reverse of the order in which they go, let `C` be the Cholesky factor of their
/// damped second moments. The leading block of `Q` in the order itself is then `L L'` with `L` the inverse of
/// `C'` in reverse, so that the trace is the sum of the last entries of the diagonal of `C' M C`.
fn gained(
    order: &[usize],
    block: usize,
    activations: impl Fn(usize, usize) -> f64,
    gradients: impl Fn(usize, usize) -> f64,
) -> Result<Vec<f64>, String> {
    let reversed: Vec<usize> = order.iter().rev().flat_map(|&s| (s * block..(s + 1) * block).rev()).collect();
    let channels = reversed.len();
    let damping = least_damping(|i| activations(reversed[i], reversed[i]), channels);
    let damped = Mat::from_fn(channels, channels, |i, j| {
        let (a, b) = (reversed[i], reversed[j]);
        0.5 * (activations(a, b) + activations(b, a)) + if i == j { damping } else { 0.0 }
    });
    let solver = damped.llt(Side::Lower).map_err(|error| format!("{error:?}"))?;
    let factor = solver.L();
    let seen = Mat::from_fn(channels, channels, |i, j| gradients(reversed[i], reversed[j]));
    let product = &seen * factor;
    let of_channel = |i: usize| -> f64 { (i..channels).map(|r| factor[(r, i)] * product[(r, i)]).sum() };
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    for channel in (0..channels).rev() {
        sum += 0.5 * of_channel(channel).max(0.0);
        sums.push(sum);
    }
    Ok(sums)
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

/// The sensitivities of `axes`, each of whose structures go in the order of their scores, from one pass
/// forward and back over the blocks.
///
/// # Errors
/// [`Error::NotSearchable`], [`Error::NotScored`] and [`Error::Solve`].
pub(crate) fn sensitivities<M: CausalLm>(
    model: &M,
    axes: &[Axis],
    scores: &Scores,
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
    let of = |moments: &Moments| {
        let scores = scores.get(moments.axis).ok_or(Error::NotScored { axis: moments.axis.to_string() })?;
        moments.sensitivity(scores)
    };
    moments.iter().map(of).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use faer::linalg::solvers::{DenseSolveCore, Solve};

    /// For sets that grow one structure at a time the sums are the traces by their definition.
    #[test]
    fn the_sums_are_the_traces_of_what_the_others_cannot_say() {
        for block in [1, 3] {
            let channels = 6 * block;
            let wave = |token: usize, channel: usize| ((token * (2 * channel + 3)) as f64 * 0.37).sin();
            let second = |shift: usize| {
                Mat::from_fn(channels, channels, |i, j| {
                    (0..50).map(|token| wave(token + shift, i) * wave(token + shift, j)).sum::<f64>() / 50.0
                })
            };
            let (x, h) = (second(0), second(9));
            let order = [4, 0, 5, 2, 1, 3];
            let sums = gained(&order, block, |i, j| x[(i, j)], |i, j| h[(i, j)]).unwrap();
            let added = least_damping(|i| x[(i, i)], channels);
            let damped =
                Mat::from_fn(channels, channels, |i, j| x[(i, j)] + if i == j { added } else { 0.0 });
            let inverse = damped.llt(Side::Lower).unwrap().inverse();
            for gone in 1..=order.len() {
                let channels: Vec<usize> =
                    order[..gone].iter().flat_map(|s| s * block..(s + 1) * block).collect();
                let of = |whole: &Mat<f64>| {
                    Mat::from_fn(channels.len(), channels.len(), |i, j| whole[(channels[i], channels[j])])
                };
                let solved = of(&inverse).llt(Side::Lower).unwrap().solve(of(&h));
                let trace = (0..channels.len()).map(|i| 0.5 * solved[(i, i)]).sum::<f64>();
                let found = sums[gone * block];
                assert!((found - trace).abs() < 1e-6 * trace.abs().max(1.0), "{gone}: {found} {trace}");
            }
        }
    }
}
