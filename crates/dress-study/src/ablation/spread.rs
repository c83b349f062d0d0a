//! A figure over several seeds.

use serde::{Deserialize, Serialize};

/// The mean of a figure, and how far single runs are from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Spread {
    /// Of `values`, where there are any.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let (first, count) = (*values.first()?, values.len() as f64);
        Some(Self {
            mean: values.iter().sum::<f64>() / count,
            least: values.iter().copied().fold(first, f64::min),
            greatest: values.iter().copied().fold(first, f64::max),
        })
    }

    /// `24.30 (23.98 to 24.61)` as `write` writes numbers; the mean alone where the others read the same.
    pub fn text(&self, write: impl Fn(f64) -> String) -> String {
        let [mean, least, greatest] = [self.mean, self.least, self.greatest].map(write);
        if least == greatest { mean } else { format!("{mean} ({least} to {greatest})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_stands_beside_the_mean_where_there_is_one() {
        let two = |value: f64| format!("{value:.1}");
        let spread = Spread::of([2.0, 1.0, 6.0]).unwrap();
        assert_eq!(spread.text(two), "3.0 (1.0 to 6.0)");
        assert_eq!(Spread::of([2.0, 2.01]).unwrap().text(two), "2.0");
        assert_eq!(Spread::of([]), None);
    }
}
