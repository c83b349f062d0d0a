//! Ranking structures.

use crate::{Axis, Calibration, CausalLm, Error, Progress, Scores};

/// Says how much each structure matters to a model.
///
/// A scorer that looks at weights finds a structure's by the slots of the model's
/// [`coupling`](CausalLm::coupling). One that looks at activations gives a [`Tap`] to a forward pass, which
/// then shows it every [`Site`] that it comes through. [`Site::axis`] says which axis the last dimension of
/// an activation runs over. Where the axis has `n` structures and the dimension is `width` long, structure
/// `i` owns `i * width / n .. (i + 1) * width / n` of it: one channel or neuron, or all channels of the query
/// heads of a head group. `dress::PruneJob::run_scored_by` takes a scorer in place of a recipe's criteria.
///
/// [`Tap`]: crate::Tap
/// [`Site`]: crate::Site
/// [`Site::axis`]: crate::Site::axis
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
///
/// The greatest activation of each structure, of any axis but the layers:
/// ```
/// use dress_core::burn::tensor::Tensor;
/// use dress_core::{Axis, Calibration, CausalLm, Error, Forward, Progress, Scorer, Scores, Site, Tap, Unit};
/// use std::collections::BTreeMap;
///
/// /// The greatest size of each channel that passed, at all sites of an axis.
/// #[derive(Default)]
/// struct Greatest(BTreeMap<Axis, Vec<f64>>);
///
/// impl Tap for Greatest {
///     fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
///         let [_, _, width] = value.dims();
///         let found = value.clone().abs().max_dim(1).max_dim(0).into_data();
///         let known = self.0.entry(site.axis()).or_insert_with(|| vec![0.0; width]);
///         known.iter_mut().zip(found.iter::<f64>()).for_each(|(known, found)| *known = known.max(found));
///         // The forward pass goes on with it.
///         value
///     }
/// }
///
/// struct GreatestActivation;
///
/// impl<M: CausalLm> Scorer<M> for GreatestActivation {
///     fn name(&self) -> &str {
///         "greatest-activation"
///     }
///     fn needs_calibration(&self) -> bool {
///         true
///     }
///     fn score(
///         &self,
///         model: &M,
///         text: &Calibration,
///         axes: &[Axis],
///         progress: &dyn Progress,
///     ) -> Result<Scores, Error> {
///         text.require(model, "greatest-activation")?;
///         let mut greatest = Greatest::default();
///         let stage = progress.begin("greatest-activation", Unit::Blocks, text.blocks.len() as u64);
///         for block in &text.blocks {
///             let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
///             model.forward(tokens, &mut Forward::new(&mut greatest));
///             stage.advance(1)?;
///         }
///         let (map, mut scores) = (model.coupling(), Scores::new());
///         for &axis in axes {
///             let nothing = || Error::other(format!("no activation is of axis `{axis}`"));
///             let channels = greatest.0.get(&axis).ok_or_else(nothing)?;
///             let greatest_of = |channels: &[f64]| channels.iter().copied().fold(0.0, f64::max);
///             let each = channels.len() / map.axis(axis)?.len;
///             scores.insert(axis, channels.chunks(each).map(greatest_of).collect())?;
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
