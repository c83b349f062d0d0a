//! Two models on the same blocks or rows.

use crate::WindowLoss;
use serde::{Deserialize, Serialize};

/// How far one model is from another where both were measured on the same blocks or rows. What is hard is
/// hard for both, so the error of the difference is far below that of either mean.
///
/// # Examples
/// ```
/// use dress_eval::PairedDifference;
///
/// // The rows differ by far more than the models do.
/// let found = PairedDifference::of_values(&[1.0, 5.0, 3.0], &[1.25, 5.25, 3.25]).unwrap();
/// assert_eq!((found.difference, found.standard_error), (0.25, Some(0.0)));
/// assert!(PairedDifference::of_values(&[1.0], &[1.0, 2.0]).is_none(), "those are not the same rows");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// The other's mean minus the first's: in nats a token where losses are compared.
    pub difference: f64,
    /// Its standard error over pairs; absent for a single pair.
    pub standard_error: Option<f64>,
    /// How many blocks or rows were paired.
    pub pairs: usize,
}

impl PairedDifference {
    /// How much more `other` loses than `first`, in nats a token. None where they were not measured on the
    /// same windows.
    pub fn of_losses(first: &[WindowLoss], other: &[WindowLoss]) -> Option<Self> {
        let same = first.iter().map(|window| window.targets).eq(other.iter().map(|window| window.targets));
        let targets: usize = first.iter().map(|window| window.targets).sum();
        if !same || targets == 0 {
            return None;
        }
        let pairs = || first.iter().zip(other);
        let difference = pairs().map(|(a, b)| b.nats - a.nats).sum::<f64>() / targets as f64;
        // How far each window is off counts by its tokens, as in the mean: that of a ratio of two sums.
        let mean = targets as f64 / first.len() as f64;
        let off = pairs().map(|(a, b)| (b.nats - a.nats - difference * a.targets as f64) / mean);
        Some(Self::about(difference, off.collect()))
    }

    /// How much greater the mean of `other` is than that of `first`. None where there are not as many of
    /// both, or none.
    pub fn of_values(first: &[f64], other: &[f64]) -> Option<Self> {
        if first.len() != other.len() || first.is_empty() {
            return None;
        }
        let each = || first.iter().zip(other).map(|(a, b)| b - a);
        let difference = each().sum::<f64>() / first.len() as f64;
        Some(Self::about(difference, each().map(|one| one - difference).collect()))
    }

    /// With how far every pair is off the difference.
    fn about(difference: f64, off: Vec<f64>) -> Self {
        let count = off.len() as f64;
        let variance = off.iter().map(|one| one.powi(2)).sum::<f64>() / (count - 1.0);
        let standard_error = (off.len() > 1).then(|| (variance / count).sqrt());
        Self { difference, standard_error, pairs: off.len() }
    }

    /// Of losses: by how many percent the perplexity is greater, and the standard error of that.
    ///
    /// # Examples
    /// ```
    /// use dress_eval::PairedDifference;
    ///
    /// let found = PairedDifference { difference: 1.1f64.ln(), standard_error: None, pairs: 1 };
    /// assert!((found.percent_of_perplexity().0 - 10.0).abs() < 1e-9);
    /// ```
    pub fn percent_of_perplexity(&self) -> (f64, Option<f64>) {
        let times = self.difference.exp();
        (100.0 * (times - 1.0), self.standard_error.map(|error| 100.0 * times * error))
    }

    /// Whether the difference is more than twice its error, so that it is hardly by chance. A single pair
    /// says nothing of that.
    pub fn is_clear(&self) -> bool {
        self.standard_error.is_some_and(|error| self.difference.abs() > 2.0 * error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(losses: &[(f64, usize)]) -> Vec<WindowLoss> {
        losses.iter().map(|&(nats, targets)| WindowLoss { nats, targets }).collect()
    }

    #[test]
    fn a_difference_of_losses_is_that_of_the_means_over_tokens() {
        let (first, other) = (windows(&[(6.0, 2), (4.0, 4)]), windows(&[(8.0, 2), (5.0, 4)]));
        let found = PairedDifference::of_losses(&first, &other).unwrap();
        assert_eq!((found.difference, found.pairs), (0.5, 2));
        // The windows' own differences are 1 and 0.25 nats a token, and they have 2/3 and 4/3 of their mean number of tokens.
        let variance = (2.0f64 / 3.0 * 0.5).powi(2) + (4.0f64 / 3.0 * -0.25).powi(2);
        assert!((found.standard_error.unwrap() - (variance / 2.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_window_of_few_tokens_says_little_of_the_error() {
        let mut first = vec![(200.0, 100); 4];
        let mut other = vec![(210.0, 100), (211.0, 100), (209.0, 100), (210.0, 100)];
        let whole = PairedDifference::of_losses(&windows(&first), &windows(&other)).unwrap();
        first.push((2.0, 1));
        other.push((3.0, 1));
        let more = PairedDifference::of_losses(&windows(&first), &windows(&other)).unwrap();
        assert!(more.standard_error.unwrap() < 2.0 * whole.standard_error.unwrap(), "{more:?} {whole:?}");
        assert!(more.is_clear());
    }

    #[test]
    fn windows_of_other_lengths_are_not_paired() {
        assert!(PairedDifference::of_losses(&windows(&[(6.0, 2)]), &windows(&[(6.0, 3)])).is_none());
        assert!(PairedDifference::of_losses(&[], &[]).is_none());
    }

    #[test]
    fn a_difference_is_clear_beside_its_error() {
        let found = |difference, standard_error| PairedDifference { difference, standard_error, pairs: 4 };
        assert!(found(-0.3, Some(0.1)).is_clear() && !found(0.1, Some(0.1)).is_clear());
        assert!(!found(0.3, None).is_clear());
    }
}
