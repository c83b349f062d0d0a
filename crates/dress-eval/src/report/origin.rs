//! How a pruned model came to be, as far as a report shows it.

use dress_core::{Axis, AxisKind, Basis, CorpusProvenance, Fingerprint, KeptOfKind, ScoreSummary, SlicePlan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What was removed, by what, and how the regularization went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// SHA-256 of the plan.
    pub plan_sha256: String,
    /// The model that it was made from.
    pub made_from: Fingerprint,
    /// The criterion.
    pub criterion: String,
    /// The coordinates of the stream.
    pub basis: Basis,
    /// Seed of whatever was drawn.
    pub seed: u64,
    /// The data that scores were taken on, where there was any.
    pub calibration: Option<CorpusProvenance>,
    /// What is left of each kind of axis.
    pub kept: Vec<Kept>,
    /// What the scores of each axis were like.
    pub scores: Vec<LayerScore>,
    /// Parameters before, where that is known.
    pub parameters_before: Option<u64>,
    /// How far slicing itself moved the logits, where that was measured.
    pub slicing_error: Option<f64>,
    /// The regularization, step by step; empty without one.
    pub curve: Vec<CurveSample>,
}

/// What is left of one kind of axis, over all layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The kind.
    pub axis: AxisKind,
    /// Structures before.
    pub before: usize,
    /// Structures that stay.
    pub after: usize,
}

/// What the scores of one axis were like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerScore {
    /// The kind of axis.
    pub axis: AxisKind,
    /// The layer, where the axis is one layer's.
    pub layer: Option<usize>,
    /// Least, median and greatest score.
    pub summary: ScoreSummary,
    /// The share of the structures that went.
    pub removed: f64,
}

/// One step of the regularization.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurveSample {
    /// Tokens seen so far.
    pub tokens: u64,
    /// Mean loss a token, in nats.
    pub loss: f64,
    /// The L2 norm of everything selected.
    pub selected_norm: f64,
}

impl Origin {
    /// What a plan says, which left `kept`; the regularization is another's to add.
    pub fn of(plan: &SlicePlan, kept: &[KeptOfKind]) -> Self {
        let hash = Sha256::digest(plan.to_json().as_bytes());
        let kept = kept.iter().map(|of| Kept { axis: of.kind, before: of.before, after: of.after });
        let score = |(&axis, &summary): (&Axis, &ScoreSummary)| {
            let chosen = plan.selection.get(axis);
            let removed = chosen.map_or(0.0, |s| 1.0 - s.kept_len() as f64 / s.len() as f64);
            LayerScore { axis: axis.kind(), layer: layer(axis), summary, removed }
        };
        Self {
            plan_sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            made_from: plan.fingerprint.clone(),
            criterion: plan.criterion.clone(),
            basis: plan.basis,
            seed: plan.seed,
            calibration: plan.calibration.clone(),
            kept: kept.collect(),
            scores: plan.scores.iter().map(score).collect(),
            parameters_before: None,
            slicing_error: None,
            curve: Vec::new(),
        }
    }
}

fn layer(axis: Axis) -> Option<usize> {
    match axis {
        Axis::Ffn { layer } | Axis::Heads { layer } => Some(layer),
        Axis::Residual | Axis::Depth => None,
    }
}
