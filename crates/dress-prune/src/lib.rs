//! From scores to a smaller dense model.
//!
//! [`select`] turns scores into a selection at a ratio, [`permute`] moves what goes to the end of
//! every axis (identity [E1]), [`slice()`] removes it ([E2]), [`mask`] zeroes it instead, and
//! [`prune`] is the whole path: score, regularize, slice. None of them knows a model family: they
//! see the coupling map's slots.
//!
//! [E1]: dress_core::identities#e1
//! [E2]: dress_core::identities#e2

mod allocation;
mod another_share;
mod axis_target;
mod basis;
mod bias;
mod budget;
mod centre_for;
mod check_served;
mod compensate;
mod compensation;
mod costs;
mod counted;
mod error;
mod fold;
mod given_ratios;
mod gone;
mod gradual_refit;
mod joined_curves;
mod latency;
mod local;
mod mask;
mod measure;
mod moments;
mod passes_of_run;
mod per_layer;
mod pipeline;
mod planned;
mod preset;
mod principal_components;
mod projection;
mod protected;
mod prune_config;
mod pruned;
mod quantizable;
mod quantization_loss;
mod ratio_of;
mod recipe;
mod recipe_as_served;
mod regularize;
mod reindex;
mod resolved_recipe;
mod ridge;
mod rotate_by_parts;
mod rounded_ratio;
mod rounded_recipe;
mod rounds;
mod search;
mod select;
mod selected_penalty;
mod served;
mod served_bytes;
mod served_size;
mod size_rounding;
mod sizes;
mod slice;
mod tied_basis;
mod token_moments;

pub use allocation::Allocation;
pub use axis_target::AxisTarget;
pub use basis::{Rotated, rotate_to_principal_components};
pub use budget::{Budget, Fit, TOLERANCE};
pub use check_served::check_served;
pub use compensate::compensate;
pub use compensation::Compensation;
pub use dress_regularize::{centre, recentre};
pub use error::Error;
pub use gradual_refit::{GradualRefit, Leaving};
pub use latency::{Latency, Load, shapes_to_time};
pub use local::{
    FinishedLayers, LayerReport, LocalByParts, LocalError, LocalInputs, RegularizedLayer, keep_streams,
    layer_differences,
};
pub use mask::mask;
pub use measure::Measure;
pub use per_layer::PerLayer;
pub use pipeline::{axes, plan, plan_of_scores, prune};
pub use planned::prune_as_planned;
pub use preset::{Amount, Preset, PresetRun, PresetSettings};
pub use projection::CompensatedProjection;
pub use protected::Protected;
pub use prune_config::PruneConfig;
pub use pruned::{PruneReport, Pruned, Round};
pub use quantization_loss::{LostFormat, QuantizationLoss};
pub use ratio_of::{LayerRatios, RatioOf};
pub use recipe::{HowMuch, Recipe, Sampling};
pub use regularize::{Distill, RegularizeConfig, usual_learning_rate};
pub use reindex::{edits, parameters_left, permute};
pub use resolved_recipe::ResolvedRecipe;
pub use rotate_by_parts::{RotatedByParts, rotate_by_parts};
pub use rounded_ratio::RoundedRatio;
pub use rounds::prune_in_rounds;
pub use search::{
    Candidate, FoundShape, FrontierPoint, Goal, Order, Passes, Search, SearchReport, Sensitivity,
};
pub use select::select;
pub use selected_penalty::{PacedRefit, PenaltyForm, SelectedPenalty, WeightedActivations};
pub use size_rounding::{RoundedSize, SizeRounding};
pub use sizes::Sizes;
pub use slice::{apply, slice};
pub use tied_basis::{best_basis, rotate_tied};

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
