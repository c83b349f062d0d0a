//! Plans that somebody wrote: which structures of which axes go, and nothing else.

use crate::{Axis, AxisSelection, Basis, CausalLm, Error, Fingerprint, PLAN_FORMAT, Selection, SlicePlan};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What a plan says that was made by hand, or by a program of these crates.
#[derive(Deserialize)]
struct WrittenPlan {
    selection: BTreeMap<Axis, WrittenAxis>,
}

/// What goes of one axis.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenAxis {
    /// `[3, 7]`
    Removed(Vec<usize>),
    /// `{"removed": [3, 7]}` or `{"kept": [0, 1, 2]}`
    Named {
        #[serde(default)]
        removed: Option<Vec<usize>>,
        #[serde(default)]
        kept: Option<Vec<usize>>,
    },
}

impl WrittenAxis {
    /// The indices that go of `len`.
    fn removed(self, len: usize) -> Vec<usize> {
        match self {
            Self::Removed(removed) | Self::Named { removed: Some(removed), .. } => removed,
            Self::Named { kept: Some(kept), .. } => (0..len).filter(|index| !kept.contains(index)).collect(),
            Self::Named { .. } => Vec::new(),
        }
    }
}

impl SlicePlan {
    /// As [`SlicePlan::from_json`], of a plan for `model` that need only say which structures of which axes
    /// go, as `{"selection": {"ffn.0": [3, 7]}}`. What it does not say of the model it is for is taken to be
    /// `model`, which need not have its weights.
    ///
    /// # Errors
    /// Those of [`SlicePlan::from_json`], of [`AxisSelection::new`] and of [`Selection::check`].
    ///
    /// # Examples
    /// ```
    /// # // The family of a small model is in another crate.
    /// use dress_core::SlicePlan;
    ///
    /// fn neurons<M: dress_core::CausalLm>(model: &M) -> Result<SlicePlan, dress_core::Error> {
    ///     SlicePlan::for_model(r#"{"selection": {"ffn.0": [3, 7]}}"#, "mine.json".as_ref(), model)
    /// }
    /// ```
    pub fn for_model<M: CausalLm>(text: &str, path: &Path, model: &M) -> Result<Self, Error> {
        let is_by_hand = serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|value| value.get("selection").is_some() && value.get("format").is_none());
        if !is_by_hand {
            return Self::from_json(text, path);
        }
        let unreadable = |cause| Error::PlanUnreadable { path: path.into(), cause };
        let written: WrittenPlan = serde_json::from_str(text).map_err(unreadable)?;
        let map = model.coupling();
        let mut selection = Selection::new();
        for (axis, of) in written.selection {
            let len = map.axis(axis)?.len;
            selection = selection.with(axis, AxisSelection::new(len, of.removed(len))?);
        }
        selection.check(&map)?;
        Ok(Self {
            format: PLAN_FORMAT,
            architecture: model.architecture().into(),
            fingerprint: Fingerprint::unknown(),
            criterion: "by hand".into(),
            seed: 0,
            calibration: None,
            scores: BTreeMap::new(),
            basis: Basis::Identity,
            selection,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_of_an_axis_is_written_in_three_ways() {
        let removed = |text: &str| serde_json::from_str::<WrittenAxis>(text).unwrap().removed(4);
        for text in
            ["[0, 3]", r#"{"removed": [0, 3]}"#, r#"{"kept": [1, 2]}"#, r#"{"len": 4, "removed": [0, 3]}"#]
        {
            assert_eq!(removed(text), [0, 3], "{text}");
        }
    }
}
