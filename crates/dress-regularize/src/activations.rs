//! A penalty on what the selected structures compute.

use crate::{Error, PenaltyKind};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Axis, CausalLm, Selection, Site, Tap};
use std::collections::HashMap;

/// Added under a root, so that its gradient is zero and not NaN at zero.
const TINY: f64 = 1e-12;

/// Penalises the activations of the selected structures, the mean over the sites they pass: the residual stream as
/// the embeddings and each layer leave it, neurons and heads where the projection behind them takes them in.
///
/// Of the activations `a[t, i]` of `n` selected structures over `t` tokens, one site's level is
///
/// | penalty | level |
/// |---|---|
/// | L1 | mean of `abs(a)` |
/// | squared L2 | mean of `a^2` |
/// | group | mean over structures of the root of the mean of `a^2` over tokens |
///
/// and with `relative` that is divided by the same of all structures of the site, as a constant: a share that starts
/// near 1 and does not depend on the size of the model.
#[derive(Debug)]
pub struct ActivationPenalty {
    kind: PenaltyKind,
    relative: bool,
    /// Per axis, how many structures there are and how many stay.
    axes: HashMap<Axis, (usize, usize)>,
}

impl ActivationPenalty {
    /// A penalty on the structures that `selection` removes of `model`, which have to be the last of their axes.
    ///
    /// # Errors
    /// [`Error::NotPermuted`], and those of [`Selection::check`].
    pub fn new<M: CausalLm>(
        model: &M,
        selection: &Selection,
        kind: PenaltyKind,
        relative: bool,
    ) -> Result<Self, Error> {
        selection.check(&model.coupling())?;
        let mut axes = HashMap::new();
        for (axis, chosen) in selection.iter() {
            if *chosen != chosen.permuted() {
                return Err(Error::NotPermuted { axis: axis.to_string() });
            }
            axes.insert(axis, (chosen.len(), chosen.kept_len()));
        }
        Ok(Self { kind, relative, axes })
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
        let all = self.relative.then(|| self.level(value.detach(), structures) + TINY);
        Some(match all {
            Some(all) => level / all,
            None => level,
        })
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
}
