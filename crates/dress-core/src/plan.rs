//! A selection bound to the model it was made for.

use crate::{Axis, Basis, CausalLm, CorpusProvenance, CouplingMap, Error, Fingerprint, Scores, Selection};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the plan's file format that this crate writes and reads.
pub const PLAN_FORMAT: u32 = 2;

/// Least, median and greatest score of one axis, so that a plan shows what it was based on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoreSummary {
    /// The least score.
    pub min: f64,
    /// The median score.
    pub median: f64,
    /// The greatest score.
    pub max: f64,
    /// The greatest score among the structures that go.
    pub max_removed: Option<f64>,
    /// The scores below which no, one to nine, and all tenths of the structures are; absent in plans of
    /// before they were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deciles: Option<[f64; 11]>,
}

/// Which structures of one particular model go, written to disk as JSON and replayable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlicePlan {
    /// The file format's version, [`PLAN_FORMAT`].
    pub format: u32,
    /// The architecture of the model.
    pub architecture: String,
    /// The model the plan was made for.
    pub fingerprint: Fingerprint,
    /// The scorer's name.
    pub criterion: String,
    /// The seed of whatever was drawn.
    pub seed: u64,
    /// The data that scores were taken on, where there was any.
    pub calibration: Option<CorpusProvenance>,
    /// What the scores were like, per axis.
    pub scores: BTreeMap<Axis, ScoreSummary>,
    /// The coordinates of the residual stream in which it goes.
    #[serde(default)]
    pub basis: Basis,
    /// What goes.
    pub selection: Selection,
}

impl SlicePlan {
    /// Binds a selection to the model it was made for.
    ///
    /// # Errors
    /// As [`Selection::check`].
    pub fn new<M: CausalLm>(
        model: &M,
        criterion: &str,
        seed: u64,
        calibration: Option<CorpusProvenance>,
        scores: &Scores,
        selection: Selection,
    ) -> Result<Self, Error> {
        let fingerprint = Fingerprint::of(model);
        Self::with_fingerprint(model, fingerprint, criterion, seed, calibration, scores, selection)
    }

    /// As [`SlicePlan::new`], of a model that has no weights in memory.
    ///
    /// # Errors
    /// As [`SlicePlan::new`].
    pub fn with_fingerprint<M: CausalLm>(
        model: &M,
        fingerprint: Fingerprint,
        criterion: &str,
        seed: u64,
        calibration: Option<CorpusProvenance>,
        scores: &Scores,
        selection: Selection,
    ) -> Result<Self, Error> {
        selection.check(&model.coupling())?;
        let scores = scores.iter().map(|(axis, s)| (axis, summary(s, &selection, axis))).collect();
        Ok(Self {
            format: PLAN_FORMAT,
            architecture: model.architecture().into(),
            fingerprint,
            criterion: criterion.into(),
            seed,
            calibration,
            scores,
            basis: Basis::Identity,
            selection,
        })
    }

    /// The same plan, of channels in other coordinates.
    #[must_use]
    pub fn in_basis(mut self, basis: Basis) -> Self {
        self.basis = basis;
        self
    }

    /// Checks that this plan was made for `model`.
    ///
    /// # Errors
    /// [`Error::PlanForAnotherModel`] where it was not, and those of [`Selection::check`].
    pub fn check<M: CausalLm>(&self, model: &M) -> Result<(), Error> {
        self.check_fingerprint(Fingerprint::of(model), &model.coupling())
    }

    /// As [`SlicePlan::check`], of a model that is not in memory. A plan made by hand fits every model of its
    /// shape.
    ///
    /// # Errors
    /// As [`SlicePlan::check`].
    pub fn check_fingerprint(&self, found: Fingerprint, map: &CouplingMap) -> Result<(), Error> {
        if self.fingerprint.is_known() && found != self.fingerprint {
            return Err(Error::PlanForAnotherModel { expected: self.fingerprint.clone(), found });
        }
        self.selection.check(map)
    }

    /// Reads a plan from JSON text; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::PlanUnreadable`] and [`Error::PlanFormat`].
    pub fn from_json(text: &str, path: &Path) -> Result<Self, Error> {
        let unreadable = |cause| Error::PlanUnreadable { path: path.into(), cause };
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text).map_err(unreadable)?;
        if format != PLAN_FORMAT {
            return Err(Error::PlanFormat { path: path.into(), found: format, expected: PLAN_FORMAT });
        }
        serde_json::from_str(text).map_err(unreadable)
    }

    /// The plan as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan has only string keys and finite numbers")
    }
}

fn summary(scores: &[f64], selection: &Selection, axis: Axis) -> ScoreSummary {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let removed = selection.get(axis).map_or(&[][..], |s| s.removed());
    ScoreSummary {
        min: sorted.first().copied().unwrap_or(0.0),
        median: median(&sorted),
        max: sorted.last().copied().unwrap_or(0.0),
        max_removed: removed.iter().map(|&i| scores[i]).max_by(f64::total_cmp),
        deciles: deciles(&sorted),
    }
}

/// The score at every tenth of sorted ones, by the nearest rank.
fn deciles(sorted: &[f64]) -> Option<[f64; 11]> {
    let last = sorted.len().checked_sub(1)?;
    Some(std::array::from_fn(|tenths| sorted[(last * tenths + 5) / 10]))
}

/// The middle of sorted numbers, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => 0.0,
        (middle, 0) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        (middle, _) => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AxisSelection;

    #[test]
    fn a_summary_is_of_all_scores_and_of_those_that_go() {
        let axis = Axis::Residual;
        let selection = Selection::new().with(axis, AxisSelection::new(4, vec![0, 3]).unwrap());
        let found = summary(&[3.0, 9.0, 1.0, 5.0], &selection, axis);
        let deciles = Some([1.0, 1.0, 3.0, 3.0, 3.0, 5.0, 5.0, 5.0, 5.0, 9.0, 9.0]);
        let expected = ScoreSummary { min: 1.0, median: 4.0, max: 9.0, max_removed: Some(5.0), deciles };
        assert_eq!(found, expected);
        assert_eq!(summary(&[], &Selection::new(), axis).deciles, None);
        assert_eq!(summary(&[3.0, 9.0, 1.0], &Selection::new(), axis).median, 3.0);
        assert_eq!(summary(&[], &Selection::new(), axis).median, 0.0);
    }

    #[test]
    fn a_plan_of_another_model_is_refused_before_its_selection_is_looked_at() {
        let fingerprint = |name: &str| {
            let mut builder = Fingerprint::builder();
            builder.add(name, &[1], [1.0]);
            builder.finish()
        };
        let plan = SlicePlan {
            format: PLAN_FORMAT,
            architecture: "A".into(),
            fingerprint: fingerprint("a"),
            criterion: "random".into(),
            seed: 1,
            calibration: None,
            scores: BTreeMap::new(),
            basis: Basis::Identity,
            selection: Selection::new(),
        };
        assert!(plan.check_fingerprint(fingerprint("a"), &CouplingMap::new()).is_ok());
        let refused = plan.check_fingerprint(fingerprint("b"), &CouplingMap::new());
        assert!(matches!(refused, Err(Error::PlanForAnotherModel { .. })));
    }
}
