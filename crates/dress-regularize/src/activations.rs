//! A penalty on what the selected structures compute.

use crate::removed_layers::RemovedLayers;
use crate::{Error, PenaltyKind};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Axis, CausalLm, Selection, Site, Tap};
use std::collections::HashMap;

/// Added under a root, so that its gradient is zero and not NaN at zero.
const TINY: f64 = 1e-12;

/// Penalises the activations of the selected structures, the mean over the sites they pass: the residual
/// stream as the embeddings and each layer leave it, neurons and heads where the projection behind them takes
/// them in, and of a layer that goes what it adds to the stream.
///
/// Of the activations `a[t, i]` of `n` selected structures over `t` tokens, one site's level is
///
/// | penalty | level |
/// |---|---|
/// | L1 | mean of `abs(a)` |
/// | squared L2 | mean of `a^2` |
/// | group | mean over structures of the root of the mean of `a^2` over tokens |
///
/// and with `relative` that is divided by the same of all structures of the site, as a constant: a share that
/// starts near 1 and does not depend on the size of the model. What a layer adds is one structure, and is
/// divided by the level of the stream in front of the layer.
#[derive(Debug)]
pub struct ActivationPenalty {
    kind: PenaltyKind,
    relative: bool,
    /// Per axis, how many structures there are and how many stay.
    axes: HashMap<Axis, (usize, usize)>,
    /// The layers that go as a whole.
    layers: Vec<usize>,
}

impl ActivationPenalty {
    /// A penalty on the structures that `selection` removes of `model`, which have to be the last of their
    /// axes.
    ///
    /// # Errors
    /// [`Error::NotPermuted`], [`Error::LayerDoesMoreThanAdd`], and those of [`Selection::check`].
    pub fn new<M: CausalLm>(
        model: &M,
        selection: &Selection,
        kind: PenaltyKind,
        relative: bool,
    ) -> Result<Self, Error> {
        let RemovedLayers { numbers: layers, structures, .. } = RemovedLayers::of(model, selection)?;
        let axes =
            structures.iter().map(|(axis, chosen)| (axis, (chosen.len(), chosen.kept_len()))).collect();
        Ok(Self { kind, relative, axes, layers })
    }

    /// Listens to one forward pass.
    pub fn tap(&self) -> ActivationTap<'_> {
        ActivationTap { penalty: self, levels: Vec::new() }
    }

    /// The level of `[batch, seq, width]` activations, every structure `width / structures` wide. `[1]`
    fn level(&self, activations: Tensor<3>, structures: usize) -> Tensor<1> {
        match self.kind {
            PenaltyKind::L1 => activations.abs().mean(),
            PenaltyKind::L2 => (activations.clone() * activations).mean(),
            PenaltyKind::Group => {
                let [batch, seq, width] = activations.dims();
                let owned = [batch * seq, structures, width / structures];
                let squares = (activations.clone() * activations).reshape(owned);
                (squares.mean_dim(2).mean_dim(0) + TINY).sqrt().mean()
            }
        }
    }

    fn of_site(&self, site: Site, value: &Tensor<3>) -> Option<Tensor<1>> {
        if site.axis() == Axis::Residual && !site.is_stream() {
            return None;
        }
        let (structures, kept) = *self.axes.get(&site.axis())?;
        let width = value.dims()[2];
        let start = kept * (width / structures);
        let value = value.clone().cast(DType::F32);
        let level = self.level(value.clone().narrow(2, start, width - start), structures - kept);
        Some(self.related(level, || self.level(value.detach(), structures)))
    }

    fn of_layer(&self, layer: usize, before: &Tensor<3>, after: &Tensor<3>) -> Option<Tensor<1>> {
        if !self.layers.contains(&layer) {
            return None;
        }
        let [before, after] = [before, after].map(|stream| stream.clone().cast(DType::F32));
        let level = self.level(after - before.clone(), 1);
        Some(self.related(level, || self.level(before.detach(), 1)))
    }

    /// `level`, where that is asked for as a share of `all`.
    fn related(&self, level: Tensor<1>, all: impl FnOnce() -> Tensor<1>) -> Tensor<1> {
        if self.relative { level / (all() + TINY) } else { level }
    }
}

/// Collects the levels of one forward pass.
#[derive(Debug)]
pub struct ActivationTap<'a> {
    penalty: &'a ActivationPenalty,
    levels: Vec<Tensor<1>>,
}

impl ActivationTap<'_> {
    /// The mean level of all sites that passed, on the autodiff graph. `[1]`
    pub fn mean(self) -> Option<Tensor<1>> {
        (!self.levels.is_empty()).then(|| Tensor::cat(self.levels, 0).mean())
    }
}

impl Tap for ActivationTap<'_> {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        self.levels.extend(self.penalty.of_site(site, &value));
        value
    }

    fn after_layer(&mut self, layer: usize, before: &Tensor<3>, after: &Tensor<3>) {
        self.levels.extend(self.penalty.of_layer(layer, before, after));
    }
}
