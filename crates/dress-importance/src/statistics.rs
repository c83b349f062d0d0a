//! What several criteria need to know of the activations, in one pass.

use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Calibration, CausalLm, Error, Forward, Progress, Site, Tap};
use std::collections::BTreeMap;

/// Per site and channel, the sum of squares over all calibration tokens.
#[derive(Debug, Clone, Default)]
pub struct ActivationStatistics {
    squares: BTreeMap<Site, Vec<f64>>,
    tokens: u64,
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
        progress.start("activations", calibration.blocks.len() as u64);
        for block in &calibration.blocks {
            let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
            model.forward(tokens, &mut Forward::new(&mut statistics));
            statistics.tokens += block.len() as u64;
            progress.advance(1, "");
        }
        progress.finish();
        Ok(statistics)
    }

    /// The sums of squares of one site's channels.
    pub fn squares(&self, site: Site) -> Option<&[f64]> {
        self.squares.get(&site).map(Vec::as_slice)
    }

    /// Every site with its channels' sums of squares.
    pub fn iter(&self) -> impl Iterator<Item = (Site, &[f64])> {
        self.squares.iter().map(|(site, squares)| (*site, squares.as_slice()))
    }

    /// The tokens that were seen.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }
}

impl Tap for ActivationStatistics {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let [batch, seq, width] = value.dims();
        let wide = value.clone().without_autodiff().cast(DType::F32).reshape([batch * seq, width]);
        let found = (wide.clone() * wide).sum_dim(0).into_data();
        let squares = self.squares.entry(site).or_insert_with(|| vec![0.0; width]);
        squares.iter_mut().zip(found.iter::<f64>()).for_each(|(sum, square)| *sum += square);
        value
    }
}
