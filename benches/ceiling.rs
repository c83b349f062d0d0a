//! What this machine can do.

use dress_core::burn::tensor::{Device, Distribution, Tensor};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long a ceiling is tried at once.
const PATIENCE: Duration = Duration::from_millis(500);

/// Bytes that a plain copy moves: far more than caches hold.
const COPIED: usize = 256 << 20;

/// Bytes that a task of it moves.
const TASK: usize = 1 << 20;

/// The fastest seen of a plain operation. It is tried when it is asked for, and not before.
pub struct Ceiling<'a> {
    name: String,
    work: f64,
    body: Box<dyn FnMut() + 'a>,
    least: f64,
}

impl<'a> Ceiling<'a> {
    /// `work` units by `body`.
    pub fn of<R>(name: impl Into<String>, work: f64, mut body: impl FnMut() -> R + 'a) -> Self {
        let body = move || drop(black_box(body()));
        Self { name: name.into(), work, body: Box::new(body), least: f64::INFINITY }
    }

    /// Multiply-adds of a plain product in Burn, `[m, k]` by `[k, n]`.
    pub fn product(device: &Device, [m, k, n]: [usize; 3]) -> Self {
        let (device, mut operands) = (device.clone(), None);
        Self::of(format!("a product {m}x{k}x{n} in Burn"), (m * k * n) as f64, move || {
            let random = |rows, columns| Tensor::<2>::random([rows, columns], Distribution::Default, &device);
            let (left, right) = operands.get_or_insert_with(|| (random(m, k), random(k, n)));
            left.clone().matmul(right.clone()).into_data()
        })
    }

    /// Bytes read and written by a plain copy in the host's memory, on every core.
    pub fn copy() -> Self {
        let mut buffers = None;
        Self::of("a copy in memory", 2.0 * COPIED as f64, move || {
            let (source, place) = buffers.get_or_insert_with(|| (vec![1u8; COPIED], vec![0u8; COPIED]));
            let parts = place.par_chunks_mut(TASK).zip(source.par_chunks(TASK));
            parts.for_each(|(place, source)| place.copy_from_slice(source));
        })
    }

    /// Bytes read: by every core on the CPU, by a sum in Burn elsewhere.
    pub fn read(device: &Device) -> Self {
        if *device != Device::flex() {
            let numbers = COPIED / size_of::<f32>();
            let (device, mut tensor) = (device.clone(), None);
            return Self::of("a sum of a tensor in Burn", COPIED as f64, move || {
                let tensor = tensor.get_or_insert_with(|| Tensor::<1>::zeros([numbers], &device));
                tensor.clone().sum().into_data()
            });
        }
        let mut buffer = None;
        Self::of("reading memory", COPIED as f64, move || {
            let words: &mut Vec<u64> = buffer.get_or_insert_with(|| vec![1; COPIED / size_of::<u64>()]);
            let sum = |part: &[u64]| part.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
            words.par_chunks(TASK / size_of::<u64>()).map(sum).reduce(|| 0, u64::wrapping_add)
        })
    }

    /// What is done.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tries it if it never was.
    pub fn ensure(&mut self) {
        if self.least.is_infinite() {
            self.rate();
        }
    }

    /// Units of work a second, the fastest of now and before.
    pub fn rate(&mut self) -> f64 {
        let began = Instant::now();
        for round in 0.. {
            let start = Instant::now();
            (self.body)();
            self.least = self.least.min(start.elapsed().as_secs_f64());
            if round >= 2 && began.elapsed() > PATIENCE {
                break;
            }
        }
        self.work / self.least
    }
}
