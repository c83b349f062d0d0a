//! Layers that are regularized one at a time.

use crate::regularized::calibration;
use crate::small_models::{FAMILIES, Family, Shape, distance, logits};
use dress_core::{Advance, AxisKind, Basis, NoProgress, Progress, Ratio, Stage, StockTarget};
use dress_importance::Criteria;
use dress_models::AnyModel;
use dress_prune::{
    AxisTarget, Compensation, Distill, Error, LocalInputs, PenaltyForm, PruneConfig, Pruned,
    RegularizeConfig, prune,
};
use dress_train::CheckpointEvery;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

pub const KINDS: [AxisKind; 2] = [AxisKind::Ffn, AxisKind::Heads];
const INPUTS: [LocalInputs; 2] = [LocalInputs::Dense, LocalInputs::Pruned];

pub fn model(family: Family) -> AnyModel {
    Shape { family, layers: 3, width_a_head: 8, ..Shape::example() }.model()
}

pub fn config(kinds: &[AxisKind], regularize: Option<RegularizeConfig>) -> PruneConfig {
    let ratio = Ratio::new(0.5).unwrap();
    let targets = kinds.iter().map(|&kind| AxisTarget { kind, ratio, tile: 1 }).collect();
    let stock = StockTarget::Dress;
    PruneConfig { compensation: Compensation::Ridge, regularize, stock, ..PruneConfig::new(targets) }
}

fn run(
    family: Family,
    regularize: Option<RegularizeConfig>,
    progress: &dyn Progress,
) -> Result<Pruned<AnyModel>, Error> {
    let config = config(&KINDS, regularize);
    prune(model(family), &Criteria::new(&[], &KINDS, 7), &calibration(), &config, progress)
}

pub fn local(inputs: LocalInputs, rate: f64) -> RegularizeConfig {
    let mut settings = RegularizeConfig { local: Some(inputs), ..RegularizeConfig::default() };
    settings.train.learning_rate.peak = rate;
    settings
}

#[test]
fn without_learning_it_is_the_refit_alone() {
    // OLMo 2's norm over the queries of all heads sees those that go while all layers are refitted, and not where each is sliced.
    for family in FAMILIES.into_iter().filter(|family| *family != Family::Olmo2) {
        let at_once = run(family, None, &NoProgress).unwrap();
        let alone = run(family, Some(local(LocalInputs::Pruned, 1e-12)), &NoProgress).unwrap();
        let apart = distance(logits(&alone.model), logits(&at_once.model));
        assert!(apart < 1e-4, "{family:?}: {apart}");
        assert_eq!(alone.report.compensation.len(), at_once.report.compensation.len());
    }
}

#[test]
fn layers_come_nearer_to_what_the_dense_layers_add() {
    let gated = RegularizeConfig {
        form: PenaltyForm::Off,
        gate: Some("constant".parse().unwrap()),
        ..local(LocalInputs::Pruned, 3e-3)
    };
    let ways = INPUTS.map(|inputs| local(inputs, 3e-3)).into_iter().chain([gated]);
    for settings in ways {
        let last = |rate: f64| {
            let mut settings = settings.clone();
            settings.train.learning_rate.peak = rate;
            settings.train.epochs = 10;
            let curve = run(Family::Llama, Some(settings), &NoProgress).unwrap().report.curve;
            let steps = curve.len() / 3;
            assert_eq!(curve.len() % 3, 0);
            let ends = (1..=3).map(|layer| &curve[layer * steps - 8..layer * steps]);
            ends.flatten().map(|point| point.loss).sum::<f64>() / 24.0
        };
        let (kept, learnt) = (last(1e-12), last(3e-3));
        assert!(learnt < 0.9 * kept, "{:?}: {kept} to {learnt}", settings.local);
    }
}

/// Cancels after so many advances.
pub struct After(AtomicUsize);

impl After {
    pub fn new(advances: usize) -> Self {
        Self(AtomicUsize::new(advances))
    }
}

