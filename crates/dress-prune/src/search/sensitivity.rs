//! What each layer's neurons and heads are worth: the loss that is measured as they go and the rest is refitted.

use super::removal::{Removal, removal};
use crate::Error;
use crate::compensate::{DAMPING, Projection, SiteMoments, Write, embedded};
use dress_core::burn::tensor::Tensor;
use dress_core::{
    Axis, AxisSlots, Calibration, CausalLm, CouplingMap, Forward, NoTap, Progress, Role, Site, Slot, Tap,
    parameters,
};
use faer::Mat;
use serde::{Deserialize, Serialize};

/// How much loss an axis adds where so many of its structures are gone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeasuredLoss {
    /// Structures that are gone.
    pub removed: usize,
    /// The loss less the whole model's, in nats a token.
    pub added: f64,
}

/// What is known of one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// The axis.
    pub axis: Axis,
    /// Its structures.
    pub structures: usize,
    /// The structures in the order in which they go, as many as may.
    pub order: Vec<usize>,
    /// The error's energy of what reads the axis over its output's, after each of them went and the rest was refitted.
    pub errors: Vec<f64>,
    /// The loss, measured at some sizes.
    pub measured: Vec<MeasuredLoss>,
}

impl Sensitivity {
    /// The loss added where `removed` structures are gone: what was measured, and between two measurements in proportion to the
    /// error of what reads the axis. It never falls as more go.
    pub fn loss(&self, removed: usize) -> f64 {
        let error = |removed: usize| if removed == 0 { 0.0 } else { self.errors[removed - 1] };
        let (mut before, mut at) = ((0, 0.0), 0.0);
        for &MeasuredLoss { removed: count, added } in &self.measured {
            let next = (count, added.max(before.1));
            let (from, to) = (error(before.0), error(next.0));
            at = if to > from {
                before.1 + (next.1 - before.1) * (error(removed) - from) / (to - from)
            } else {
                next.1
            };
            if removed <= count {
                break;
            }
            before = next;
        }
        at.max(0.0)
    }
}

/// Shares of an axis at which the loss is measured.
const SHARES: [f64; 4] = [0.25, 0.5, 0.75, 0.9];

/// What the measurements of all axes need.
pub(crate) struct Measuring<'a, M> {
    pub model: &'a M,
    /// Blocks that the refitting looks at.
    pub fitted: &'a Calibration,
    /// Blocks that the loss is measured on.
    pub held_back: &'a Calibration,
    pub axes: &'a [Axis],
}

impl<M: CausalLm> Measuring<'_, M> {
    /// The whole model's loss in nats a token, and every axis's sensitivity. What lies before a layer is computed once for all that is
    /// measured in it.
    pub fn run(&self, progress: &dyn Progress) -> Result<(f64, Vec<Sensitivity>), Error> {
        let map = self.model.coupling();
        let (mut fitted, mut held_back) =
            (embedded(self.model, self.fitted), embedded(self.model, self.held_back));
        let whole = self.loss_from(self.model, 0, &held_back);
        let layers = self.model.num_blocks();
        progress.start("sensitivity", layers as u64);
        let mut found = Vec::new();
        for layer in 0..layers {
            let axes = self.axes.iter().copied().filter(|axis| axis.layer() == Some(layer));
            let mut readers = axes.map(|axis| Reader::of(&map, axis)).collect::<Result<Vec<_>, Error>>()?;
            let mut tap = Taps(readers.iter_mut().map(|reader| &mut reader.moments).collect());
            fitted = through(self.model, layer, fitted, &mut tap);
            for reader in &readers {
                found.push(self.sensitivity(reader, layer, &held_back, whole)?);
            }
            held_back = through(self.model, layer, held_back, &mut NoTap);
            progress.advance(1, "");
        }
        progress.finish();
        Ok((whole, found))
    }

    fn sensitivity(
        &self,
        reader: &Reader,
        layer: usize,
        streams: &[Tensor<3>],
        whole: f64,
    ) -> Result<Sensitivity, Error> {
        let projection = Projection::read(self.model, &reader.slot);
        let Removal { order, errors, weights } = reader.removal(&projection)?;
        let mut measured = Vec::new();
        for (removed, weight) in weights {
            let bias =
                projection.bias.clone().map(|bias| reader.refitted_bias(bias, &projection.weight, &weight));
            let refitted = Projection { weight, bias };
            let write = &mut Write { projection: &refitted, slot: &reader.slot };
            let candidate = parameters::map(self.model.clone(), write);
            measured
                .push(MeasuredLoss { removed, added: self.loss_from(&candidate, layer, streams) - whole });
        }
        Ok(Sensitivity { axis: reader.axis, structures: reader.slots.len, order, errors, measured })
    }

    /// The loss on the blocks held back, of streams that are at `layer`.
    fn loss_from(&self, model: &M, layer: usize, streams: &[Tensor<3>]) -> f64 {
        let mut sum = 0.0;
        for (stream, block) in streams.iter().zip(&self.held_back.blocks) {
            let (mut tap, tokens) =
                (NoTap, Calibration::tensor(std::slice::from_ref(block), &model.device()));
            let mut pass = Forward::new(&mut tap);
            let after = (layer..model.num_blocks())
                .fold(stream.clone(), |hidden, at| model.block(at, hidden, &mut pass));
            sum += f64::from(model.loss_of_hidden(after, tokens, &mut pass).into_scalar::<f32>());
        }
        sum / self.held_back.blocks.len() as f64
    }
}

