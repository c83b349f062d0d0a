//! How much of an axis goes.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The share of an axis that is removed, in `[0, 1)`.
///
/// # Examples
/// ```
/// use dress_core::Ratio;
///
/// let quarter: Ratio = "0.25".parse()?;
/// assert_eq!(quarter.kept(576, 1), 432);
/// // Where only multiples of 64 will do.
/// assert_eq!(quarter.kept(576, 64), 448);
/// assert!(Ratio::new(1.0).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(f64);

impl Ratio {
    /// Checks and wraps a share.
    ///
    /// # Errors
    /// [`Error::RatioOutOfRange`] where it is not in `[0, 1)`.
    pub fn new(value: f64) -> Result<Self, Error> {
        if (0.0..1.0).contains(&value) { Ok(Self(value)) } else { Err(Error::RatioOutOfRange { value }) }
    }

    /// The share as a number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// How many of `len` structures to keep: the multiple of `step` nearest to
    /// `(1 - ratio) * len`, at least one `step`, at most `len`.
    pub fn kept(self, len: usize, step: usize) -> usize {
        let step = step.max(1);
        let steps = ((1.0 - self.0) * len as f64 / step as f64).round() as usize;
        (steps.max(1) * step).min(len)
    }
}

impl TryFrom<f64> for Ratio {
    type Error = Error;

    fn try_from(value: f64) -> Result<Self, Error> {
        Self::new(value)
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> f64 {
        ratio.0
    }
}

impl FromStr for Ratio {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let value = text.parse().map_err(|_| Error::RatioNotANumber { text: text.into() })?;
        Self::new(value)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_out_of_range_is_an_error() {
        for value in [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
            let message = Ratio::new(value).unwrap_err().to_string();
            assert!(message.contains("0 <= ratio < 1"), "{message}");
        }
    }

    #[test]
    fn kept_rounds_to_the_nearest_multiple() {
        let quarter = Ratio::new(0.25).unwrap();
        assert_eq!(quarter.kept(576, 9), 432);
        assert_eq!(Ratio::new(0.3).unwrap().kept(576, 9), 405);
        assert_eq!(Ratio::new(0.99).unwrap().kept(576, 9), 9);
        assert_eq!(Ratio::new(0.0).unwrap().kept(100, 64), 100);
        assert_eq!(quarter.kept(3, 1), 2);
    }
}
