//! What the projections of a model read on calibration blocks.

use crate::local::Streams;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Calibration, CausalLm, Forward, NoTap, Site, Tap};
use dress_train::Error;

/// The stream before the first layer, of each block.
pub(crate) fn embedded<M: CausalLm>(model: &M, calibration: &Calibration) -> Vec<Tensor<3>> {
    let blocks = calibration.blocks.iter().map(|block| {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        model.embed(tokens, &mut Forward::new(&mut NoTap))
    });
    blocks.collect()
}

/// Mean and second moments of vectors, summed over tokens in f64.
#[derive(Default)]
pub(crate) struct TokenMoments {
    tokens: f64,
    sums: Vec<f64>,
    products: Vec<f64>,
}

impl TokenMoments {
    /// Adds what stands at every token of `value`. `[batch, seq, width]`
    pub fn add(&mut self, value: Tensor<3>) {
        let [batch, seq, width] = value.dims();
        let wide = value.without_autodiff().cast(DType::F32).reshape([batch * seq, width]);
        let sums = wide.clone().sum_dim(0).into_data();
        let products = wide.clone().swap_dims(0, 1).matmul(wide).into_data();
        self.tokens += (batch * seq) as f64;
        self.sums.resize(width, 0.0);
        self.products.resize(width * width, 0.0);
        self.sums.iter_mut().zip(sums.iter::<f64>()).for_each(|(sum, new)| *sum += new);
        self.products.iter_mut().zip(products.iter::<f64>()).for_each(|(sum, new)| *sum += new);
    }

    /// How many channels the vectors have.
    pub fn width(&self) -> usize {
        self.sums.len()
    }

    pub fn mean(&self, channel: usize) -> f64 {
        self.sums[channel] / self.tokens
    }

    /// The mean product of two channels, or with `centred` their covariance.
    pub fn second(&self, i: usize, j: usize, centred: bool) -> f64 {
        let product = self.products[i * self.sums.len() + j] / self.tokens;
        if centred { product - self.mean(i) * self.mean(j) } else { product }
    }

    /// Of what `layer` reads at `site`, where the residual streams before the layer are `streams`.
    ///
    /// # Errors
    /// Those of reading the streams.
    pub fn collect<M: CausalLm>(
        model: &M,
        layer: usize,
        site: Site,
        streams: &Streams,
    ) -> Result<Self, Error> {
        let mut tap = AtSite { site, moments: Self::default() };
        for block in 0..streams.len() {
            model.layer(layer, streams.block(block)?, &mut Forward::new(&mut tap));
        }
        Ok(tap.moments)
    }
}

/// The moments of what passes one site.
struct AtSite {
    site: Site,
    moments: TokenMoments,
}

impl Tap for AtSite {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        if site == self.site {
            self.moments.add(value.clone());
        }
        value
    }
}
