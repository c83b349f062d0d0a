//! What several criteria need to know of the activations, in one pass.

use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Calibration, CausalLm, Error, Forward, Parts, Progress, Site, Tap, Unit, forward_by_parts};
use std::collections::BTreeMap;

/// Per site and channel, mean and variance over all calibration tokens; per layer, how much it turns the
/// residual stream.
#[derive(Debug, Clone, Default)]
pub struct ActivationStatistics {
    sites: BTreeMap<Site, Channels>,
    cosines: BTreeMap<usize, Cosines>,
}

/// Of each channel, the mean and the sum of squared distances from it (Chan et al. 1983, so that no digits
/// are lost where the mean is large).
#[derive(Debug, Clone, Default)]
struct Channels {
    tokens: f64,
    means: Vec<f64>,
    squares: Vec<f64>,
    /// Of each sequence the mean absolute value, squared and summed.
    mean_sizes: Vec<f64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cosines {
    tokens: f64,
    sum: f64,
}

impl ActivationStatistics {
    /// Runs the calibration blocks through the model, one at a time.
    ///
    /// # Errors
    /// Those of [`Calibration::require`], naming `who` asked.
    pub fn collect<M: CausalLm>(
        model: &M,
        calibration: &Calibration,
        who: &str,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        calibration.require(model, who)?;
        let mut statistics = Self::default();
        let stage = progress.begin("activations", Unit::Blocks, calibration.blocks.len() as u64);
        for block in &calibration.blocks {
            let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
            model.forward(tokens, &mut Forward::new(&mut statistics));
            stage.advance(1)?;
        }
        Ok(statistics)
    }

    /// As [`ActivationStatistics::collect`], of a model of which one part at a time is in memory.
    ///
    /// # Errors
    /// Those of [`forward_by_parts`].
    pub fn collect_by_parts<P: Parts>(
        parts: &P,
        calibration: &Calibration,
        who: &str,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let mut statistics = Self::default();
        forward_by_parts(parts, calibration, &mut statistics, who, progress)?;
        Ok(statistics)
    }

    /// The sums of squares of one site's channels.
    pub fn squares(&self, site: Site) -> Option<Vec<f64>> {
        let Channels { tokens, means, squares, .. } = self.sites.get(&site)?;
        Some(squares.iter().zip(means).map(|(square, mean)| square + tokens * mean * mean).collect())
    }

    /// The means of one site's channels.
    pub fn means(&self, site: Site) -> Option<&[f64]> {
        self.sites.get(&site).map(|channels| channels.means.as_slice())
    }

    /// Of one site's channels, the L2 norm over the sequences of the mean absolute value in each.
    pub fn mean_sizes(&self, site: Site) -> Option<Vec<f64>> {
        Some(self.sites.get(&site)?.mean_sizes.iter().map(|square| square.sqrt()).collect())
    }

    /// The sample variances of one site's channels.
    pub fn variances(&self, site: Site) -> Option<Vec<f64>> {
        let Channels { tokens, squares, .. } = self.sites.get(&site)?;
        Some(squares.iter().map(|square| square / (tokens - 1.0).max(1.0)).collect())
    }

    /// The sites that were passed.
    pub fn sites(&self) -> impl Iterator<Item = Site> {
        self.sites.keys().copied()
    }

    /// The tokens that passed one site.
    pub fn tokens(&self, site: Site) -> f64 {
        self.sites.get(&site).map_or(0.0, |channels| channels.tokens)
    }

    /// The mean over tokens of the cosine between the stream before a layer and after it.
    pub fn cosine(&self, layer: usize) -> Option<f64> {
        self.cosines.get(&layer).map(|cosines| cosines.sum / cosines.tokens)
    }
}

impl Channels {
    /// Adds `tokens` more of which `means` and `squares` are known.
    fn merge(&mut self, tokens: f64, means: impl Iterator<Item = f64>, squares: impl Iterator<Item = f64>) {
        let all = self.tokens + tokens;
        let old = self.means.iter_mut().zip(&mut self.squares);
        for ((mean, square), (new_mean, new_square)) in old.zip(means.zip(squares)) {
            let apart = new_mean - *mean;
            *mean += apart * tokens / all;
            *square += new_square + apart * apart * self.tokens * tokens / all;
        }
        self.tokens = all;
    }
}

impl Tap for ActivationStatistics {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let [batch, seq, width] = value.dims();
        let sequences = value.clone().without_autodiff().cast(DType::F32);
        let sizes = sequences.clone().abs().mean_dim(1);
        let sizes = (sizes.clone() * sizes).sum_dim(0).into_data();
        let wide = sequences.reshape([batch * seq, width]);
        let means = wide.clone().mean_dim(0);
        let apart = wide - means.clone();
        let squares = (apart.clone() * apart).sum_dim(0).into_data();
        let channels = self.sites.entry(site).or_insert_with(|| Channels {
            tokens: 0.0,
            means: vec![0.0; width],
            squares: vec![0.0; width],
            mean_sizes: vec![0.0; width],
        });
        channels.mean_sizes.iter_mut().zip(sizes.iter::<f64>()).for_each(|(sum, size)| *sum += size);
        channels.merge((batch * seq) as f64, means.into_data().iter::<f64>(), squares.iter::<f64>());
        value
    }

    fn after_layer(&mut self, layer: usize, before: &Tensor<3>, after: &Tensor<3>) {
        let wide = |stream: &Tensor<3>| stream.clone().without_autodiff().cast(DType::F32);
        let (before, after) = (wide(before), wide(after));
        let norm = |stream: &Tensor<3>| (stream.clone() * stream.clone()).sum_dim(2).sqrt();
        let norms = norm(&before) * norm(&after);
        let cosines = (before * after).sum_dim(2) / norms.clamp_min(f32::MIN_POSITIVE);
        let found = self.cosines.entry(layer).or_default();
        let cosines = cosines.into_data();
        found.tokens += cosines.num_elements() as f64;
        found.sum += cosines.iter::<f64>().sum::<f64>();
    }
}
