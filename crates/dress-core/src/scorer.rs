//! Ranking structures.

use crate::{Axis, Calibration, CausalLm, Error, Progress, Scores};

/// Says how much each structure matters to a model.
///
/// # Examples
/// ```
/// use dress_core::{Axis, Calibration, CausalLm, Error, Progress, Scorer, Scores};
///
/// /// The later a structure comes, the less it matters.
/// struct Place;
///
/// impl<M: CausalLm> Scorer<M> for Place {
///     fn name(&self) -> &str {
///         "place"
///     }
///     fn needs_calibration(&self) -> bool {
///         false
///     }
///     fn score(&self, model: &M, _: &Calibration, axes: &[Axis], _: &dyn Progress) -> Result<Scores, Error> {
///         let (map, mut scores) = (model.coupling(), Scores::new());
///         for &axis in axes {
///             let len = map.axis(axis)?.len;
///             scores.insert(axis, (0..len).rev().map(|place| place as f64).collect())?;
///         }
///         Ok(scores)
///     }
/// }
/// ```
pub trait Scorer<M: CausalLm> {
    /// The name a plan records, such as `taylor`.
    fn name(&self) -> &str;

    /// Whether [`Scorer::score`] looks at the calibration set.
    fn needs_calibration(&self) -> bool;

    /// The seed that the scores depend on, where the scorer draws.
    fn seed(&self) -> Option<u64> {
        None
    }

    /// Scores every structure of every one of `axes`; higher stays.
    ///
    /// # Errors
    /// [`Error::AxisNotInModel`] where the model lacks one of `axes`,
    /// [`Error::CalibrationEmpty`] where data is needed and there is none, and
    /// [`Error::ScoreNotFinite`] where a score is not a number.
    fn score(
        &self,
        model: &M,
        calibration: &Calibration,
        axes: &[Axis],
        progress: &dyn Progress,
    ) -> Result<Scores, Error>;
}
