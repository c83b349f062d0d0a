//! The whole path: score, regularize, slice.

use crate::centre_for::centre_for;
use crate::counted::counted;
use crate::local::prune_locally;
use crate::regularize::{Regularized, regularize, split_to_regularize};
use crate::{
    AxisTarget, CompensatedProjection, Compensation, Error, GradualRefit, PenaltyForm, PruneConfig,
    PruneReport, Pruned, RegularizeConfig, Rotated, compensate, permute, rotate_tied,
    rotate_to_principal_components, slice,
};
use dress_core::burn::tensor::DType;
use dress_core::{
    Axis, Basis, Calibration, CausalLm, CorpusProvenance, Fingerprint, Forward, NoTap, Progress, Scorer,
    Scores, Selection, SlicePlan,
};
use dress_train::{CurvePoint, Cut, LossEnds, logits_moved};

/// Scores a model, regularizes what is to go, and slices it out.
///
/// The model is permuted so that what goes lies at the end of every axis, regularized there, and cut; the
/// result is ordered as if it had been sliced directly. Whole layers are regularized with the rest. They go
/// before it where nothing is regularized, and where a layer that writes nothing still changes the stream
/// ([`dress_core::only_adds`]).
///
/// # Errors
/// Those of the scorer, of [`select`](crate::select()), of [`Allocation::check`](crate::Allocation::check),
/// of [`CausalLm::check_stock`], of [`dress_train::train`] and of [`slice()`]; [`Error::Setting`],
/// [`Error::NothingSelected`] and [`Error::NotFinite`]. Where there are blocks, whoever looks at them,
/// [`dress_core::Error::TooShort`], [`dress_core::Error::UnequalBlocks`], [`dress_core::Error::TooLong`] and
/// [`dress_core::Error::Vocabulary`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{AxisKind, Calibration, NoProgress, Ratio, StockTarget, parameters};
/// use dress_importance::Criterion;
/// use dress_prune::{AxisTarget, PruneConfig, prune};
///
/// let target = AxisTarget::new(AxisKind::Ffn, Ratio::new(0.5)?, 1);
/// let config = PruneConfig { stock: StockTarget::Dress, ..PruneConfig::new(vec![target]) };
/// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]; 8]);
/// let scorer = Criterion::ActivationNorm.scorer(42);
/// let before = parameters::count(&model);
/// let pruned = prune(model, scorer.as_ref(), &calibration, &config, &NoProgress)?;
/// assert!(parameters::count(&pruned.model) < before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn prune<M: CausalLm>(
    model: M,
    scorer: &dyn Scorer<M>,
    calibration: &Calibration,
    config: &PruneConfig,
    progress: &dyn Progress,
) -> Result<Pruned<M>, Error> {
    prune_taught(model, None, scorer, calibration, config, progress)
}

/// Checks what can be told before anything is scored. Whether blocks are needed at all says whoever looks at
/// them.
fn check<M: CausalLm>(model: &M, calibration: &Calibration, config: &PruneConfig) -> Result<(), Error> {
    if !calibration.blocks.is_empty() {
        calibration.require(model, "pruning")?;
    }
    config.allocation.check(config.stock)?;
    config.check_local()?;
    config.regularize.as_ref().map_or(Ok(()), RegularizeConfig::check)
}

