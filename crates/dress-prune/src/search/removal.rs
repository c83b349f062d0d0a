//! In which order the structures of one axis go, where what reads them is refitted after each.
//!
//! The readers' weights `W` are to give the same outputs on the calibration activations `X` without some of the channels:
//! `|X W - X W'|^2` is least for a `W'` in closed form. Taking channels `B` out of a problem that is solved already costs
//! `tr(W_B' (Q_BB)^-1 W_B)`, where `Q` is the inverse of the channels' second moments (Optimal Brain Surgeon for whole structures:
//! Hassibi and Stork 1993; ZipLM, arXiv 2302.04089), and the rest becomes `W - Q_B (Q_BB)^-1 W_B`. The structure that
//! costs least goes, and so on.

use crate::Error;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// Channels of which the least goes next, where a structure is one channel.
const POOL: usize = 64;

/// How many of a pool go before the whole is brought up to date.
const AT_ONCE: usize = 16;

/// What is known of an axis once its structures went in order.
#[derive(Debug, Clone)]
pub(crate) struct Removal {
    /// The structures in the order in which they go.
    pub order: Vec<usize>,
    /// The error's energy after each, over the energy of the outputs.
    pub errors: Vec<f64>,
    /// The readers' weights, an input channel a row, after as many went as was asked for.
    pub weights: Vec<(usize, Mat<f64>)>,
}

