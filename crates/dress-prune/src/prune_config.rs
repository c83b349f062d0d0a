//! What is asked of a run, with what follows from the model settled.

use crate::{
    Allocation, AxisTarget, Compensation, Distill, Error, LocalError, LocalInputs, Protected,
    RegularizeConfig,
};
use dress_core::{Axis, AxisKind, Basis, CouplingMap, StockTarget};
use dress_train::GradientCheckpointing;
use serde::{Deserialize, Serialize};

/// What goes, and how it is prepared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PruneConfig {
    /// How much of which axes goes.
    pub targets: Vec<AxisTarget>,
    /// The coordinates in which the residual width is sliced. In another basis than the checkpoint's its
    /// structures are scored by the energy they carry.
    pub basis: Basis,
    /// The regularization before slicing; without it, structures are cut as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regularize: Option<RegularizeConfig>,
    /// How the projections behind sliced feed-forward and head axes make up for what goes.
    pub compensation: Compensation,
    /// Whose rules the result's shape has to keep.
    pub stock: StockTarget,
    /// Seed of whatever is drawn, recorded in the plan.
    pub seed: u64,
    /// How what goes is shared out over the layers.
    pub allocation: Allocation,
    /// The engines, with their formats, whose sizes the targets keep to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served_by: Vec<String>,
    /// What stays, whatever its scores.
    #[serde(default, skip_serializing_if = "Protected::is_empty")]
    pub protected: Protected,
}

impl PruneConfig {
    /// Slicing `targets` as they are, in the checkpoint's own basis, for every loader.
    pub fn new(targets: Vec<AxisTarget>) -> Self {
        Self {
            targets,
            basis: Basis::Identity,
            regularize: None,
            compensation: Compensation::None,
            stock: StockTarget::All,
            seed: 42,
            allocation: Allocation::Uniform,
            served_by: Vec::new(),
            protected: Protected::default(),
        }
    }

    /// Checks that what is to stay can be named, and that the layers may differ for its sake.
    ///
    /// # Errors
    /// Those of [`Protected::check`], [`Error::LayersDiffer`] and [`Error::ProtectedNowhere`].
    pub(crate) fn check_protected(&self, map: &CouplingMap) -> Result<(), Error> {
        self.protected.check(map)?;
        let differ = self.protected.makes_layers_differ(self.targets.iter().map(|target| target.kind));
        if differ && self.stock != StockTarget::Dress {
            return Err(Error::LayersDiffer { target: self.stock });
        }
        if self.basis != Basis::Identity && self.protected.structures.contains_key(&Axis::Residual) {
            return Err(Error::ProtectedNowhere {
                where_: "among channels of other coordinates than the checkpoint's",
                remedy: "give `basis = identity`",
            });
        }
        Ok(())
    }

    /// Whether layers are regularized one at a time.
    pub(crate) fn is_local(&self) -> bool {
        self.regularize.as_ref().is_some_and(|settings| settings.local.is_some())
    }

    /// Checks what can be told of a regularization of one layer at a time before anything is selected.
    ///
    /// # Errors
    /// [`LocalError::Axis`], [`LocalError::Width`] and [`LocalError::Setting`].
    pub(crate) fn check_local(&self) -> Result<(), Error> {
        let Some(settings) = self.regularize.as_ref().filter(|settings| settings.local.is_some()) else {
            return Ok(());
        };
        let of_kind = |kind| self.targets.iter().any(|target| target.kind == kind);
        if of_kind(AxisKind::Depth) {
            return Err(LocalError::Axis { axis: AxisKind::Depth.to_string() }.into());
        }
        if of_kind(AxisKind::Residual) && settings.local == Some(LocalInputs::Pruned) {
            return Err(LocalError::Width.into());
        }
        let setting = |setting: String| Err(LocalError::Setting { setting }.into());
        match (self.compensation, settings.distill, settings.train.gradient_checkpointing) {
            (Compensation::Bias, ..) => setting(format!("the compensation {}", self.compensation)),
            (_, Some(_), _) => setting("distillation from the whole dense model".into()),
            (.., GradientCheckpointing::Layers) => setting("gradient checkpointing by layers".into()),
            _ => Ok(()),
        }
    }

    /// What is learnt from the dense model, where anything is.
    pub(crate) fn distill(&self) -> Option<Distill> {
        self.regularize.as_ref().and_then(|settings| settings.distill)
    }

    /// Whether anything is learnt from the dense model's logits alone, for which it may be in any basis.
    pub(crate) fn distills_logits(&self) -> bool {
        self.distill().is_some_and(|distill| !distill.compares_streams())
    }
}
