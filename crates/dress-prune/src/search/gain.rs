//! What the loss gains as channels go, and in which order it gains the least.
//!
//! The mathematics is that of the documentation of [`curvature`](super::curvature): `1/2 tr((Q_BB)^-1 M_BB)` where
//! channels `B` go.

use faer::linalg::solvers::{DenseSolveCore, Solve};
use faer::{Mat, Side};

/// In how many steps all structures of an axis go where their order is looked for.
const STEPS: usize = 96;

/// What is known of the channels that one axis's readers read.
pub(super) struct Seen {
    /// Second moments of the channels, damped as the refit damps them. `[channels, channels]`
    pub activations: Mat<f64>,
    /// Second moments of the loss's gradients there. `[channels, channels]`
    pub gradients: Mat<f64>,
    /// Channels a structure.
    pub block: usize,
}

impl Seen {
    /// The channels of some structures.
    fn channels(&self, structures: impl IntoIterator<Item = usize>) -> Vec<usize> {
        structures.into_iter().flat_map(|s| s * self.block..(s + 1) * self.block).collect()
    }
}

/// `1/2 tr((Q_BB)^-1 M_BB)` for every set of channels that go together with all before
/// them.
///
/// With the channels in the reverse of the order in which they go, let `C` be the Cholesky factor of their
/// damped second moments. The leading block of `Q` in the order itself is then `L L'` with `L` the inverse of
/// `C'` in reverse, so that the trace is the sum of the last entries of the diagonal of `C' M C`.
///
/// # Errors
/// Why the second moments cannot be factored.
pub(super) fn gained(order: &[usize], seen: &Seen) -> Result<Vec<f64>, String> {
    let reversed: Vec<usize> = seen.channels(order.iter().copied()).into_iter().rev().collect();
    let channels = reversed.len();
    let of = |whole: &Mat<f64>| Mat::from_fn(channels, channels, |i, j| whole[(reversed[i], reversed[j])]);
    let damped = of(&seen.activations);
    let solver = damped.llt(Side::Lower).map_err(|error| format!("{error:?}"))?;
    let factor = solver.L();
    let product = &of(&seen.gradients) * factor;
    let of_channel = |i: usize| -> f64 { (i..channels).map(|r| factor[(r, i)] * product[(r, i)]).sum() };
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    for channel in (0..channels).rev() {
        sum += 0.5 * of_channel(channel).max(0.0);
        sums.push(sum);
    }
    Ok(sums)
}

/// The structures in an order in which the loss gains little: those go first that it feels the least, and what
/// reads the others is refitted before the next are chosen. `last` go last.
///
/// Where channels `B` go, the readers of the others `A` take over `-Q_AB (Q_BB)^-1` times their weights, so
/// that the loss's gradients there change by the same; what is left of `Q` is its Schur complement.
///
/// # Errors
/// Why the second moments cannot be factored.
pub(super) fn least_first(seen: &Seen, last: &[usize]) -> Result<Vec<usize>, String> {
    let structures = seen.activations.nrows() / seen.block;
    let factored = |matrix: &Mat<f64>| matrix.llt(Side::Lower).map_err(|error| format!("{error:?}"));
    let mut precision = factored(&seen.activations)?.inverse();
    let mut gradients = seen.gradients.clone();
    let mut left: Vec<usize> = (0..structures).collect();
    let mut order = Vec::with_capacity(structures);
    while !left.is_empty() {
        let cost = |place: usize| -> Result<f64, String> {
            if last.contains(&left[place]) {
                return Ok(f64::INFINITY);
            }
            let own = seen.channels([place]);
            if let [only] = own[..] {
                return Ok(gradients[(only, only)] / precision[(only, only)]);
            }
            let product = factored(&part(&precision, &own, &own))?.solve(part(&gradients, &own, &own));
            Ok((0..own.len()).map(|i| product[(i, i)]).sum())
        };
        let costs = (0..left.len()).map(cost).collect::<Result<Vec<f64>, String>>()?;
        let mut places: Vec<usize> = (0..left.len()).collect();
        // Of equal costs the later structure goes first, as everywhere.
        places.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]).then(b.cmp(&a)));
        let mut stay = places.split_off(structures.div_ceil(STEPS).min(left.len()));
        order.extend(places.iter().map(|&place| left[place]));
        stay.sort_unstable();
        let (gone, kept) = (seen.channels(places), seen.channels(stay.iter().copied()));
        let of_both = part(&precision, &gone, &kept);
        let taken_over = factored(&part(&precision, &gone, &gone))?.solve(&of_both);
        let mut to_share = part(&gradients, &gone, &kept);
        to_share -= 0.5 * (part(&gradients, &gone, &gone) * &taken_over);
        let change = taken_over.transpose() * &to_share;
        let (schur, felt) = (taken_over.transpose() * &of_both, gradients);
        precision =
            Mat::from_fn(kept.len(), kept.len(), |i, j| precision[(kept[i], kept[j])] - schur[(i, j)]);
        gradients = Mat::from_fn(kept.len(), kept.len(), |i, j| {
            felt[(kept[i], kept[j])] - change[(i, j)] - change[(j, i)]
        });
        left = stay.iter().map(|&place| left[place]).collect();
    }
    Ok(order)
}

