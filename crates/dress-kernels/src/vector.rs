//! Loops compiled for the widest vectors of the machine.

use pulp::{Arch, Simd, WithSimd};

/// Independent partial sums: enough to fill two of the widest vectors.
pub(crate) const LANES: usize = 32;

/// Numbers that one task of an elementwise pass handles.
pub(crate) const TASK: usize = 1 << 15;

/// Runs `body` compiled for the widest vectors of this machine. The closure and all that it calls have to be
/// `#[inline(always)]`, or be compiled for any machine.
#[inline(always)]
pub(crate) fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    struct Body<F>(F);

    impl<R, F: FnOnce() -> R> WithSimd for Body<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> R {
            (self.0)()
        }
    }

    Arch::new().dispatch(Body(body))
}

/// `e^x` to about one unit in the last place, without branches; NaN stays NaN, what underflows is a very
/// small positive number, of minus infinity too, and what overflows a very large one.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding it rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let inside = x.clamp_to(-87.3, 88.7);
    let rounded = inside * std::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let r = inside - power * LN_2_HIGH - power * LN_2_LOW;
    let series = ((((1.987_569_1e-4 * r + 1.398_2e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r
        + 1.666_666_5e-1)
        * r
        + 0.5;
    let series = series * r * r + r + 1.0;
    let scale = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    if x.is_nan() { x } else { series * scale }
}

trait ClampTo {
    fn clamp_to(self, low: f32, high: f32) -> f32;
}

impl ClampTo for f32 {
    /// Two selections, which vectorize where `clamp` does not.
    #[inline(always)]
    fn clamp_to(self, low: f32, high: f32) -> f32 {
        let above = if self > low { self } else { low };
        if above < high { above } else { high }
    }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The sum of `term(i)` for `i` below `len`, in partial sums whose order does not depend on the machine. What
/// is left over is summed apart from them, since an index that is not known to the compiler would keep them
/// out of the registers.
#[inline(always)]
pub(crate) fn sum(len: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = len - len % LANES;
    let mut start = 0;
    while start < whole {
        for lane in 0..LANES {
            lanes[lane] += term(start + lane);
        }
        start += LANES;
    }
    let mut rest = 0.0;
    for index in whole..len {
        rest += term(index);
    }
    folded_apart(&lanes) + rest
}

/// [`folded`], never inlined: where the compiler chooses the vectors, it would keep the lanes as the last
/// steps want them, two by two.
#[inline(never)]
fn folded_apart(lanes: &[f32; LANES]) -> f32 {
    folded(*lanes)
}

/// The sum of all lanes, halves onto halves: one number after the other would take as long as the products.
#[inline(always)]
pub(crate) fn folded(mut lanes: [f32; LANES]) -> f32 {
    let mut count = LANES;
    while count > 1 {
        count /= 2;
        for lane in 0..count {
            lanes[lane] += lanes[lane + count];
        }
    }
    lanes[0]
}

/// Adds `factor` times `terms` to `sums`.
#[inline(always)]
pub(crate) fn add_scaled(sums: &mut [f32], terms: &[f32], factor: f32) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += factor * term;
    }
}

/// The greatest of `values`, passing over what is not a number; minus infinity where nothing is one.
#[inline(always)]
pub(crate) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (best, &value) in lanes.iter_mut().zip(chunk) {
            *best = if value > *best { value } else { *best };
        }
    }
    for (best, &value) in lanes.iter_mut().zip(chunks.remainder()) {
        *best = if value > *best { value } else { *best };
    }
    lanes.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The greatest of `values`, and the sum of `e^(value - greatest)` over all of them: what a softmax is made
/// of.
#[inline(always)]
pub(crate) fn max_and_exp_sum(values: &[f32]) -> (f32, f32) {
    let highest = max(values);
    let total = sum(
        values.len(),
        #[inline(always)]
        |i| exp(values[i] - highest),
    );
    (highest, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_standard_library() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let (found, expected) = (exp(x), x.exp());
            assert!((found / expected - 1.0).abs() < 3e-7, "{x}: {found} for {expected}");
        }
        assert!(exp(f32::NAN).is_nan());
        for x in [-1000.0, f32::NEG_INFINITY] {
            assert!((0.0..1e-37).contains(&exp(x)), "{x}");
        }
        assert!(exp(f32::INFINITY) > 1e38);
    }

    #[test]
    fn sums_and_greatest_numbers_count_the_remainder() {
        let values: Vec<f32> = (0..77).map(|i| ((i * 37) % 77) as f32).collect();
        assert_eq!(
            vectorized(
                #[inline(always)]
                || sum(
                    77,
                    #[inline(always)]
                    |i| values[i]
                )
            ),
            77.0 * 38.0
        );
        assert_eq!(
            vectorized(
                #[inline(always)]
                || max(&values)
            ),
            76.0
        );
        assert_eq!((max(&[f32::NAN, 1.0]), max(&[f32::NAN])), (1.0, f32::NEG_INFINITY));
    }
}
