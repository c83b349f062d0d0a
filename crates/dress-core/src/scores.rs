//! What a scorer says of every structure.

use crate::{Axis, Error};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much each structure of each scored axis matters; higher stays.
///
/// # Examples
/// ```
/// use dress_core::{Axis, Scores};
///
/// let mut scores = Scores::new();
/// scores.insert(Axis::Residual, vec![0.5, 2.0, 1.0])?;
/// assert_eq!(scores.get(Axis::Residual), Some(&[0.5, 2.0, 1.0][..]));
/// assert!(scores.insert(Axis::Residual, vec![f64::NAN]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scores {
    axes: BTreeMap<Axis, Vec<f64>>,
}

impl Scores {
    /// No scores.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one axis's scores, one a structure.
    ///
    /// # Errors
    /// [`Error::ScoreNotFinite`] where a score is NaN or infinite, which weights with NaN in them
    /// and overflowing activations lead to.
    pub fn insert(&mut self, axis: Axis, scores: Vec<f64>) -> Result<(), Error> {
        if let Some(index) = scores.iter().position(|s| !s.is_finite()) {
            return Err(Error::ScoreNotFinite { axis: axis.to_string(), index });
        }
        self.axes.insert(axis, scores);
        Ok(())
    }

    /// Adds the scores of other axes.
    pub fn extend(&mut self, other: Scores) {
        self.axes.extend(other.axes);
    }

    /// The scores of one axis.
    pub fn get(&self, axis: Axis) -> Option<&[f64]> {
        self.axes.get(&axis).map(Vec::as_slice)
    }

    /// Every scored axis, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Axis, &[f64])> {
        self.axes.iter().map(|(axis, scores)| (*axis, scores.as_slice()))
    }
}
