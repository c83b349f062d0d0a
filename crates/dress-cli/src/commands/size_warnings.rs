//! What is said of sizes: what rounding makes of them, and what they cost where the result is quantized.

use super::select_args::SelectArgs;
use crate::Error;
use crate::option_names::as_options;
use clap::{Args, Command};
use dress_core::Selection;
use dress_engines::{EngineFormat, EngineTable};
use dress_models::AnyModel;
use dress_prune::{QuantizationLoss, ResolvedRecipe, RoundedRatio, SizeRounding};

/// Says what rounding makes of ratios, where that is far from what was asked for, before anything goes.
/// Returns what is to be said of the others in the end, and of sizes that became those that quantizers take.
///
/// # Errors
/// Those of [`ResolvedRecipe::rounded`].
pub(super) fn warn_of_rounding(resolved: &ResolvedRecipe, model: &AnyModel) -> Result<String, Error> {
    let rounded = resolved.rounded(model)?;
    let (far, near): (Vec<_>, Vec<_>) = rounded.into_iter().partition(RoundedRatio::is_far);
    far.iter().for_each(|rounded| tracing::warn!("{rounded}"));
    let sizes = resolved.size_rounding.iter().filter(|sizes| sizes.is_rounded()).map(said);
    let lines = near.iter().map(ToString::to_string).chain(sizes);
    Ok(lines.map(|line| line + "\n").collect())
}

/// Says what `selection` costs where the result is quantized, and what sizes would do, unless engines were
/// named whose sizes it keeps to.
pub(super) fn warn_of_loss(model: &AnyModel, selection: &Selection, resolved: &ResolvedRecipe) {
    match &resolved.size_rounding {
        Some(sizes) if !sizes.is_rounded() => tracing::warn!("{}", said(sizes)),
        _ => warn_of_loss_without(&resolved.served_by, model, selection),
    }
}

/// The same of a selection that nothing was to be rounded of.
pub(super) fn warn_of_loss_without(served_by: &[EngineFormat], model: &AnyModel, selection: &Selection) {
    if !served_by.is_empty() {
        return;
    }
    let Some(loss) = QuantizationLoss::of(model, selection, &EngineTable::built_in()) else { return };
    tracing::warn!("{}", with_options(&loss.warning()));
}

/// What became of sizes, with the options that say otherwise.
fn said(sizes: &SizeRounding) -> String {
    with_options(&sizes.to_string())
}

/// What the library says of sizes, with the settings that it names as options.
fn with_options(text: &str) -> String {
    as_options(text, &SelectArgs::augment_args(Command::new("dress")))
}
