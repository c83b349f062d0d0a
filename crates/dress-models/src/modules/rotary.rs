//! Rotary position embedding in the layout of Hugging Face checkpoints.

use burn::tensor::{DType, Device, Tensor, TensorData};
use dress_kernels::rotate_half;
use serde::{Deserialize, Serialize};

/// How frequencies are stretched beyond the context a model was first trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum RopeScaling {
    /// Every frequency divided by `factor`.
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// LLaMA-3's: low frequencies divided by `factor`, high ones kept, a ramp in between.
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Wavelengths above `original_max_position_embeddings / low_freq_factor` are low.
        low_freq_factor: f64,
        /// Wavelengths below `original_max_position_embeddings / high_freq_factor` are high.
        high_freq_factor: f64,
        /// The context of the first training.
        original_max_position_embeddings: f64,
    },
}

/// Rotary position embedding (RoFormer, arXiv 2104.09864), rotate-half: dimension `i` is paired with
/// `i + dims / 2`, unlike Burn's `RotaryEncoding`, which pairs neighbours as Meta's files do.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    frequencies: Vec<f32>,
}

impl Rotary {
    /// The rotation of `dims` dimensions with the given base.
    pub fn new(dims: usize, theta: f64, scaling: Option<RopeScaling>) -> Self {
        let plain = (0..dims / 2).map(|i| 1.0 / theta.powf(2.0 * i as f64 / dims as f64));
        let scaled = plain.map(|f| scaling.map_or(f, |scaling| scaling.apply(f)));
        Self { frequencies: scaled.map(|f| f as f32).collect() }
    }

    /// Cosines and sines of `seq` positions from `offset` on, in f32. `[seq, dims / 2]` each
    pub fn tables(&self, offset: usize, seq: usize, device: &Device) -> [Tensor<2>; 2] {
        let angles =
            || (offset..offset + seq).flat_map(|p| self.frequencies.iter().map(move |f| p as f32 * f));
        let table = |values: Vec<f32>| {
            Tensor::from_data(TensorData::new(values, [seq, self.frequencies.len()]), (device, DType::F32))
        };
        [table(angles().map(f32::cos).collect()), table(angles().map(f32::sin).collect())]
    }
}

impl RopeScaling {
    /// The stretched frequency.
    pub fn apply(self, frequency: f64) -> f64 {
        match self {
            RopeScaling::Linear { factor } => frequency / factor,
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let turns = original_max_position_embeddings * frequency / std::f64::consts::TAU;
                let smooth = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                let smooth = smooth.clamp(0.0, 1.0);
                frequency * (smooth + (1.0 - smooth) / factor)
            }
        }
    }
}

/// Rotates queries or keys by their positions; dimensions beyond those of the tables stay as they are
/// (Phi-2's partial rotary).
///
/// # Shapes
/// - `states`: `[batch, heads, seq, head_dim]`, returned likewise
/// - `tables`: `[seq, dims / 2]` each, from [`Rotary::tables`], `dims <= head_dim`
pub(crate) fn rotate(states: Tensor<4>, tables: [Tensor<2>; 2]) -> Tensor<4> {
    rotate_half(&states, &tables).unwrap_or_else(|| rotate_by_parts(states, tables))
}

/// [`rotate`] in Burn's own operations.
fn rotate_by_parts(states: Tensor<4>, [cos, sin]: [Tensor<2>; 2]) -> Tensor<4> {
    let (half, head_dim) = (cos.dims()[1], states.dims()[3]);
    if 2 * half < head_dim {
        let rest = states.clone().narrow(3, 2 * half, head_dim - 2 * half);
        return Tensor::cat(vec![rotate_by_parts(states.narrow(3, 0, 2 * half), [cos, sin]), rest], 3);
    }
    let dtype = states.dtype();
    let (cos, sin) = (cos.cast(dtype).unsqueeze::<4>(), sin.cast(dtype).unsqueeze::<4>());
    let (first, second) = (states.clone().narrow(3, 0, half), states.narrow(3, half, half));
    let rotated_first = first.clone() * cos.clone() - second.clone() * sin.clone();
    let rotated_second = second * cos + first * sin;
    Tensor::cat(vec![rotated_first, rotated_second], 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_scaling_keeps_high_and_divides_low_frequencies() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192.0,
        };
        assert_eq!(scaling.apply(1.0), 1.0);
        assert!((scaling.apply(1e-5) - 1e-5 / 8.0).abs() < 1e-18);
        let middle = std::f64::consts::TAU / 8192.0 * 2.5;
        assert!((scaling.apply(middle) / middle - (0.5 + 0.5 / 8.0)).abs() < 1e-12);
    }

    #[test]
    fn rotation_keeps_length_and_depends_on_distance_alone() {
        let device = Device::flex();
        let rotary = Rotary::new(8, 10_000.0, None);
        let query = Tensor::<4>::random([1, 1, 1, 8], burn::tensor::Distribution::Default, &device);
        let key = Tensor::<4>::random([1, 1, 1, 8], burn::tensor::Distribution::Default, &device);
        let dot = |a: usize, b: usize| -> f32 {
            let left = rotate(query.clone(), rotary.tables(a, 1, &device));
            let right = rotate(key.clone(), rotary.tables(b, 1, &device));
            (left * right).sum().into_scalar()
        };
        assert!((dot(3, 1) - dot(12, 10)).abs() < 1e-5);
        assert!((dot(3, 1) - dot(3, 2)).abs() > 1e-5);
    }
}