fn through<M: CausalLm>(
    model: &M,
    layer: usize,
    streams: Vec<Tensor<3>>,
    tap: &mut dyn Tap,
) -> Vec<Tensor<3>> {
    streams.into_iter().map(|stream| model.block(layer, stream, &mut Forward::new(tap))).collect()
}

/// What reads one axis, and what it was seen to read.
struct Reader {
    axis: Axis,
    slots: AxisSlots,
    slot: Slot,
    moments: SiteMoments,
}

impl Reader {
    fn of(map: &CouplingMap, axis: Axis) -> Result<Self, Error> {
        let slots = map.axis(axis)?.clone();
        let found = slots.slots.iter().find(|slot| slot.role == Role::Reads && slot.site.is_some());
        let (slot, site) = found
            .and_then(|slot| Some((slot.clone(), slot.site?)))
            .ok_or_else(|| Error::NotSearchable { axis: axis.to_string() })?;
        Ok(Self { axis, slots, slot, moments: SiteMoments::new(site) })
    }

    fn removal(&self, projection: &Projection) -> Result<Removal, Error> {
        let (channels, centred) = (projection.weight.nrows(), projection.bias.is_some());
        let diagonal =
            (0..channels).map(|i| self.moments.second(i, i, centred)).sum::<f64>() / channels as f64;
        let damping = (DAMPING * diagonal).max(f64::MIN_POSITIVE);
        let moments = Mat::from_fn(channels, channels, |i, j| {
            let both = self.moments.second(i, j, centred) + self.moments.second(j, i, centred);
            0.5 * both + if i == j { damping } else { 0.0 }
        });
        removal(projection.weight.clone(), &moments, self.slot.block, &self.counts(), &self.slot.parameter)
    }

    /// How many structures are gone where the loss is measured: at a few shares, or all but one where there are few.
    fn counts(&self) -> Vec<usize> {
        let structures = self.slots.len;
        if structures <= SHARES.len() + 1 {
            return (1..structures).collect();
        }
        let mut counts: Vec<usize> = SHARES
            .iter()
            .map(|share| ((share * structures as f64) as usize).clamp(1, structures - 1))
            .collect();
        counts.dedup();
        counts
    }

    /// The bias that keeps the outputs' mean.
    fn refitted_bias(&self, mut bias: Vec<f64>, before: &Mat<f64>, after: &Mat<f64>) -> Vec<f64> {
        for (output, bias) in bias.iter_mut().enumerate() {
            let moved =
                |channel| self.moments.mean(channel) * (before[(channel, output)] - after[(channel, output)]);
            *bias += (0..before.nrows()).map(moved).sum::<f64>();
        }
        bias
    }
}

/// Several taps of one pass.
struct Taps<'a>(Vec<&'a mut SiteMoments>);

impl Tap for Taps<'_> {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        self.0.iter_mut().fold(value, |value, tap| tap.pass(site, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_measurements_the_loss_follows_the_error() {
        let measured = [(2, 0.1), (4, 0.7)].map(|(removed, added)| MeasuredLoss { removed, added }).into();
        let errors = vec![0.01, 0.02, 0.03, 0.08, 0.2];
        let seen = Sensitivity {
            axis: Axis::Ffn { layer: 0 },
            structures: 6,
            order: (0..5).collect(),
            errors,
            measured,
        };
        let close =
            |removed, expected: f64| assert!((seen.loss(removed) - expected).abs() < 1e-9, "{removed}");
        for (removed, expected) in [(0, 0.0), (1, 0.05), (2, 0.1), (3, 0.2), (4, 0.7), (5, 1.9)] {
            close(removed, expected);
        }
    }
}
