//! What comes of a run.

use crate::{CompensatedProjection, SearchReport};
use dress_core::SlicePlan;
use dress_train::{CurvePoint, Cut};
use serde::{Deserialize, Serialize};

/// A smaller model with the plan that made it.
#[derive(Debug)]
pub struct Pruned<M> {
    /// The sliced model.
    pub model: M,
    /// What went, replayable on the original checkpoint.
    pub plan: SlicePlan,
    /// What happened on the way.
    pub report: PruneReport,
}

/// What happened on the way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PruneReport {
    /// One point a regularization step, empty without regularization.
    pub curve: Vec<CurvePoint>,
    /// How far slicing moved the logits of the first calibration block, those of the regularized model where
    /// there is one: the L2 norm of the difference over that of the logits before. Zero up to rounding where
    /// everything that was selected had gone to zero; absent without calibration data, and where layers were
    /// regularized one at a time.
    pub slicing_error: Option<f64>,
    /// Where the model was sliced during the regularization, because nothing selected was left in it; the
    /// steps after that trained the smaller model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// One line a projection that made up for what went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensation: Vec<CompensatedProjection>,
    /// Each round, where there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<Round>,
    /// How the shape was found, where it was searched for; a file of its own keeps it.
    #[serde(skip)]
    pub search: Option<SearchReport>,
}

/// One of several rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// What went, of the model that the round before left.
    pub plan: SlicePlan,
    /// What happened on the way.
    pub report: PruneReport,
}
