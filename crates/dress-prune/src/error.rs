//! What can go wrong while pruning.

use crate::LocalError;
use dress_core::{AxisKind, Basis, CorpusProvenance};
use std::path::PathBuf;

/// Errors of selecting, regularizing and slicing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An axis that was to be selected from has no scores.
    #[error("axis `{axis}` was not scored; score it before selecting from it")]
    NotScored {
        /// The axis.
        axis: String,
    },
    /// Scores of another length than the axis.
    #[error("axis `{axis}` has {expected} structures and {found} scores; score this model itself")]
    ScoreCount {
        /// The axis.
        axis: String,
        /// Structures of the axis.
        expected: usize,
        /// Scores given.
        found: usize,
    },
    /// As many ratios as axes are needed, or one for all.
    #[error(
        "{axes} axes and {ratios} ratios: give one ratio for all axes, or one for each in the same order"
    )]
    AxesAndRatios {
        /// Axes given.
        axes: usize,
        /// Ratios given.
        ratios: usize,
    },
    /// A text that names nothing to protect.
    #[error(
        "`{text}` names nothing to protect; write layers=0-3,28, heads=5.2 or ffn=5.100-120 for structures of a layer, or residual=17"
    )]
    ProtectedText {
        /// The text as given.
        text: String,
    },
    /// Something to protect that the model does not have.
    #[error("{axis} {index} is to stay, and the model has {len} of them, counted from 0")]
    NothingToProtect {
        /// The axis.
        axis: String,
        /// The structure.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// More to protect than stays.
    #[error(
        "{protected} structures of axis `{axis}` are to stay and the ratio leaves {kept}; protect fewer, or lower the ratio"
    )]
    TooManyProtected {
        /// The axis.
        axis: String,
        /// How many are to stay.
        protected: usize,
        /// How many the ratio leaves.
        kept: usize,
    },
    /// Structures to protect where their numbers mean something else, or nothing yet.
    #[error("what is to stay cannot be named {where_}; {remedy}")]
    ProtectedNowhere {
        /// Where.
        where_: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A text that is no ratio of an axis.
    #[error(
        "`{text}` is no ratio of an axis; write ffn=0.3, and ffn.0-3=0 for what is otherwise in some layers"
    )]
    RatioText {
        /// The text as given.
        text: String,
    },
    /// An axis that no ratio names.
    #[error("the axis {axis} has no ratio; name it as {axis}=0.25, or leave it out")]
    AxisWithoutRatio {
        /// The axis.
        axis: AxisKind,
    },
    /// Ratios of layers by themselves where all layers have one.
    #[error("ratios of single layers do not go with {with}; leave one of the two out")]
    LayerRatiosWith {
        /// With what.
        with: &'static str,
    },
    /// The same axis given twice.
    #[error("the axis {axis} is given twice; give each axis once, with its ratio")]
    AxisTwice {
        /// The axis.
        axis: AxisKind,
    },
    /// A criterion where nothing is scored.
    #[error(
        "the criterion {criterion} has no effect in the basis {basis}, in which the width is selected by its energy; leave it out, or choose the basis identity"
    )]
    CriterionUnused {
        /// The criterion.
        criterion: String,
        /// The basis.
        basis: Basis,
    },
    /// A compensation where nothing goes that it could make up for.
    #[error(
        "the compensation {compensation} has no effect without neurons or heads that go; choose the axis ffn or heads too, or leave it out"
    )]
    CompensationUnused {
        /// The compensation.
        compensation: String,
    },
    /// An axis that nothing reads whose activations are known.
    #[error(
        "the search cannot measure axis `{axis}`: nothing that reads it can be refitted; choose another axis"
    )]
    NotSearchable {
        /// The axis.
        axis: String,
    },
    /// What a run keeps to go on from could not be written.
    #[error("{path}: {cause}; free some space or choose another place", path = .path.display())]
    RunFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Too little text to fit on some blocks and measure on others.
    #[error(
        "the search fits on some calibration blocks and measures on {held_back} others, and there are {blocks} in all; give more samples"
    )]
    TooFewToHoldBack {
        /// Blocks that there are.
        blocks: usize,
        /// Blocks to measure on.
        held_back: usize,
    },
    /// A ratio so small that nothing goes.
    #[error(
        "ratio {ratio} of axis `{axis}` removes nothing: it has {len} structures and keeps a multiple of {step}; {}",
        .least.map_or("no ratio does; lower the tile, or choose another axis".into(), |least| {
            let or_tile = if .step > &1 { " or lower the tile" } else { "" };
            format!("raise the ratio to at least {least:.4}{or_tile}")
        })
    )]
    RemovesNothing {
        /// The kind of axis.
        axis: String,
        /// The ratio asked for.
        ratio: f64,
        /// Structures of the axis.
        len: usize,
        /// What the kept count has to be a multiple of.
        step: usize,
        /// The least ratio that removes something, if any does.
        least: Option<f64>,
    },
    /// Only layers are selected, of a model whose layers cannot be regularized.
    #[error(
        "only whole layers go, and those of this model cannot be regularized: its norms are on the residual stream itself, or its coupling map has no parameter of them that writes the stream; leave the regularization out (`regularize = none`), or give another axis beside depth"
    )]
    NothingToRegularize,
    /// A model whose stream cannot be turned.
    #[error(
        "the stream of this model cannot be rotated: {reason}; prune it as it is, with `basis = identity`"
    )]
    NotRotatable {
        /// Why.
        reason: String,
    },
    /// A rotation to where the stream is already.
    #[error("the basis `identity` leaves the stream as it is; give pca or pca-tied")]
    NothingToRotate,
    /// A plan in coordinates that are not in it.
    #[error(
        "this plan was made in the basis `{basis}`, whose rotation is in the model that was made with it and not in the plan; rotate the checkpoint with `rotate_by_parts`, then score and slice that, or make the model again with the settings in its dress.json"
    )]
    BasisOfPlan {
        /// The basis.
        basis: dress_core::Basis,
    },
    /// A plan in coordinates that come from other data.
    #[error(
        "this plan was made in the basis `{basis}`, whose coordinates come from the calibration blocks: {}, and here they are {}; give the same blocks and seed, or a plan in the basis identity",
        blocks_text(.planned), blocks_text(.found)
    )]
    DataOfPlan {
        /// The basis.
        basis: dress_core::Basis,
        /// The data of the plan.
        planned: Box<CorpusProvenance>,
        /// The data at hand.
        found: Box<CorpusProvenance>,
    },
    /// A covariance without a decomposition.
    #[error("the covariance of the activations has no eigenvectors: {reason}; are there NaN in the weights?")]
    Eigen {
        /// What the solver says.
        reason: String,
    },
    /// A name that is no compensation.
    #[error("`{name}` is not a compensation; use none, bias or ridge")]
    CompensationName {
        /// The name as given.
        name: String,
    },
    /// A regression without a solution.
    #[error("{parameter}: the regression has no solution: {reason}; give more calibration samples")]
    Solve {
        /// The parameter.
        parameter: String,
        /// What the solver says.
        reason: String,
    },
    /// A time from which no costs follow.
    #[error(
        "a forward pass that takes {seconds} s says nothing of its costs; measure the shapes of `shapes_to_time` again"
    )]
    NoTime {
        /// The time.
        seconds: f64,
    },
    /// A budget that no shape meets.
    #[error(
        "no shape that the target takes leaves {share:.4} of the model within half a percent{}; choose another budget, more axes, or `stock = dress`",
        .nearest.map_or(String::new(), |nearest| format!(" (the nearest leaves {nearest:.4})"))
    )]
    BudgetOutOfReach {
        /// The share that should be left.
        share: f64,
        /// The nearest that can be.
        nearest: Option<f64>,
    },
    /// A shape that an engine does not serve as it should.
    #[error(
        "{format} does not take this shape in full: {reason}; choose another shape, or leave it out of `served_by`"
    )]
    NotServed {
        /// The engine and its format.
        format: String,
        /// Why not.
        reason: String,
    },
    /// Sizes of which none near what is asked for is taken in full.
    #[error(
        "no shape near the one that was asked for is taken in full by {formats}{reason}; {}",
        match .possible.as_slice() {
            [] => "none of one axis is; leave some of them out of `served_by`".into(),
            possible => format!("possible are {}", possible.join(", or ")),
        }
    )]
    NoServedShape {
        /// The engines and their formats.
        formats: String,
        /// Why not the nearest, in parentheses.
        reason: String,
        /// What would do.
        possible: Vec<String>,
    },
    /// An error of the table of engines.
    #[error(transparent)]
    Engines(#[from] dress_engines::Error),
    /// Several rounds of a search.
    #[error("a search finds one shape and reaches it at once; leave out `rounds`, or choose the axis")]
    SearchInRounds,
    /// Of layers that are regularized one at a time.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A perplexity that the search found no smaller shape for.
    #[error(
        "no smaller shape that was tried keeps the perplexity on blocks held back within {times} times the model's; allow more, or give more samples to refit on"
    )]
    PerplexityOutOfReach {
        /// How many times it was allowed to be.
        times: f64,
    },
    /// Layers of different widths for software that has one number for all.
    #[error(
        "the layers of the result will differ in width, and `stock = {target}` has one number for all of them; give `stock = dress` for a checkpoint that these crates alone load, or share out evenly, without `per_layer`, layers to protect and ratios of single layers"
    )]
    LayersDiffer {
        /// The target.
        target: dress_core::StockTarget,
    },
    /// Whole layers among what is ranked together.
    #[error(
        "whole layers are not ranked together with what they are made of; give `axes = depth` in a run of its own, or leave out `per_layer`"
    )]
    DepthPerLayer,
    /// A projection that has no bias to take over what went.
    #[error(
        "{parameter}: this family has no bias there to take over the mean of what goes; use `compensation = ridge`"
    )]
    NoBias {
        /// The parameter.
        parameter: String,
    },
    /// A name that is no preset.
    #[error("`{name}` is not a preset; use one of {known}")]
    PresetName {
        /// The name as given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A penalty in the loss on weights that the optimizer does not move.
    #[error(
        "a penalty cannot shrink weights that are not trained; train all weights, or use a gate (or, with only the kept weights trained, proximal steps)"
    )]
    PenaltyOnFixedWeights,
    /// Early stopping under a penalty that only adds to the loss.
    #[error(
        "a penalty in the loss never says when it is done, and early stopping would give back the model that it has done least to; do without early stopping, or use proximal steps or a gate"
    )]
    NoEndToStopAfter,
    /// Layers that lose different numbers in several rounds.
    #[error(
        "what goes cannot be shared out unevenly over the layers in several rounds; give `rounds = 1`, or share out evenly, without `per_layer`"
    )]
    UnevenInRounds,
    /// Whole layers in several rounds.
    #[error("whole layers cannot go in several rounds; give `rounds = 1`, or leave depth out")]
    DepthInRounds,
    /// A file of the dense model's outputs, and no directory to put it in.
    #[error(
        "the dense model's outputs are to be kept in the run's directory, and the run has none; give it one"
    )]
    CacheWithoutPlace,
    /// Nothing is selected.
    #[error("every ratio is 0, so nothing would be removed; give at least one axis a ratio above 0")]
    NothingSelected,
    /// A setting that makes no sense.
    #[error("`{setting}` is {value}: {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What would do.
        expected: &'static str,
    },
    /// A model whose output is not a number.
    #[error(
        "the logits of the sliced model are not finite; lower the learning rate, or work in f32 where half precision overflows"
    )]
    NotFinite,
    /// An error of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
    /// An error of scoring.
    #[error(transparent)]
    Importance(#[from] dress_importance::Error),
    /// An error of setting up the penalty.
    #[error(transparent)]
    Regularize(#[from] dress_regularize::Error),
    /// An error of training.
    #[error(transparent)]
    Train(#[from] dress_train::Error),
}

/// Which blocks, for a person to tell them from others.
fn blocks_text(data: &CorpusProvenance) -> String {
    let CorpusProvenance { path, blocks, seqlen, .. } = data;
    let drawn = data.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
    format!("{blocks} of {seqlen} tokens of {path}{drawn}")
}
