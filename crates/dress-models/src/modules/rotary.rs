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

/// LongRoPE (arXiv 2402.13753): every frequency has a divisor of its own, one for texts within the context of
/// the first training and one for longer texts.
#[derive(Debug, Clone, PartialEq)]
pub struct LongRope {
    /// The divisors for texts of up to `original_max_position_embeddings` tokens.
    pub short: Vec<f64>,
    /// The divisors for longer texts.
    pub long: Vec<f64>,
    /// The context of the first training.
    pub original_max_position_embeddings: usize,
    /// What cosines and sines are multiplied by.
    pub attention_factor: f64,
}

/// Rotary position embedding (RoFormer, arXiv 2104.09864), rotate-half: dimension `i` is paired with
/// `i + dims / 2`, unlike Burn's `RotaryEncoding`, which pairs neighbours as Meta's files do.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    frequencies: Vec<f32>,
    /// Those of texts that are longer than so many tokens.
    beyond: Option<(usize, Vec<f32>)>,
    /// What cosines and sines are multiplied by.
    factor: f32,
    /// Which of the model's rotations it is.
    kind: usize,
}

impl Rotary {
    /// The rotation of `dims` dimensions with the given base.
    pub fn new(dims: usize, theta: f64, scaling: Option<RopeScaling>) -> Self {
        let plain = (0..dims / 2).map(|i| 1.0 / theta.powf(2.0 * i as f64 / dims as f64));
        let scaled = plain.map(|f| scaling.map_or(f, |scaling| scaling.apply(f)));
        Self { frequencies: scaled.map(|f| f as f32).collect(), beyond: None, factor: 1.0, kind: 0 }
    }

    /// The same as another rotation than the first of a model whose layers turn in several ways.
    #[must_use]
    pub fn of_kind(self, kind: usize) -> Self {
        Self { kind, ..self }
    }

    /// Which of the model's rotations it is.
    pub fn kind(&self) -> usize {
        self.kind
    }

    /// The same with each frequency divided as LongRoPE says, which has as many divisors as there are
    /// frequencies.
    #[must_use]
    pub fn with_long_rope(self, long_rope: &LongRope) -> Self {
        let divided = |divisors: &[f64]| -> Vec<f32> {
            let pairs = self.frequencies.iter().zip(divisors);
            pairs.map(|(&frequency, divisor)| (f64::from(frequency) / divisor) as f32).collect()
        };
        Self {
            frequencies: divided(&long_rope.short),
            beyond: Some((long_rope.original_max_position_embeddings, divided(&long_rope.long))),
            factor: long_rope.attention_factor as f32,
            kind: self.kind,
        }
    }

    /// Cosines and sines of `seq` positions from `offset` on, in f32. `[seq, dims / 2]` each
    pub fn tables(&self, offset: usize, seq: usize, device: &Device) -> [Tensor<2>; 2] {
        let frequencies = match &self.beyond {
            Some((longest, long)) if offset + seq > *longest => long,
            _ => &self.frequencies,
        };
        let angles = || (offset..offset + seq).flat_map(|p| frequencies.iter().map(move |f| p as f32 * f));
        let table = |function: fn(f32) -> f32| {
            let values = angles().map(|angle| function(angle) * self.factor).collect();
            Tensor::from_data(TensorData::new(values, [seq, frequencies.len()]), (device, DType::F32))
        };
        [table(f32::cos), table(f32::sin)]
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
    fn texts_beyond_the_first_context_have_frequencies_of_their_own() {
        let device = Device::flex();
        let long_rope = LongRope {
            short: vec![1.0, 2.0],
            long: vec![4.0, 8.0],
            original_max_position_embeddings: 3,
            attention_factor: 1.5,
        };
        let plain = Rotary::new(4, 100.0, None);
        let rotary = plain.clone().with_long_rope(&long_rope);
        let sine = |rotary: &Rotary, offset, seq| -> Vec<f32> {
            let [_, sines] = rotary.tables(offset, seq, &device);
            sines.narrow(0, seq - 1, 1).into_data().iter().collect()
        };
        let expected = |position: f32, divisors: [f32; 2]| -> Vec<f32> {
            [1.0, 0.1].iter().zip(divisors).map(|(f, by)| 1.5 * (position * f / by).sin()).collect()
        };
        let close = |found: Vec<f32>, expected: Vec<f32>| {
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
        };
        close(sine(&rotary, 0, 3), expected(2.0, [1.0, 2.0]));
        close(sine(&rotary, 0, 4), expected(3.0, [4.0, 8.0]));
        close(sine(&rotary, 3, 1), expected(3.0, [4.0, 8.0]));
    }

    #[test]
    fn a_pair_of_zeros_stays_zero_and_half_a_pair_does_not() {
        // Identity E6.
        let device = Device::flex();
        let tables = Rotary::new(8, 10_000.0, None).tables(3, 1, &device);
        let turned = |zeros: &[usize]| -> Vec<f32> {
            let values: Vec<f32> = (0..8).map(|dim| if zeros.contains(&dim) { 0.0 } else { 1.0 }).collect();
            let states = Tensor::<1>::from_data(TensorData::new(values, [8]), &device).reshape([1, 1, 1, 8]);
            rotate(states, tables.clone()).into_data().iter().collect()
        };
        let (pair, half) = (turned(&[1, 5]), turned(&[1]));
        assert!(pair[1] == 0.0 && pair[5] == 0.0 && pair[0] != 0.0, "{pair:?}");
        assert!(half[1] != 0.0 && half[5] != 0.0, "{half:?}");
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