/// [`prune()`], where what is learnt from logits is learnt from `teacher`, or without one from `model` as it
/// is given.
pub(crate) fn prune_taught<M: CausalLm>(
    model: M,
    teacher: Option<&M>,
    scorer: &dyn Scorer<M>,
    calibration: &Calibration,
    config: &PruneConfig,
    progress: &dyn Progress,
) -> Result<Pruned<M>, Error> {
    check(&model, calibration, config)?;
    let dense = config.regularize.is_none().then(|| model.clone());
    let teacher = config.distills_logits().then(|| teacher.unwrap_or(&model).clone());
    let (model, plan) = in_basis(model, scorer, calibration, config, progress)?;
    model.check_stock(&plan.selection, config.stock)?;
    if config.is_local() {
        let pruned = prune_locally(model, &plan, calibration, config, progress)?;
        return if is_finite_on(&pruned.model, calibration) { Ok(pruned) } else { Err(Error::NotFinite) };
    }
    let (first, selection) = match &config.regularize {
        Some(_) => split_to_regularize(&model, &plan.selection),
        None => plan.selection.split_depth(),
    };
    if selection.is_empty() && config.regularize.is_some() {
        return Err(Error::NothingToRegularize);
    }
    let teacher = match config.distill() {
        Some(distill) if distill.compares_streams() => Some(model.clone()),
        _ => teacher,
    };
    let model = slice(model, &first)?;
    let model = permute(centre_for(model, &selection), &selection)?;
    let selection = selection.permuted();
    let mut gradual = Vec::new();
    let (model, curve, cut) = match &config.regularize {
        Some(settings) => {
            let refits = config.compensation == Compensation::Ridge && settings.has_a_path();
            let (slots, weights) = (settings.slots, settings.weights);
            let refit =
                refits.then(|| GradualRefit::new(&model, &selection, slots, weights, calibration, progress));
            let (refit, report) = refit.transpose()?.unzip();
            gradual = report.unwrap_or_default();
            let refit = refit.as_ref();
            let what = Regularized {
                dense: teacher,
                plan: &plan,
                selection: &selection,
                refit,
                taught_by: None,
                layer_key: None,
            };
            let trained = regularize(model, what, calibration, settings, progress)?;
            (trained.model, trained.curve, trained.cut)
        }
        None => (model, Vec::new(), None),
    };
    let before = dense.unwrap_or_else(|| model.clone());
    let (model, slicing_error, compensation) = match cut {
        // There was nothing left to make up for.
        Some(Cut { slicing_error, .. }) => (model, Some(slicing_error), gradual),
        None => {
            let how = config.compensation;
            let (model, compensation) =
                compensated_and_sliced(model, &selection, calibration, how, progress)?;
            let moved = calibration.blocks.first().map(|block| logits_moved(&before, &model, block));
            (model, moved, compensation)
        }
    };
    if slicing_error.is_some_and(|error| !error.is_finite()) {
        return Err(Error::NotFinite);
    }
    warn_of_a_poor_run(&curve, config);
    Ok(Pruned {
        model,
        plan,
        report: PruneReport { curve, slicing_error, cut, compensation, ..PruneReport::default() },
    })
}

/// `model` without what goes of it, with the projections behind that refitted as `how` says.
fn compensated_and_sliced<M: CausalLm>(
    model: M,
    selection: &Selection,
    calibration: &Calibration,
    how: Compensation,
    progress: &dyn Progress,
) -> Result<(M, Vec<CompensatedProjection>), Error> {
    let model = if how == Compensation::Bias { model.biased() } else { model };
    // What is refitted makes up for the layers that go too.
    let (layers, structures) = selection.split_depth();
    let (model, compensation) = compensate(slice(model, &layers)?, &structures, calibration, how, progress)?;
    Ok((slice(model, &structures)?, compensation))
}

/// Whether the loss on the first block is a number.
fn is_finite_on<M: CausalLm>(model: &M, calibration: &Calibration) -> bool {
    calibration.blocks.first().is_none_or(|block| {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        let loss = model.next_token_loss(tokens, &mut Forward::new(&mut NoTap));
        loss.cast(DType::F32).into_scalar::<f32>().is_finite()
    })
}

/// The model in the coordinates that `config` asks for, and what goes of it there.
fn in_basis<M: CausalLm>(
    model: M,
    scorer: &dyn Scorer<M>,
    calibration: &Calibration,
    config: &PruneConfig,
    progress: &dyn Progress,
) -> Result<(M, SlicePlan), Error> {
    let fingerprint = Fingerprint::of(&model);
    let Rotated { model, energy } = match config.basis {
        Basis::Identity => {
            let plan = plan(&model, scorer, calibration, config, progress)?;
            return Ok((model, plan));
        }
        Basis::Pca => rotate_to_principal_components(model, calibration, progress)?,
        Basis::PcaTied => rotate_tied(model, calibration, progress)?,
    };
    let (residual, others): (Vec<Axis>, Vec<Axis>) =
        axes(&model, &config.targets)?.into_iter().partition(|axis| *axis == Axis::Residual);
    let mut scores = Scores::new();
    let mut criteria = Vec::new();
    if !residual.is_empty() {
        scores.insert(Axis::Residual, energy)?;
        criteria.push("pca");
    }
    if !others.is_empty() {
        scores.extend(scorer.score(&model, calibration, &others, progress)?);
        criteria.push(scorer.name());
    }
    let (criterion, data) = (criteria.join("+"), Some(calibration.provenance.clone()));
    let plan = plan_of_scores(&model, fingerprint, &criterion, data, &scores, config)?;
    Ok((model, plan.in_basis(config.basis)))
}

