//! What the loss gains as channels go, and in which order it gains the least.
//!
//! The mathematics is that of the documentation of [`curvature`](super::curvature): `1/2 tr((Q_BB)^-1 M_BB)`
//! where channels `B` go.

use faer::linalg::solvers::{DenseSolveCore, Solve};
use faer::{Mat, Side};

/// In how many steps all structures of an axis go where their order is looked for.
pub(super) const STEPS: usize = 96;

/// What is known of the channels that one axis's readers read.
pub(super) struct Seen {
    /// Second moments of the channels, damped as the refit damps them. `[channels, channels]`
    pub activations: Mat<f64>,
    /// Second moments of the loss's gradients there. `[channels, channels]`
    pub gradients: Mat<f64>,
    /// Channels a structure.
    pub block: usize,
}

/// `1/2 tr((Q_BB)^-1 M_BB)` for every set of channels that go together with all before them.
///
/// With the channels in the reverse of the order in which they go, let `C` be the Cholesky factor of their
/// damped second moments. The leading block of `Q` in the order itself is then `L L'` with `L` the inverse of
/// `C'` in reverse, so that the trace is the sum of the last entries of the diagonal of `C' M C`.
///
/// # Errors
/// Why the second moments cannot be factored.
pub(super) fn gained(order: &[usize], seen: &Seen) -> Result<Vec<f64>, String> {
    let reversed: Vec<usize> = channels(seen.block, order.iter().copied()).into_iter().rev().collect();
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
        sum += 0.5 * finite(of_channel(channel))?.max(0.0);
        sums.push(sum);
    }
    Ok(sums)
}

/// The structures in an order in which the loss gains little: those go first that it feels the least, and
/// what reads the others is refitted before the next are chosen, in so many `steps`. `last`, in ascending
/// order, go last.
///
/// Where channels `B` go, the readers of the others `A` take over `-Q_AB (Q_BB)^-1` times their weights, so
/// that the loss's gradients there change by the same; what is left of `Q` is its Schur complement. Four
/// matrices of `[channels, channels]` are in memory beside what is seen, at most.
///
/// # Errors
/// Why the second moments cannot be factored.
pub(super) fn least_first(seen: &Seen, last: &[usize], steps: usize) -> Result<Vec<usize>, String> {
    let block = seen.block;
    let structures = seen.activations.nrows() / block;
    let mut left: Vec<usize> = (0..structures).collect();
    if last.len() == structures {
        left.reverse();
        return Ok(left);
    }
    let factored = |matrix: &Mat<f64>| matrix.llt(Side::Lower).map_err(|error| format!("{error:?}"));
    let mut precision = factored(&seen.activations)?.inverse();
    let mut gradients = seen.gradients.clone();
    let mut order = Vec::with_capacity(structures);
    while !left.is_empty() {
        let cost = |place: usize| -> Result<f64, String> {
            if last.binary_search(&left[place]).is_ok() {
                return Ok(f64::INFINITY);
            }
            let own = channels(block, [place]);
            let part = |whole| part(whole, &own, &own);
            let product = factored(&part(&precision))?.solve(part(&gradients));
            finite((0..own.len()).map(|i| product[(i, i)]).sum())
        };
        let costs = (0..left.len()).map(cost).collect::<Result<Vec<f64>, String>>()?;
        let mut places: Vec<usize> = (0..left.len()).collect();
        // Of equal costs the later structure goes first, as everywhere.
        places.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]).then(b.cmp(&a)));
        let mut stay = places.split_off(structures.div_ceil(steps).min(left.len()));
        order.extend(places.iter().map(|&place| left[place]));
        stay.sort_unstable();
        let (gone, kept) = (channels(block, places), channels(block, stay.iter().copied()));
        let of_both = part(&precision, &gone, &kept);
        let taken_over = factored(&part(&precision, &gone, &gone))?.solve(&of_both);
        let schur = taken_over.transpose() * &of_both;
        precision =
            Mat::from_fn(kept.len(), kept.len(), |i, j| precision[(kept[i], kept[j])] - schur[(i, j)]);
        drop(schur);
        let mut to_share = part(&gradients, &gone, &kept);
        to_share -= 0.5 * (part(&gradients, &gone, &gone) * &taken_over);
        let change = taken_over.transpose() * &to_share + to_share.transpose() * &taken_over;
        gradients =
            Mat::from_fn(kept.len(), kept.len(), |i, j| gradients[(kept[i], kept[j])] - change[(i, j)]);
        left = stay.iter().map(|&place| left[place]).collect();
    }
    Ok(order)
}

/// A sum of what the loss gains, which is a number unless its gradients were none.
fn finite(gained: f64) -> Result<f64, String> {
    if gained.is_finite() { Ok(gained) } else { Err("the loss's gradients are not finite".into()) }
}

/// The channels of some structures.
fn channels(block: usize, structures: impl IntoIterator<Item = usize>) -> Vec<usize> {
    structures.into_iter().flat_map(|s| s * block..(s + 1) * block).collect()
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
        let channels = channels(seen.block, gone.iter().copied());
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

    /// Every structure that goes is the one that adds the least to the trace of those before it, or where
    /// several go at once, of those of the steps before.
    #[test]
    fn each_time_those_go_that_the_loss_feels_the_least() {
        for (block, steps) in [(1, 6), (3, 6), (1, 3), (3, 3)] {
            let (seen, at_once) = (seen(block), 6 / steps);
            let order = least_first(&seen, &[1], steps).unwrap();
            assert_eq!(order[5], 1, "what is to go last goes last: {order:?}");
            for before in (0..6).step_by(at_once) {
                let gained = |one: usize| {
                    let with = trace(&seen, &[&order[..before], &[one]].concat());
                    if one == 1 { f64::INFINITY } else { with }
                };
                let mut rest = order[before..].to_vec();
                rest.sort_by(|&a, &b| gained(a).total_cmp(&gained(b)));
                assert_eq!(rest[..at_once], order[before..before + at_once], "{block}, {steps}: {order:?}");
            }
        }
        let all: Vec<usize> = (0..6).collect();
        assert_eq!(
            least_first(&seen(1), &all, 6).unwrap(),
            [5, 4, 3, 2, 1, 0],
            "of equals the later one first"
        );
    }

    #[test]
    fn gradients_that_are_no_numbers_are_an_error() {
        let mut seen = seen(1);
        seen.gradients[(2, 2)] = f64::NAN;
        assert!(gained(&[0, 1, 2, 3, 4, 5], &seen).unwrap_err().contains("not finite"));
        assert!(least_first(&seen, &[], 6).unwrap_err().contains("not finite"));
    }
}
