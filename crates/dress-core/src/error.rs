//! What can go wrong, and what to do about it.

use crate::Fingerprint;
use std::path::PathBuf;

/// Errors of the shared vocabulary.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is no axis.
    #[error(
        "`{name}` is not an axis of a model; write `residual`, `depth`, or `ffn.3` and `heads.3` for layer 3"
    )]
    AxisName {
        /// The name as given.
        name: String,
    },
    /// A name that is no kind of axis.
    #[error("`{name}` is not a kind of axis; write residual, ffn, heads or depth")]
    AxisKindName {
        /// The name as given.
        name: String,
    },
    /// A name that is no basis.
    #[error("`{name}` is not a basis; use identity, pca or pca-tied")]
    BasisName {
        /// The name as given.
        name: String,
    },
    /// Not a target.
    #[error("`{name}` is not a target; use all, transformers or dress")]
    StockTargetName {
        /// The name as given.
        name: String,
    },
    /// Not a direction in which distributions are compared.
    #[error("`{name}` is not a direction of the divergence from a teacher; use forward or reverse")]
    DivergenceName {
        /// The name as given.
        name: String,
    },
    /// Not a way to draw blocks.
    #[error("`{name}` is not a way to draw calibration blocks; use rows or blocks")]
    DrawName {
        /// The name as given.
        name: String,
    },
    /// An axis the model does not have.
    #[error("this model has no axis `{axis}`; it has {}", .available.join(", "))]
    AxisNotInModel {
        /// The axis asked for.
        axis: String,
        /// The kinds of axis the model has.
        available: Vec<String>,
    },
    /// A ratio outside `[0, 1)`.
    #[error("ratio {value}: expected 0 <= ratio < 1, the share to remove (0.25 removes a quarter)")]
    RatioOutOfRange {
        /// The ratio as given.
        value: f64,
    },
    /// A ratio that is not a number.
    #[error("ratio `{text}`: expected a number in 0 <= ratio < 1, the share to remove")]
    RatioNotANumber {
        /// The text as given.
        text: String,
    },
    /// An index selected twice or outside its axis.
    #[error("selected index {index}: each index of an axis of {len} structures may be selected once, from 0 to {}", .len.saturating_sub(1))]
    SelectionIndex {
        /// The index.
        index: usize,
        /// The length of the axis.
        len: usize,
    },
    /// A selection that leaves nothing.
    #[error("all {len} structures of an axis are selected: at least one has to stay")]
    SelectionEmpties {
        /// The length of the axis.
        len: usize,
    },
    /// A selection made for an axis of another length.
    #[error(
        "axis `{axis}`: the selection is for {found} structures, the model has {expected}; make a new plan for this model"
    )]
    SelectionLength {
        /// The axis.
        axis: String,
        /// The model's length.
        expected: usize,
        /// The selection's length.
        found: usize,
    },
    /// A score that is not a number.
    #[error(
        "axis `{axis}`, structure {index}: the score is not finite; are there NaN or infinite weights in the checkpoint?"
    )]
    ScoreNotFinite {
        /// The axis.
        axis: String,
        /// The structure.
        index: usize,
    },
    /// Calibration data is needed and there is none.
    #[error("`{who}` needs calibration data and got none; give a corpus as `calibration`")]
    CalibrationEmpty {
        /// Who needs it.
        who: String,
    },
    /// A part of a model that cannot be brought into memory.
    #[error(transparent)]
    Part(Box<dyn std::error::Error + Send + Sync>),
    /// Whatever a model, a scorer or a penalty of another crate ran into; made by [`Error::other`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// A criterion that says nothing of an axis.
    #[error("`{criterion}` does not score axis `{axis}`; use {use_instead}")]
    CriterionOfAxis {
        /// The criterion.
        criterion: String,
        /// The axis.
        axis: String,
        /// What does.
        use_instead: &'static str,
    },
    /// A criterion that needs activations of a place that no forward pass came through.
    #[error(
        "`{criterion}` needs the activations at {site} to score axis `{axis}`, and no forward pass came through there; let the model pass its tap there, or use a criterion of weights, such as magnitude-l2"
    )]
    SiteNotPassed {
        /// The criterion.
        criterion: String,
        /// The axis.
        axis: String,
        /// The place, as [`Site`](crate::Site) names it.
        site: String,
    },
    /// A criterion that needs the whole model.
    #[error(
        "`{criterion}` needs the whole model in memory; score it there with `Scorer::score`, or choose a criterion without gradients and search"
    )]
    NotByParts {
        /// The criterion.
        criterion: String,
    },
    /// Blocks longer than the model's context.
    #[error(
        "blocks of {seqlen} tokens: this model has {positions} positions; choose a `seqlen` of at most that"
    )]
    TooLong {
        /// Tokens a block.
        seqlen: usize,
        /// Positions of the model.
        positions: usize,
    },
    /// Blocks too short to predict anything in.
    #[error(
        "`{who}` got a block of {seqlen} tokens, in which nothing is predicted; give blocks of at least 2"
    )]
    TooShort {
        /// Who needs longer ones.
        who: String,
        /// Tokens of the block.
        seqlen: usize,
    },
    /// Blocks of different lengths.
    #[error(
        "block {block} has {found} tokens and the first {expected}; give blocks of one length, or leave out the shorter ones"
    )]
    UnequalBlocks {
        /// The first block that differs, from 0.
        block: usize,
        /// Its tokens.
        found: usize,
        /// Tokens of the first block.
        expected: usize,
    },
    /// A token that the model does not have.
    #[error(
        "token {token}: this model's vocabulary has {vocab_size} tokens; was the text encoded with another model's tokenizer?"
    )]
    Vocabulary {
        /// The token.
        token: u32,
        /// Tokens of the model.
        vocab_size: usize,
    },
    /// A plan made for another model.
    #[error(
        "this plan was made for the model with fingerprint {expected}, and this model has {found}; use the checkpoint the plan was made from, as f32 or bf16, or make a new plan"
    )]
    PlanForAnotherModel {
        /// The plan's model.
        expected: Fingerprint,
        /// The model at hand.
        found: Fingerprint,
    },
    /// A plan that is not valid JSON, or not a plan.
    #[error("{path}: not a slice plan: {cause}; make it again with `SlicePlan::new`", path = .path.display())]
    PlanUnreadable {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        cause: serde_json::Error,
    },
    /// A plan of another version.
    #[error("{path}: plan format {found}, this version reads {expected}; make it again with `SlicePlan::new`", path = .path.display())]
    PlanFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version this crate reads.
        expected: u32,
    },
    /// Work that was cancelled on the way.
    #[error("{stage} was cancelled after {done} of {total} {unit}")]
    Cancelled {
        /// The stage, as [`Stage::name`](crate::Stage::name).
        stage: String,
        /// How many were done.
        done: u64,
        /// How many there were to do.
        total: u64,
        /// What was counted.
        unit: crate::Unit,
    },
    /// A shape the family cannot have.
    #[error("{architecture} cannot have this shape: {reason}")]
    Shape {
        /// The architecture.
        architecture: String,
        /// Why, and what would fit.
        reason: String,
    },
}

impl Error {
    /// The cause that another crate's model, scorer or penalty has, for it to be handed on as it is.
    ///
    /// ```
    /// let error = dress_core::Error::other("the table of scores has no row for layer 3");
    /// assert_eq!(error.to_string(), "the table of scores has no row for layer 3");
    /// ```
    pub fn other(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Other(cause.into())
    }
}