/// Scores a model and selects from it.
///
/// # Errors
/// Those of the scorer, of [`Allocation::check`](crate::Allocation::check) and of [`plan_of_scores`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisKind, Calibration, NoProgress, Ratio, StockTarget};
/// use dress_importance::Criterion;
/// use dress_prune::{AxisTarget, PruneConfig, plan};
///
/// let target = AxisTarget::new(AxisKind::Ffn, Ratio::new(0.25)?, 1);
/// let config = PruneConfig { stock: StockTarget::Dress, ..PruneConfig::new(vec![target]) };
/// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]]);
/// let scorer = Criterion::MagnitudeL2.scorer(42);
/// let plan = plan(&model, scorer.as_ref(), &calibration, &config, &NoProgress)?;
/// assert_eq!(plan.selection.get(Axis::Ffn { layer: 1 }).map(|chosen| chosen.removed().len()), Some(6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan<M: CausalLm>(
    model: &M,
    scorer: &dyn Scorer<M>,
    calibration: &Calibration,
    config: &PruneConfig,
    progress: &dyn Progress,
) -> Result<SlicePlan, Error> {
    config.allocation.check(config.stock)?;
    let axes = axes(model, &config.targets)?;
    let scores = scorer.score(model, calibration, &axes, progress)?;
    let data = scorer.needs_calibration().then(|| calibration.provenance.clone());
    plan_of_scores(model, Fingerprint::of(model), scorer.name(), data, &scores, config)
}

/// The axes of a model that `targets` are about.
///
/// # Errors
/// [`dress_core::Error::AxisNotInModel`].
pub fn axes<M: CausalLm>(model: &M, targets: &[AxisTarget]) -> Result<Vec<Axis>, Error> {
    let map = model.coupling();
    let mut axes = Vec::new();
    for target in targets {
        axes.extend(map.of_kind(target.kind)?);
    }
    Ok(axes)
}

/// Selects by scores that were computed before, of a model that need not have its weights.
///
/// # Errors
/// Those of [`select`](crate::select()) and of [`Protected::check`](crate::Protected::check),
/// [`Error::BudgetOutOfReach`], [`Error::DepthPerLayer`], [`Error::ProtectedNowhere`] and
/// [`Error::NothingSelected`].
pub fn plan_of_scores<M: CausalLm>(
    model: &M,
    fingerprint: Fingerprint,
    criterion: &str,
    calibration: Option<CorpusProvenance>,
    scores: &Scores,
    config: &PruneConfig,
) -> Result<SlicePlan, Error> {
    config.check_protected(&model.coupling())?;
    let counted = counted(model.clone(), config.basis, config.compensation);
    let selection =
        config.allocation.select(&counted, scores, &config.targets, config.stock, &config.protected)?;
    if selection.is_empty() {
        return Err(Error::NothingSelected);
    }
    for (axis, chosen) in selection.iter() {
        tracing::debug!("{axis}: {} of {} structures stay", chosen.kept_len(), chosen.len());
    }
    tracing::info!("selected from {} axes by {criterion}", config.targets.len());
    let (seed, selected) = (config.seed, selection);
    Ok(SlicePlan::with_fingerprint(model, fingerprint, criterion, seed, calibration, scores, selected)?)
}

/// Says what the numbers of a regularization show to have gone wrong.
fn warn_of_a_poor_run(curve: &[CurvePoint], config: &PruneConfig) {
    let (Some(first), Some(last), Some(settings)) = (curve.first(), curve.last(), &config.regularize) else {
        return;
    };
    if settings.form == PenaltyForm::Proximal && last.selected_norm > 1e-3 * first.selected_norm {
        tracing::warn!(
            "what was selected is not zero yet (norm {:.3}), so that slicing it costs something; raise lambda above \
             1, or give more samples",
            last.selected_norm
        );
    }
    if let Some(LossEnds { first, last, steps }) = LossEnds::of(curve).filter(has_risen) {
        tracing::warn!(
            "the loss went from {first:.3} to {last:.3} (means over {steps} steps); lower the learning rate, or give \
             more samples"
        );
    }
}

/// Whether a run ended far above where it began. Fewer steps than these say nothing, whatever they were on.
fn has_risen(ends: &LossEnds) -> bool {
    ends.steps >= 4 && ends.last > 1.5 * ends.first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_text_at_the_end_is_no_risen_loss() {
        let ends = |first, last, steps| LossEnds { first, last, steps };
        assert!(has_risen(&ends(2.0, 3.5, 8)));
        assert!(!has_risen(&ends(2.0, 2.5, 8)) && !has_risen(&ends(2.0, 9.0, 1)));
    }
}
