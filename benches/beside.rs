//! Benchmarks with the ceiling beside them.

use crate::Ceiling;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A group of benchmarks, each of which prints what share of a ceiling it reaches.
pub struct Beside<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    name: String,
}

impl<'a> Beside<'a> {
    /// A group of that name.
    pub fn new(criterion: &'a mut Criterion, name: &str) -> Self {
        let mut group = criterion.benchmark_group(name);
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        Self { group, name: name.into() }
    }

    /// Measures `body` on what `setup` makes, which is not timed, and neither is the end of what `body`
    /// returns. `work` is what `body` does in the ceiling's units. The ceiling is tried before and after; the
    /// fastest time of each counts.
    pub fn measure<S, R>(
        &mut self,
        id: &str,
        (throughput, work): (Throughput, f64),
        ceiling: &mut Ceiling<'_>,
        mut setup: impl FnMut() -> S,
        mut body: impl FnMut(S) -> R,
    ) {
        let mut least = f64::INFINITY;
        self.group.throughput(throughput);
        self.group.bench_function(id, |bencher| {
            ceiling.ensure();
            bencher.iter_custom(|times| {
                let mut total = Duration::ZERO;
                for _ in 0..times {
                    let input = setup();
                    let start = Instant::now();
                    let result = black_box(body(input));
                    let took = start.elapsed();
                    drop(result);
                    least = least.min(took.as_secs_f64());
                    total += took;
                }
                total
            });
        });
        // Nothing ran where the command line's filter left it out.
        if least.is_finite() {
            let share = 100.0 * work / least / ceiling.rate();
            println!("{}/{id}: {share:.0}% of {}", self.name, ceiling.name());
        }
    }
}
