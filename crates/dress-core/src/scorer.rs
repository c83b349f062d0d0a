//! Ranking structures.

use crate::{Axis, Calibration, CausalLm, Error, Progress, Scores};

/// Says how much each structure matters to a model.
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
