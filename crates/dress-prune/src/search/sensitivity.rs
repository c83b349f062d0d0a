//! What each layer's neurons and heads are worth: the loss that is measured as they go and the rest is refitted.

use super::removal::{Removal, removal};
use crate::Error;
use crate::projection::{Projection, Write};
use crate::ridge::DAMPING;
use crate::site_moments::{SiteMoments, embedded};
use dress_core::burn::tensor::Tensor;
use dress_core::{
    Axis, AxisSlots, Calibration, CausalLm, CouplingMap, Forward, NoTap, Progress, Role, Site, Slot, Tap,
    Unit, parameters,
};
use faer::Mat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The loss where so many structures of one axis are gone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeasuredLoss {
    /// Structures that are gone.
    pub removed: usize,
    /// The loss less the reference's, in nats a token: below zero where fewer are gone than there.
    pub added: f64,
}

/// What is known of one axis of a model in which all other axes are as in a reference.
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
    /// The loss, measured at some sizes, the least removed first.
    pub measured: Vec<MeasuredLoss>,
}

impl Sensitivity {
    /// The loss where `removed` structures are gone, less the reference's: what was measured, and between two measurements in
    /// proportion to the error of what reads the axis. It never falls as more go.
    pub fn loss(&self, removed: usize) -> f64 {
        let error = |removed: usize| if removed == 0 { 0.0 } else { self.errors[removed - 1] };
        let Some(first) = self.measured.first() else { return 0.0 };
        let mut before = *first;
        let mut at = before.added;
        for next in &self.measured[1..] {
            let added = next.added.max(before.added);
            let (from, to) = (error(before.removed), error(next.removed));
            if to > from {
                at = before.added + (added - before.added) * (error(removed) - from) / (to - from);
            }
            if removed <= next.removed {
                break;
            }
            before = MeasuredLoss { added, ..*next };
        }
        at
    }

    /// The least and the most that were measured, between which [`Sensitivity::loss`] says what was seen.
    pub fn range(&self) -> (usize, usize) {
        let of = |measured: Option<&MeasuredLoss>| measured.map_or(0, |measured| measured.removed);
        (of(self.measured.first()), of(self.measured.last()))
    }
}

/// How many structures of each axis are gone where it is measured, in order.
pub(crate) type Sizes = BTreeMap<Axis, Vec<usize>>;

/// What the measurements of all axes need.
pub(crate) struct Measuring<'a, M> {
    /// The model as it was given.
    pub dense: &'a M,
    /// The model whose streams everything is fitted to and measured in: one in which what goes is zero and the rest is refitted, or the
    /// dense one.
    pub reference: &'a M,
    /// Blocks that the refitting looks at.
    pub fitted: &'a Calibration,
    /// Blocks that the loss is measured on.
    pub held_back: &'a Calibration,
    pub sizes: &'a Sizes,
    /// Whether losses are measured at those sizes, or the structures are only put in order.
    pub losses: bool,
}

impl<M: CausalLm> Measuring<'_, M> {
    /// The reference's loss in nats a token, and every axis's sensitivity in it. What lies before a layer is computed once for all that
    /// is measured in it.
    pub fn run(&self, progress: &dyn Progress) -> Result<(f64, Vec<Sensitivity>), Error> {
        let (map, model) = (self.dense.coupling(), self.reference);
        let (mut fitted, mut held_back) = (embedded(model, self.fitted), embedded(model, self.held_back));
        let whole = self.loss_from(model, 0, &held_back);
        let layers = model.num_layers();
        let stage = progress.begin("sensitivity", Unit::Layers, layers as u64);
        let mut found = Vec::new();
        for layer in 0..layers {
            let axes = self.sizes.keys().copied().filter(|axis| axis.layer() == Some(layer));
            let mut readers = axes.map(|axis| Reader::of(&map, axis)).collect::<Result<Vec<_>, Error>>()?;
            let mut tap = Taps(readers.iter_mut().map(|reader| &mut reader.moments).collect());
            fitted = through(model, layer, fitted, &mut tap);
            for reader in &readers {
                found.push(self.sensitivity(reader, layer, &held_back, whole)?);
            }
            held_back = through(model, layer, held_back, &mut NoTap);
            stage.advance(1)?;
        }
        Ok((whole, found))
    }

    fn sensitivity(
        &self,
        reader: &Reader,
        layer: usize,
        streams: &[Tensor<3>],
        whole: f64,
    ) -> Result<Sensitivity, Error> {
        let sizes = &self.sizes[&reader.axis];
        let projection = Projection::read(self.dense, &reader.slot);
        let Removal { order, errors, weights } = reader.removal(&projection, sizes)?;
        let mut measured = Vec::new();
        if !self.losses {
            return Ok(Sensitivity {
                axis: reader.axis,
                structures: reader.slots.len,
                order,
                errors,
                measured,
            });
        }
        if sizes.contains(&0) {
            let added = self.loss_with(reader, &projection, layer, streams) - whole;
            measured.push(MeasuredLoss { removed: 0, added });
        }
        for (removed, weight) in weights {
            let bias =
                projection.bias.clone().map(|bias| reader.refitted_bias(bias, &projection.weight, &weight));
            let added = self.loss_with(reader, &Projection { weight, bias }, layer, streams) - whole;
            measured.push(MeasuredLoss { removed, added });
        }
        Ok(Sensitivity { axis: reader.axis, structures: reader.slots.len, order, errors, measured })
    }

    /// The reference's loss with another projection behind one axis.
    fn loss_with(
        &self,
        reader: &Reader,
        projection: &Projection,
        layer: usize,
        streams: &[Tensor<3>],
    ) -> f64 {
        let write = &mut Write { projection, slot: &reader.slot };
        self.loss_from(&parameters::map(self.reference.clone(), write), layer, streams)
    }

    /// The loss on the blocks held back, of streams that are at `layer`.
    pub fn loss_from(&self, model: &M, layer: usize, streams: &[Tensor<3>]) -> f64 {
        let mut sum = 0.0;
        for (stream, block) in streams.iter().zip(&self.held_back.blocks) {
            let (mut tap, tokens) =
                (NoTap, Calibration::tensor(std::slice::from_ref(block), &model.device()));
            let mut pass = Forward::new(&mut tap);
            let after = (layer..model.num_layers())
                .fold(stream.clone(), |hidden, at| model.layer(at, hidden, &mut pass));
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
    streams.into_iter().map(|stream| model.layer(layer, stream, &mut Forward::new(tap))).collect()
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

    fn removal(&self, projection: &Projection, sizes: &[usize]) -> Result<Removal, Error> {
        let (channels, centred) = (projection.weight.nrows(), projection.bias.is_some());
        let diagonal =
            (0..channels).map(|i| self.moments.second(i, i, centred)).sum::<f64>() / channels as f64;
        let damping = (DAMPING * diagonal).max(f64::MIN_POSITIVE);
        let moments = Mat::from_fn(channels, channels, |i, j| {
            let both = self.moments.second(i, j, centred) + self.moments.second(j, i, centred);
            0.5 * both + if i == j { damping } else { 0.0 }
        });
        removal(projection.weight.clone(), &moments, self.slot.block, sizes, &self.slot.parameter)
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
        let measured =
            [(0, -0.2), (2, 0.1), (4, 0.7)].map(|(removed, added)| MeasuredLoss { removed, added }).into();
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
        for (removed, expected) in [(0, -0.2), (1, -0.05), (2, 0.1), (3, 0.2), (4, 0.7), (5, 1.9)] {
            close(removed, expected);
        }
        assert_eq!(seen.range(), (0, 4));
    }
}
