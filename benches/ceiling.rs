//! What this machine can do.

use dress_core::burn::tensor::{Device, Distribution, Tensor};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long a ceiling is tried.
const PATIENCE: Duration = Duration::from_millis(700);

/// Bytes that a plain copy moves: far more than caches hold.
const COPIED: usize = 256 << 20;

/// The fastest seen of a plain operation, the benchmark's time not counted in it.
#[derive(Debug, Clone)]
pub struct Ceiling {
    /// What was done.
    pub name: String,
    /// Units of work a second.
    pub rate: f64,
}

impl Ceiling {
    /// `work` units by `body`, the fastest of several times.
    pub fn of<R>(name: impl Into<String>, work: f64, mut body: impl FnMut() -> R) -> Self {
        let (mut least, began) = (f64::INFINITY, Instant::now());
        for round in 0.. {
            let start = Instant::now();
            let result = black_box(body());
            least = least.min(start.elapsed().as_secs_f64());
            drop(result);
            if round >= 2 && began.elapsed() > PATIENCE {
                break;
            }
        }
        Self { name: name.into(), rate: work / least }
    }

    /// Multiply-adds of a plain product in Burn, `[m, k]` by `[k, n]`.
    pub fn product(device: &Device, [m, k, n]: [usize; 3]) -> Self {
        let random = |rows, columns| Tensor::<2>::random([rows, columns], Distribution::Default, device);
        let (left, right) = (random(m, k), random(k, n));
        Self::of(format!("a product {m}x{k}x{n} in Burn"), (m * k * n) as f64, || {
            left.clone().matmul(right.clone()).into_data()
        })
    }

    /// Bytes read and written by a plain copy on every core.
    pub fn copy() -> Self {
        let (source, mut place) = (vec![1u8; COPIED], vec![0u8; COPIED]);
        Self::of("a copy in memory", 2.0 * COPIED as f64, move || {
            let parts = place.par_chunks_mut(1 << 20).zip(source.par_chunks(1 << 20));
            parts.for_each(|(place, source)| place.copy_from_slice(source));
        })
    }
}