/// Takes structures of `block` channels out, one after the other, until the greatest of `counts` are gone.
///
/// `weight` has an input channel a row; `moments` are the channels' second moments with their damping.
///
/// # Errors
/// [`Error::Solve`].
pub(crate) fn removal(
    weight: Mat<f64>,
    moments: &Mat<f64>,
    block: usize,
    counts: &[usize],
    parameter: &str,
) -> Result<Removal, Error> {
    let failed = |reason: String| Error::Solve { parameter: parameter.into(), reason };
    let solver = moments.llt(Side::Lower).map_err(|error| failed(format!("{error:?}")))?;
    let identity = Mat::<f64>::identity(moments.nrows(), moments.ncols());
    let energy = inner(&weight, &(moments * &weight)).max(f64::MIN_POSITIVE);
    let structures = weight.nrows() / block;
    let mut problem = Problem {
        inverse: solver.solve(identity),
        weight,
        block,
        left: (0..structures).collect(),
        lost: 0.0,
    };
    let most = counts.iter().copied().max().unwrap_or(0).min(structures);
    let (mut order, mut errors, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    while order.len() < most {
        // No further than the next count that is asked for.
        let next = counts.iter().filter(|&&count| count > order.len()).min().map_or(most, |count| *count);
        let (gone, costs) = problem.least(next - order.len()).map_err(failed)?;
        problem.take_out(&gone).map_err(failed)?;
        for (structure, cost) in gone.into_iter().zip(costs) {
            problem.lost += cost;
            order.push(structure);
            errors.push(problem.lost / energy);
        }
        if counts.contains(&order.len()) {
            weights.push((order.len(), problem.weight.clone()));
        }
    }
    Ok(Removal { order, errors, weights })
}

/// The readers of the channels that are left.
struct Problem {
    /// Of the second moments of what is left; zero where channels are gone.
    inverse: Mat<f64>,
    /// Zero where channels are gone.
    weight: Mat<f64>,
    block: usize,
    left: Vec<usize>,
    lost: f64,
}

impl Problem {
    /// The structures that go next, at most `most`, and what each costs.
    fn least(&self, most: usize) -> Result<(Vec<usize>, Vec<f64>), String> {
        let mut costs = Vec::with_capacity(self.left.len());
        for &structure in &self.left {
            costs.push((self.cost(structure)?, structure));
        }
        costs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        if self.block > 1 {
            let (cost, structure) = costs[0];
            return Ok((vec![structure], vec![cost]));
        }
        let pool: Vec<usize> = costs.iter().take(POOL).map(|(_, structure)| *structure).collect();
        Ok(self.least_of(&pool, most.min(AT_ONCE)))
    }

    /// What it costs to take one structure out.
    fn cost(&self, structure: usize) -> Result<f64, String> {
        if self.block == 1 {
            let row = self.weight.row(structure);
            return Ok(
                row.iter().map(|weight| weight * weight).sum::<f64>() / self.inverse[(structure, structure)]
            );
        }
        let channels = self.channels(&[structure]);
        let (own, weight) = (self.inverse_of(&channels, &channels), self.rows(&channels));
        let solver = own.llt(Side::Lower).map_err(|error| format!("{error:?}"))?;
        Ok(inner(&weight, &solver.solve(weight.clone())))
    }

    /// Of a pool of single channels, those that go one after the other, each after what the ones before it changed.
    fn least_of(&self, pool: &[usize], most: usize) -> (Vec<usize>, Vec<f64>) {
        let (mut inverse, mut weight) = (self.inverse_of(pool, pool), self.rows(pool));
        let mut left: Vec<usize> = (0..pool.len()).collect();
        let (mut gone, mut costs) = (Vec::new(), Vec::new());
        while gone.len() < most.min(pool.len()) {
            let cost = |&i: &usize| {
                weight.row(i).iter().map(|weight| weight * weight).sum::<f64>() / inverse[(i, i)]
            };
            let found = left.iter().enumerate().map(|(place, i)| (place, cost(i)));
            let Some((place, cost)) = found.min_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            let out = left.remove(place);
            let column: Vec<f64> = left.iter().map(|&i| inverse[(i, out)] / inverse[(out, out)]).collect();
            for (&i, share) in left.iter().zip(&column) {
                for output in 0..weight.ncols() {
                    weight[(i, output)] -= share * weight[(out, output)];
                }
                for &j in &left {
                    inverse[(i, j)] -= share * inverse[(out, j)];
                }
            }
            gone.push(pool[out]);
            costs.push(cost);
        }
        (gone, costs)
    }

    /// Refits the rest to the outputs without these structures.
    fn take_out(&mut self, structures: &[usize]) -> Result<(), String> {
        let channels = self.channels(structures);
        let everything: Vec<usize> = (0..self.weight.nrows()).collect();
        let (own, across) = (self.inverse_of(&channels, &channels), self.inverse_of(&everything, &channels));
        let solver = own.llt(Side::Lower).map_err(|error| format!("{error:?}"))?;
        let of_weight = solver.solve(self.rows(&channels));
        let of_inverse = solver.solve(across.transpose().to_owned());
        self.weight -= &across * &of_weight;
        self.inverse -= &across * &of_inverse;
        for &channel in &channels {
            for output in 0..self.weight.ncols() {
                self.weight[(channel, output)] = 0.0;
            }
            for other in 0..self.inverse.nrows() {
                self.inverse[(channel, other)] = 0.0;
                self.inverse[(other, channel)] = 0.0;
            }
        }
        self.left.retain(|structure| !structures.contains(structure));
        Ok(())
    }

    fn channels(&self, structures: &[usize]) -> Vec<usize> {
        structures.iter().flat_map(|&s| s * self.block..(s + 1) * self.block).collect()
    }

    fn inverse_of(&self, rows: &[usize], columns: &[usize]) -> Mat<f64> {
        Mat::from_fn(rows.len(), columns.len(), |i, j| self.inverse[(rows[i], columns[j])])
    }

    fn rows(&self, rows: &[usize]) -> Mat<f64> {
        Mat::from_fn(rows.len(), self.weight.ncols(), |i, j| self.weight[(rows[i], j)])
    }
}

/// The sum of the products of the elements of two matrices.
fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j))).map(|at| a[at] * b[at]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Activations of 200 tokens over `width` channels, the second half of which nearly repeats the first.
    fn activations(width: usize) -> Mat<f64> {
        let wave = |token: usize, channel: usize| ((token * (2 * channel + 3)) as f64 * 0.37).sin();
        Mat::from_fn(200, width, |token, channel| {
            let half = width / 2;
            wave(token, channel % half) + if channel >= half { 0.05 * wave(token, channel + 7) } else { 0.0 }
        })
    }

    fn moments(x: &Mat<f64>) -> Mat<f64> {
        let second = x.transpose() * x;
        Mat::from_fn(x.ncols(), x.ncols(), |i, j| second[(i, j)] / 200.0 + if i == j { 1e-9 } else { 0.0 })
    }

    fn energy(x: &Mat<f64>, weight: &Mat<f64>) -> f64 {
        let out = x * weight;
        inner(&out, &out) / 200.0
    }

    #[test]
    fn the_errors_are_those_of_the_refitted_weights() {
        for (block, counts) in [(1, vec![3, 20]), (4, vec![2])] {
            let (x, weight) = (activations(24), Mat::from_fn(24, 5, |i, j| ((i * 5 + j) as f64).cos()));
            let found = removal(weight.clone(), &moments(&x), block, &counts, "w").unwrap();
            for (count, refitted) in &found.weights {
                let difference = Mat::from_fn(24, 5, |i, j| refitted[(i, j)] - weight[(i, j)]);
                let error = energy(&x, &difference) / energy(&x, &weight);
                let said = found.errors[count - 1];
                assert!((error - said).abs() < 1e-5 + 0.01 * error, "{count}: {error} {said}");
                let gone = &found.order[..*count];
                assert!(gone.iter().all(|&s| refitted[(s * block, 0)] == 0.0));
            }
            assert!(found.errors.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", found.errors);
        }
    }

    #[test]
    fn of_two_that_say_the_same_only_one_goes_cheaply() {
        let (x, weight) = (activations(24), Mat::from_fn(24, 5, |i, j| ((i * 5 + j) as f64).cos()));
        let found = removal(weight, &moments(&x), 1, &[12], "w").unwrap();
        let mut kinds: Vec<usize> = found.order.iter().map(|channel| channel % 12).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, (0..12).collect::<Vec<_>>(), "one of each pair");
    }
}
