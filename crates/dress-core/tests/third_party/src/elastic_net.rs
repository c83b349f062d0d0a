//! A penalty of somebody else's.

use dress_core::burn::tensor::Tensor;
use dress_core::{Error, Penalty};

/// The sum of absolute values and of half of the squares (Zou and Hastie 2005).
pub struct ElasticNet;

impl Penalty for ElasticNet {
    fn name(&self) -> &str {
        "elastic-net"
    }

    fn value(&self, groups: Tensor<2>) -> Result<Tensor<1>, Error> {
        Ok((groups.clone().abs() + groups.clone() * groups * 0.5).sum())
    }

    fn shrink(&self, groups: Tensor<2>, thresholds: Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        let size = (groups.clone().abs() - thresholds.clone()).clamp_min(0.0) / (thresholds + 1.0);
        Ok(Some(groups.sign() * size))
    }

    fn thresholds_to_zero(&self, groups: Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        Ok(Some(groups.abs().max_dim(1)))
    }
}
