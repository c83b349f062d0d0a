//! Rounding without a bias.

use burn::tensor::{DType, Distribution, Tensor};

/// `exact` in a type of fewer bits, rounded to either neighbour with the chance that keeps the mean (Gupta et
/// al. 2015, arXiv 1502.02551), so that many small changes add up that would each be lost. In a type of as
/// many bits it is itself.
pub fn round_at_random<const D: usize>(exact: Tensor<D>, dtype: DType) -> Tensor<D> {
    // Seven tenths of the distance between two numbers: less than one and a half of it everywhere in a power of two,
    // and more than a half, so that rounding finds the next number, and only that.
    let step = match dtype {
        DType::BF16 => 0.7 / 128.0,
        DType::F16 => 0.7 / 1024.0,
        _ => return exact.cast(dtype),
    };
    let nearest = exact.clone().cast(dtype).cast(DType::F32);
    let rest = exact - nearest.clone();
    // Up in size where the rest points away from zero.
    let away = nearest.clone().sign() * rest.clone().sign();
    let next = (nearest.clone() * (away * step + 1.0)).cast(dtype).cast(DType::F32);
    let gap = (next.clone() - nearest.clone()).abs();
    let draw = rest.random_like(Distribution::Uniform(0.0, 1.0));
    let goes = (draw * gap).lower(rest.abs());
    nearest.mask_where(goes, next).cast(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn rounding_at_random_finds_both_neighbours_and_keeps_the_mean() {
        let device = Device::flex();
        device.seed(3);
        for value in [1.0f32, 1.003, -1.003, 1.99, 0.0625, 3.0e-5, -123.4, 2.0f32.powi(-7) * 0.999] {
            let rounded = round_at_random(Tensor::<1>::full([20_000], value, &device), DType::BF16);
            let numbers: Vec<f32> = rounded.into_data().iter::<f32>().collect();
            let mean = numbers.iter().map(|n| f64::from(*n)).sum::<f64>() / numbers.len() as f64;
            let gap = f64::from(value.abs()) / 128.0;
            assert!((mean - f64::from(value)).abs() < 0.02 * gap, "{value}: {mean}");
            assert!(numbers.iter().all(|n| f64::from((n - value).abs()) <= gap), "{value}");
        }
    }
}
