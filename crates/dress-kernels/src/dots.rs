//! The products of one vector with many, whose sums are what the compiler does not keep in registers by
//! itself.

use crate::vector::{LANES, folded};
use pulp::{Arch, Simd, WithSimd, bytemuck};

/// `out[i] = factor * sum(left * right_i)`, the vectors `right_i` lying `stride` apart in `rights`, the
/// results `step` apart in `out`, as many of them as there are.
///
/// The number at position `p` goes into partial sum `p mod 32`, whatever the machine's vectors, and the
/// partial sums are added halves onto halves.
pub(crate) fn dots(
    (left, factor): (&[f32], f32),
    (rights, stride): (&[f32], usize),
    (out, step): (&mut [f32], usize),
) {
    Arch::new().dispatch(Dots { left, factor, rights, stride, out, step });
}

struct Dots<'a> {
    left: &'a [f32],
    factor: f32,
    rights: &'a [f32],
    stride: usize,
    out: &'a mut [f32],
    step: usize,
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (index, out) in self.out.iter_mut().step_by(self.step).enumerate() {
            let right = &self.rights[index * self.stride..][..self.left.len()];
            *out = self.factor * dot(simd, self.left, right);
        }
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, left: &[f32], right: &[f32]) -> f32 {
    let vectors = LANES / S::F32_LANES;
    let (lefts, left_rest) = S::as_simd_f32s(left);
    let (rights, right_rest) = S::as_simd_f32s(right);
    let mut sums = [simd.splat_f32s(0.0); LANES];
    let mut add = |i: usize, left: S::f32s, right: S::f32s| {
        sums[i] = simd.add_f32s(sums[i], simd.mul_f32s(left, right));
    };
    let (left_blocks, right_blocks) = (lefts.chunks_exact(vectors), rights.chunks_exact(vectors));
    let (lefts, rights) = (left_blocks.remainder(), right_blocks.remainder());
    for (left, right) in left_blocks.zip(right_blocks) {
        for i in 0..vectors {
            add(i, left[i], right[i]);
        }
    }
    for i in 0..vectors {
        if i < lefts.len() {
            add(i, lefts[i], rights[i]);
        }
    }
    let mut lanes = [0.0f32; LANES];
    for (lanes, sum) in lanes.chunks_exact_mut(S::F32_LANES).zip(&sums) {
        lanes.copy_from_slice(bytemuck::cast_slice(std::slice::from_ref(sum)));
    }
    let start = lefts.len() * S::F32_LANES;
    for (lane, (left, right)) in lanes[start..].iter_mut().zip(left_rest.iter().zip(right_rest)) {
        *lane += left * right;
    }
    folded(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_counts_once_at_any_length() {
        for len in [1, 7, 16, 31, 32, 45, 63, 77, 160] {
            let left: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let rights: Vec<f32> = (0..3 * (len + 2)).map(|i| (i % 5) as f32 - 1.0).collect();
            let mut out = [9.0; 5];
            dots((&left, 2.0), (&rights, len + 2), (&mut out, 2));
            for (row, found) in [out[0], out[2], out[4]].into_iter().enumerate() {
                let right = &rights[row * (len + 2)..];
                let expected: f32 = left.iter().zip(right).map(|(left, right)| left * right).sum();
                assert_eq!(found, 2.0 * expected, "{len} {row}");
            }
            assert_eq!((out[1], out[3]), (9.0, 9.0));
        }
    }

    #[test]
    fn sums_have_the_same_bits_whatever_the_machine() {
        for len in [1, 16, 31, 45, 80, 432, 1001] {
            let numbers = |seed: u32| -> Vec<f32> {
                (0..len).map(|i: u32| ((i * 7_919 + seed) as f32 * 0.618).sin()).collect()
            };
            let (left, right) = (numbers(1), numbers(2));
            let mut found = [0.0];
            dots((&left, 1.0), (&right, len as usize), (&mut found, 1));
            let mut one_by_one = [0.0];
            let dots =
                Dots { left: &left, factor: 1.0, rights: &right, stride: 0, out: &mut one_by_one, step: 1 };
            dots.with_simd(pulp::Scalar);
            assert_eq!(found, one_by_one, "{len}");
        }
    }
}