/// The rows and columns of a matrix that are named.
fn part(whole: &Mat<f64>, rows: &[usize], columns: &[usize]) -> Mat<f64> {
    Mat::from_fn(rows.len(), columns.len(), |i, j| whole[(rows[i], columns[j])])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen of six structures over fifty tokens.
    fn seen(block: usize) -> Seen {
        let channels = 6 * block;
        let wave = |token: usize, channel: usize| ((token * (2 * channel + 3)) as f64 * 0.37).sin();
        let second = |shift: usize| {
            Mat::from_fn(channels, channels, |i, j| {
                let products = (0..50).map(|token| wave(token + shift, i) * wave(token + shift, j));
                products.sum::<f64>() / 50.0 + if i == j { 0.01 } else { 0.0 }
            })
        };
        Seen { activations: second(0), gradients: second(9), block }
    }

    /// The trace by its definition.
    fn trace(seen: &Seen, gone: &[usize]) -> f64 {
        let channels = seen.channels(gone.iter().copied());
        let inverse = seen.activations.llt(Side::Lower).unwrap().inverse();
        let of = |whole: &Mat<f64>| part(whole, &channels, &channels);
        let solved = of(&inverse).llt(Side::Lower).unwrap().solve(of(&seen.gradients));
        (0..channels.len()).map(|i| 0.5 * solved[(i, i)]).sum()
    }

    /// For sets that grow one structure at a time the sums are the traces.
    #[test]
    fn the_sums_are_the_traces_of_what_the_others_cannot_say() {
        for block in [1, 3] {
            let seen = seen(block);
            let order = [4, 0, 5, 2, 1, 3];
            let sums = gained(&order, &seen).unwrap();
            for gone in 1..=order.len() {
                let (found, trace) = (sums[gone * block], trace(&seen, &order[..gone]));
                assert!((found - trace).abs() < 1e-6 * trace.abs().max(1.0), "{gone}: {found} {trace}");
            }
        }
    }

    /// Every structure that goes is the one that adds the least to the trace of those before it.
    #[test]
    fn each_time_the_one_goes_that_the_loss_feels_the_least() {
        for block in [1, 3] {
            let seen = seen(block);
            let order = least_first(&seen, &[1]).unwrap();
            assert_eq!(order[5], 1, "what is to go last goes last: {order:?}");
            for gone in 0..5 {
                let with = |one: usize| trace(&seen, &[&order[..gone], &[one]].concat());
                let best = order[gone..5].iter().copied().min_by(|&a, &b| with(a).total_cmp(&with(b)));
                assert_eq!(best, Some(order[gone]), "{block}, {gone}: {order:?}");
            }
        }
    }
}