impl Progress for After {
    fn advanced(&self, _: &Stage, _: &Advance<'_>) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(1)));
    }

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

#[test]
fn an_interrupted_run_ends_in_the_same_bits() {
    let settings = |place: &Path| {
        let mut settings = local(LocalInputs::Pruned, 1e-3);
        settings.train.run_dir = Some(place.into());
        settings.train.checkpoint_every = Some(CheckpointEvery::Steps(3));
        settings
    };
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let found = run(Family::Llama, Some(settings(whole.path())), &NoProgress).unwrap();
    let mut interruptions = 0;
    let again = loop {
        let progress = After::new(40);
        match run(Family::Llama, Some(settings(broken.path())), &progress) {
            Ok(again) => break again,
            Err(error) => assert!(error.to_string().contains("cancelled"), "{error}"),
        }
        interruptions += 1;
        assert!(interruptions < 20, "it gets nowhere");
    };
    assert!(interruptions >= 2, "{interruptions}");
    assert_eq!(distance(logits(&again.model), logits(&found.model)), 0.0);
    assert_eq!(again.report.compensation, found.report.compensation);
}

/// What a layer reads is part of what its checkpoints are of.
#[test]
fn a_layer_does_not_go_on_from_steps_that_were_taken_behind_other_layers() {
    let place = tempfile::tempdir().unwrap();
    let run_of = |ratio: f64, place: &Path, progress: &dyn Progress| {
        let mut settings = local(LocalInputs::Pruned, 1e-3);
        settings.train.run_dir = Some(place.into());
        settings.train.checkpoint_every = Some(CheckpointEvery::Steps(3));
        let mut config = config(&[AxisKind::Ffn], Some(settings));
        config.targets[0].ratio = Ratio::new(ratio).unwrap();
        prune(model(Family::Llama), &Criteria::new(&[], &KINDS, 7), &calibration(), &config, progress)
    };
    let stopped = run_of(0.5, place.path(), &After::new(75)).unwrap_err().to_string();
    assert!(stopped.contains("cancelled"), "{stopped}");
    let (elsewhere, said) = (tempfile::tempdir().unwrap(), run_of(0.25, place.path(), &NoProgress));
    match said {
        Err(error) => assert!(
            error.to_string().contains("another run") || error.to_string().contains("other"),
            "{error}"
        ),
        Ok(found) => {
            let whole = run_of(0.25, elsewhere.path(), &NoProgress).unwrap();
            assert_eq!(distance(logits(&found.model), logits(&whole.model)), 0.0);
        }
    }
}

/// A quarter of the width, in principal components.
fn narrower(family: Family, regularize: Option<RegularizeConfig>) -> Pruned<AnyModel> {
    let ratio = Ratio::new(0.25).unwrap();
    let target = AxisTarget { kind: AxisKind::Residual, ratio, tile: 1 };
    let (basis, stock) = (Basis::Pca, StockTarget::Dress);
    let config = PruneConfig { basis, regularize, stock, ..PruneConfig::new(vec![target]) };
    let scorer = Criteria::new(&[], &[AxisKind::Residual], 7);
    prune(model(family), &scorer, &calibration(), &config, &NoProgress).unwrap()
}

#[test]
fn a_narrower_stream_without_learning_is_the_slice_alone() {
    for family in FAMILIES.into_iter().filter(|family| family.can_be_turned()) {
        let at_once = narrower(family, None);
        let alone = narrower(family, Some(local(LocalInputs::Dense, 1e-12)));
        let apart = distance(logits(&alone.model), logits(&at_once.model));
        assert!(apart < 1e-4, "{family:?}: {apart}");
        assert_eq!(alone.plan.selection, at_once.plan.selection);
    }
}

#[test]
fn layers_of_a_narrower_stream_come_nearer_to_the_channels_that_stay() {
    for family in [Family::Llama, Family::Phi] {
        let last = |rate: f64| {
            let mut settings = local(LocalInputs::Dense, rate);
            settings.train.epochs = 10;
            let curve = narrower(family, Some(settings)).report.curve;
            let steps = curve.len() / 3;
            let ends = (1..=3).map(|layer| &curve[layer * steps - 8..layer * steps]);
            ends.flatten().map(|point| point.loss).sum::<f64>() / 24.0
        };
        let (kept, learnt) = (last(1e-12), last(3e-3));
        assert!(learnt < 0.9 * kept, "{family:?}: {kept} to {learnt}");
    }
}

#[test]
fn what_no_layer_has_alone_is_refused() {
    let refused = |kinds: &[AxisKind], settings: RegularizeConfig| {
        let config = PruneConfig { compensation: Compensation::None, ..config(kinds, Some(settings)) };
        let scorer = Criteria::new(&[], kinds, 7);
        prune(model(Family::Llama), &scorer, &calibration(), &config, &NoProgress).unwrap_err().to_string()
    };
    let settings = local(LocalInputs::Dense, 1e-3);
    assert!(refused(&[AxisKind::Depth], settings.clone()).contains("axis `depth` is not one layer's"));
    let pruned = local(LocalInputs::Pruned, 1e-3);
    assert!(refused(&[AxisKind::Residual], pruned).contains("`local = dense`"));
    let taught = RegularizeConfig { distill: Some(Distill::default()), ..settings };
    assert!(refused(&[AxisKind::Ffn], taught).contains("distillation"));
}
