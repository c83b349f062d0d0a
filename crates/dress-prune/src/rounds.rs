//! Several smaller rounds to one ratio.

use crate::joined_curves::append;
use crate::pipeline::{axes, prune_taught};
use crate::{Allocation, AxisTarget, Error, PruneConfig, PruneReport, Pruned, Round, prune};
use dress_core::{
    Axis, AxisKind, AxisSelection, Calibration, CausalLm, Progress, Ratio, Scorer, Selection, SlicePlan,
};
use dress_train::RunDirectory;
use std::collections::BTreeMap;

/// [`prune()`] in `rounds` rounds of score, regularize and slice, each of which leaves the same share of what
/// the one before left: `(1 - ratio)^(1 / rounds)`. Every round scores anew, and trains for as many steps as
/// one alone would.
///
/// What is learnt from the dense model is learnt from the one that was given, in every round; where streams
/// are compared, which takes the same channels, from what the round began with.
///
/// The plan of the result is that of all rounds together, on the original model; [`PruneReport::rounds`] has
/// each.
///
/// # Errors
/// Those of [`prune()`], [`Error::DepthInRounds`] and [`Error::UnevenInRounds`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{AxisKind, Calibration, NoProgress, Ratio, StockTarget};
/// use dress_importance::Criterion;
/// use dress_prune::{AxisTarget, PruneConfig, prune_in_rounds};
///
/// let target = AxisTarget::new(AxisKind::Ffn, Ratio::new(0.5)?, 1);
/// let config = PruneConfig { stock: StockTarget::Dress, ..PruneConfig::new(vec![target]) };
/// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]]);
/// let scorer = Criterion::MagnitudeL2.scorer(42);
/// let pruned = prune_in_rounds(model, scorer.as_ref(), &calibration, &config, 2, &NoProgress)?;
/// assert_eq!(pruned.report.rounds.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn prune_in_rounds<M: CausalLm>(
    mut model: M,
    scorer: &dyn Scorer<M>,
    calibration: &Calibration,
    config: &PruneConfig,
    rounds: usize,
    progress: &dyn Progress,
) -> Result<Pruned<M>, Error> {
    if rounds <= 1 {
        return prune(model, scorer, calibration, config, progress);
    }
    if config.targets.iter().any(|target| target.kind == AxisKind::Depth) {
        return Err(Error::DepthInRounds);
    }
    if ![Allocation::Uniform, Allocation::Together].contains(&config.allocation) {
        return Err(Error::UnevenInRounds);
    }
    let lengths = lengths(&model, config)?;
    let teacher = config.distills_logits().then(|| model.clone());
    let mut done: Vec<Round> = Vec::new();
    for round in 1..=rounds {
        let config = config_of(config, &model, &lengths, round, rounds)?;
        tracing::info!("round {round} of {rounds}");
        let Pruned { model: smaller, plan, report } =
            prune_taught(model, teacher.as_ref(), scorer, calibration, &config, progress)?;
        model = smaller;
        done.push(Round { plan, report });
    }
    let plan = together(&done)?;
    Ok(Pruned { model, plan, report: summary(done) })
}

/// How long the axes of each kind are.
fn lengths<M: CausalLm>(model: &M, config: &PruneConfig) -> Result<BTreeMap<AxisKind, usize>, Error> {
    let map = model.coupling();
    let mut lengths = BTreeMap::new();
    for axis in axes(model, &config.targets)? {
        lengths.insert(axis.kind(), map.axis(axis)?.len);
    }
    Ok(lengths)
}

/// The settings of one round: what is to stay of the original model by its end, as a ratio of the model at
/// hand.
fn config_of<M: CausalLm>(
    config: &PruneConfig,
    model: &M,
    original: &BTreeMap<AxisKind, usize>,
    round: usize,
    rounds: usize,
) -> Result<PruneConfig, Error> {
    let now = lengths(model, config)?;
    let mut targets = Vec::new();
    for target in &config.targets {
        let stays = (1.0 - target.ratio.get()).powf(round as f64 / rounds as f64);
        let kept = stays * original[&target.kind] as f64 / now[&target.kind] as f64;
        targets.push(AxisTarget { ratio: Ratio::new((1.0 - kept).max(0.0))?, ..*target });
    }
    let mut config = PruneConfig { targets, ..config.clone() };
    if let Some(train) = config.regularize.as_mut().map(|settings| &mut settings.train) {
        train.run_dir =
            train.run_dir.take().map(|directory| RunDirectory::at(directory).round(round).path().into());
    }
    Ok(config)
}

/// The plan of the original model that removes what all rounds removed.
fn together(rounds: &[Round]) -> Result<SlicePlan, Error> {
    let mut kept: BTreeMap<Axis, (usize, Vec<usize>)> = BTreeMap::new();
    for (axis, chosen) in rounds.iter().flat_map(|round| round.plan.selection.iter()) {
        let (_, before) = kept.entry(axis).or_insert_with(|| (chosen.len(), (0..chosen.len()).collect()));
        *before = chosen.kept().into_iter().map(|i| before[i]).collect();
    }
    let mut selection = Selection::new();
    for (axis, (len, kept)) in kept {
        let removed = (0..len).filter(|i| kept.binary_search(i).is_err()).collect();
        selection = selection.with(axis, AxisSelection::new(len, removed)?);
    }
    let first = rounds.first().map(|round| round.plan.clone()).ok_or(Error::NothingSelected)?;
    Ok(SlicePlan { selection, ..first })
}

/// What happened in all rounds: their curves one behind the other, and the greatest slicing error.
fn summary(rounds: Vec<Round>) -> PruneReport {
    let mut report = PruneReport::default();
    for round in &rounds {
        append(&mut report.curve, &round.report.curve);
        let errors = [report.slicing_error, round.report.slicing_error];
        report.slicing_error = errors.into_iter().flatten().reduce(f64::max);
        report.compensation.extend(round.report.compensation.iter().cloned());
    }
    PruneReport { rounds, ..report }
}
