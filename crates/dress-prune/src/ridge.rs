//! Projections refitted by ridge regression in closed form.

use crate::Error;
use crate::projection::{CompensatedProjection, Projection};
use crate::token_moments::TokenMoments;
use dress_core::{AxisSelection, Slot};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// The share of the mean second moment that is added to the diagonal.
const DAMPING: f64 = 1e-3;

/// The share of its own second moment that is added to each channel's. What two channels say together on the
/// calibration blocks they do not all say together on other text. On SmolLM2 with three fifths of its neurons
/// the perplexity of WikiText-2 and of C4 falls by 1 to 2% with 16 blocks of 1024 tokens to refit on, and by
/// 6% with 8.
pub(crate) const SHRINKAGE: f64 = 0.3;

/// The least that is added to the diagonal of the second moments of channels, given theirs.
pub(crate) fn least_damping(second: impl Fn(usize) -> f64, channels: usize) -> f64 {
    let mean = (0..channels).map(second).sum::<f64>() / channels as f64;
    (DAMPING * mean).max(f64::MIN_POSITIVE)
}

impl Projection {
    /// The projection that reads what stays and comes nearest to what this one made of everything, by the
    /// moments of what it reads. What goes is zero.
    ///
    /// # Errors
    /// [`Error::Solve`].
    pub fn refit(
        self,
        chosen: &AxisSelection,
        slot: &Slot,
        moments: &TokenMoments,
    ) -> Result<(Self, CompensatedProjection), Error> {
        let channels = |structures: &[usize]| -> Vec<usize> {
            structures.iter().flat_map(|&s| s * slot.block..(s + 1) * slot.block).collect()
        };
        let (kept, gone) = (channels(&chosen.kept()), channels(chosen.removed()));
        let centred = self.bias.is_some();
        let outputs = self.weight.ncols();
        let weight = |channel: usize, output: usize| self.weight[(channel, output)];
        let of_kept = Mat::from_fn(kept.len(), outputs, |i, j| weight(kept[i], j));
        let of_gone = Mat::from_fn(gone.len(), outputs, |i, j| weight(gone[i], j));
        let moment = |rows: &[usize], columns: &[usize]| {
            Mat::from_fn(rows.len(), columns.len(), |i, j| moments.second(rows[i], columns[j], centred))
        };
        let (kk, kg, gg) = (moment(&kept, &kept), moment(&kept, &gone), moment(&gone, &gone));
        let least = least_damping(|i| kk[(i, i)], kept.len());
        let damping: Vec<f64> = (0..kept.len()).map(|i| least + SHRINKAGE * kk[(i, i)]).collect();
        // What the kept channels have to add to say what the others said: (K + damping)^-1 G W.
        let damped = Mat::from_fn(kept.len(), kept.len(), |i, j| {
            0.5 * (kk[(i, j)] + kk[(j, i)]) + if i == j { damping[i] } else { 0.0 }
        });
        let parameter = slot.parameter.clone();
        let solver = damped
            .llt(Side::Lower)
            .map_err(|error| Error::Solve { parameter: parameter.clone(), reason: format!("{error:?}") })?;
        let added = solver.solve(&kg * &of_gone);
        // Energies: tr(G' g G), tr(A' K A) - 2 tr(A' k G), and of the whole output.
        let lost = inner(&of_gone, &(&gg * &of_gone));
        let made_up = inner(&added, &(&kk * &added)) - 2.0 * inner(&added, &(&kg * &of_gone));
        let whole = inner(&of_kept, &(&kk * &of_kept)) + 2.0 * inner(&of_kept, &(&kg * &of_gone)) + lost;
        let bias_lost = if centred { Self::mean_lost(&of_gone, &gone, moments) } else { 0.0 };
        let whole = (whole + bias_lost).max(f64::MIN_POSITIVE);
        let line = CompensatedProjection {
            error_without: (lost + bias_lost) / whole,
            error_with: (lost + made_up) / whole,
            damping: damping.iter().sum::<f64>() / damping.len() as f64,
            parameter,
        };
        let refitted = Mat::from_fn(self.weight.nrows(), outputs, |channel, output| {
            kept.binary_search(&channel).map_or(0.0, |i| of_kept[(i, output)] + added[(i, output)])
        });
        let bias = self.bias.map(|mut bias| {
            for (output, bias) in bias.iter_mut().enumerate() {
                *bias += gone
                    .iter()
                    .enumerate()
                    .map(|(i, &c)| moments.mean(c) * of_gone[(i, output)])
                    .sum::<f64>();
                *bias -=
                    kept.iter().enumerate().map(|(i, &c)| moments.mean(c) * added[(i, output)]).sum::<f64>();
            }
            bias
        });
        Ok((Self { weight: refitted, bias }, line))
    }

    /// The energy of the mean of what went.
    fn mean_lost(of_gone: &Mat<f64>, gone: &[usize], moments: &TokenMoments) -> f64 {
        let output = |output: usize| -> f64 {
            gone.iter().enumerate().map(|(i, &c)| moments.mean(c) * of_gone[(i, output)]).sum()
        };
        (0..of_gone.ncols()).map(|j| output(j).powi(2)).sum()
    }
}

/// The sum of the products of the elements of two matrices.
fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j))).map(|at| a[at] * b[at]).sum()
}
