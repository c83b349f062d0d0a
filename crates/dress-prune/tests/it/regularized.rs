//! E5: where regularization reached zero, slicing changes nothing.

use crate::small_models::{FAMILIES, Family, KINDS, Shape, VOCAB, logits, selection};
use dress_core::{
    Advance, Axis, AxisKind, Basis, Calibration, CausalLm, NoProgress, Progress, Ratio, SlicePlan, Stage,
    StockTarget, parameters,
};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{
    Allocation, AxisTarget, Distill, PenaltyForm, PerLayer, PruneConfig, PruneReport, Pruned,
    RegularizeConfig, apply, mask, prune, prune_in_rounds, recentre,
};
use dress_regularize::{GateNorms, PenaltyKind, SlotChoice};
use dress_train::{CurvePoint, DistillationConfig, EarlyStopping, LoraConfig, Trainable};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub fn calibration() -> Calibration {
    let block = |n: u32| (0..24).map(|i| (i * (n % 5 + 1) + n) % VOCAB as u32).collect();
    Calibration::from_blocks((0..20).map(block).collect())
}

fn run(family: Family, kind: AxisKind, regularize: RegularizeConfig) -> PruneReport {
    let target = AxisTarget { kind, ratio: Ratio::new(0.5).unwrap(), tile: 1 };
    let stock = StockTarget::Dress;
    let config =
        PruneConfig { regularize: Some(regularize), stock, seed: 7, ..PruneConfig::new(vec![target]) };
    let scorer = Criterion::ActivationNorm.scorer::<AnyModel>(7);
    let model = Shape { family, width_a_head: 5, ..Shape::example() }.model();
    prune(model, scorer.as_ref(), &calibration(), &config, &NoProgress).unwrap().report
}

#[test]
fn after_proximal_steps_to_zero_slicing_is_exact_on_every_axis_of_every_family() {
    for penalty in [PenaltyKind::Group, PenaltyKind::L1] {
        for (family, kind) in FAMILIES.into_iter().flat_map(|family| KINDS.map(|kind| (family, kind))) {
            let report = run(family, kind, RegularizeConfig { penalty, ..RegularizeConfig::default() });
            assert_eq!(report.curve.last().unwrap().selected_norm, 0.0, "{family:?} {kind}");
            let moved = report.slicing_error.unwrap();
            if (family, kind) == (Family::Opt350m, AxisKind::Residual) {
                // The one stream whose mean cannot be taken out: the report has to say so.
                assert!(moved > 1e-3 && moved < 1.0, "{family:?} {kind}: {moved}");
            } else {
                assert!(moved < 1e-4, "{family:?} {kind}: {moved}");
            }
        }
    }
}

#[test]
fn heads_that_nothing_reads_can_go_and_where_a_norm_sees_them_they_are_zero_too() {
    for family in FAMILIES {
        // OLMo 2 has a norm over the queries and keys of all heads.
        let slots = SlotChoice::Readers;
        let report = run(family, AxisKind::Heads, RegularizeConfig { slots, ..RegularizeConfig::default() });
        assert_eq!(report.curve.last().unwrap().selected_norm, 0.0, "{family:?}");
        let moved = report.slicing_error.unwrap();
        assert!(moved < 1e-4, "{family:?}: {moved}");
    }
}

fn gated(schedule: &str, gate_norms: GateNorms) -> RegularizeConfig {
    let gate = Some(schedule.parse().unwrap());
    RegularizeConfig { form: PenaltyForm::Off, gate, gate_norms, ..RegularizeConfig::default() }
}

#[test]
fn a_closed_gate_is_the_sliced_model_on_every_axis_of_every_family() {
    for norms in [GateNorms::Fixed, GateNorms::Count] {
        for (family, kind) in FAMILIES.into_iter().flat_map(|family| KINDS.map(|kind| (family, kind))) {
            for slice_early in [true, false] {
                let report =
                    run(family, kind, RegularizeConfig { slice_early, ..gated("cosine:0.5", norms) });
                let gates: Vec<f64> = report.curve.iter().map(|point| point.gate).collect();
                assert!(gates[0] < 1.0 && gates.windows(2).all(|w| w[0] >= w[1]), "{gates:?}");
                assert_eq!((gates[8] > 0.0, gates[9], gates.len()), (true, 0.0, 20));
                assert_eq!(report.cut.map(|cut| cut.step), slice_early.then_some(9));
                let moved = report.slicing_error.unwrap();
                if (family, kind) == (Family::Opt350m, AxisKind::Residual) {
                    assert!(moved > 1e-4 && moved < 1.0, "{family:?} {kind}: {moved}");
                } else {
                    assert!(moved < 1e-4, "{family:?} {kind} {norms}: {moved}");
                }
            }
        }
    }
}

#[test]
fn slicing_early_gives_the_same_model_as_training_on_with_zeros() {
    for kind in [AxisKind::Ffn, AxisKind::Heads] {
        let last = |slice_early| {
            let mut config = RegularizeConfig { slice_early, ..gated("linear:0.5", GateNorms::Fixed) };
            // The clipped norm would count what is about to go.
            config.train.clip_norm = None;
            let report = run(Family::Llama, kind, config);
            report.curve.last().unwrap().loss
        };
        assert!((last(true) - last(false)).abs() < 1e-4, "{kind}: {} {}", last(true), last(false));
    }
}

#[test]
fn proximal_steps_slice_as_soon_as_everything_is_zero() {
    let early = run(Family::Llama, AxisKind::Ffn, RegularizeConfig::default());
    let cut = early.cut.unwrap();
    assert!(cut.step >= 3 && cut.step < 10 && early.curve[cut.step - 1].selected_norm > 0.0, "{cut:?}");
    assert_eq!(early.curve[cut.step].selected_norm, 0.0);
    let late = RegularizeConfig { slice_early: false, ..RegularizeConfig::default() };
    let late = run(Family::Llama, AxisKind::Ffn, late);
    assert_eq!(late.cut, None);
    let difference = early.curve[19].loss - late.curve[19].loss;
    assert!(difference.abs() < 1e-2, "{difference}");
}

#[test]
fn distilling_brings_the_student_nearer_to_its_teacher_from_memory_and_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let held_out = EarlyStopping { holdout: 0.3, every: 4, patience: 100 };
    for early_stopping in [None, Some(held_out)] {
        let run = |cache| {
            let objective = DistillationConfig {
                alpha: 1.0,
                temperature: 2.0,
                hidden: 0.5,
                ..DistillationConfig::default()
            };
            let distill = Some(Distill { objective, cache });
            let mut config = RegularizeConfig { distill, ..gated("linear:0.25", GateNorms::Fixed) };
            config.train.run_dir = Some(directory.path().join(format!("{cache} {early_stopping:?}")));
            config.train.learning_rate.peak = 3e-3;
            config.train.early_stopping = early_stopping;
            run(Family::Llama, AxisKind::Residual, config).curve
        };
        let (memory, file) = (run(false), run(true));
        let distances = |curve: &[CurvePoint]| -> Vec<f64> {
            curve.iter().map(|point| point.distillation.unwrap()).collect()
        };
        assert_eq!(distances(&memory), distances(&file));
        let held_out =
            |curve: &[CurvePoint]| -> Vec<Option<f64>> { curve.iter().map(|point| point.held_out).collect() };
        assert_eq!(held_out(&memory), held_out(&file));
        let (start, end) = (distances(&memory)[4], *distances(&memory).last().unwrap());
        assert!(end < start, "{start} {end}");
    }
}

/// What is learnt from, of a model in the middle of being pruned: how far the first step of each round is
/// from it.
fn first_distances(config: &PruneConfig, rounds: usize) -> Vec<f64> {
    let scorer = Criterion::ActivationNorm.scorer::<AnyModel>(7);
    let model = Shape { width_a_head: 8, ..Shape::example() }.model();
    let pruned =
        prune_in_rounds(model, scorer.as_ref(), &calibration(), config, rounds, &NoProgress).unwrap();
    let first = |curve: &[CurvePoint]| curve[0].distillation.unwrap();
    match rounds {
        1 => vec![first(&pruned.report.curve)],
        _ => pruned.report.rounds.iter().map(|round| first(&round.report.curve)).collect(),
    }
}

#[test]
fn the_teacher_is_the_model_as_loaded_whatever_the_basis_and_the_round() {
    let taught = |kind, basis, hidden| {
        let target = AxisTarget { kind, ratio: Ratio::new(0.5).unwrap(), tile: 1 };
        let objective =
            DistillationConfig { alpha: 1.0, temperature: 1.0, hidden, ..DistillationConfig::default() };
        let distill = Some(Distill { objective, cache: false });
        let regularize = Some(RegularizeConfig { distill, ..RegularizeConfig::default() });
        let stock = StockTarget::Dress;
        PruneConfig { basis, regularize, stock, seed: 7, ..PruneConfig::new(vec![target]) }
    };
    // The tied rotation is not exact, so that its model begins at a distance from the one that was loaded.
    let turned = first_distances(&taught(AxisKind::Residual, Basis::PcaTied, 0.0), 1);
    assert!(turned[0] > 1e-3, "{turned:?}");
    let rounds = first_distances(&taught(AxisKind::Ffn, Basis::Identity, 0.0), 2);
    assert!(rounds[0] < 1e-6 && rounds[1] > 1e-3, "{rounds:?}");
    // Streams are compared in the basis that is sliced, and in each round anew.
    let turned = first_distances(&taught(AxisKind::Residual, Basis::PcaTied, 0.1), 1);
    assert!(turned[0] < 1e-6, "{turned:?}");
    let rounds = first_distances(&taught(AxisKind::Ffn, Basis::Identity, 0.1), 2);
    assert!(rounds[1] < 1e-6, "{rounds:?}");
}

#[test]
fn a_sliced_stream_is_compared_with_the_teachers_as_slicing_scales_it() {
    for family in FAMILIES.into_iter().filter(|family| *family != Family::Opt350m) {
        // Half of the channels are zero already: they go, and what stays is at no distance, before the slice and after.
        let model = Shape { family, width_a_head: 8, ..Shape::example() }.model();
        let len = model.coupling().axis(Axis::Residual).unwrap().len;
        let gone = selection(&model, &[AxisKind::Residual], |len| (len / 2..len).collect());
        let model = recentre(mask(model, &gone).unwrap(), &gone).unwrap();
        let target = AxisTarget { kind: AxisKind::Residual, ratio: Ratio::new(0.5).unwrap(), tile: 1 };
        let objective =
            DistillationConfig { alpha: 0.0, temperature: 1.0, hidden: 1.0, ..DistillationConfig::default() };
        let distill = Some(Distill { objective, cache: false });
        let mut regularize = RegularizeConfig { distill, ..gated("constant", GateNorms::Fixed) };
        regularize.train.learning_rate.peak = 1e-9;
        let regularize = Some(regularize);
        let stock = StockTarget::Dress;
        let config = PruneConfig { regularize, stock, seed: 7, ..PruneConfig::new(vec![target]) };
        let scorer = Criterion::ActivationNorm.scorer::<AnyModel>(7);
        let pruned = prune(model, scorer.as_ref(), &calibration(), &config, &NoProgress).unwrap();
        let removed = pruned.plan.selection.get(Axis::Residual).unwrap().removed().to_vec();
        assert_eq!(removed, (len / 2..len).collect::<Vec<_>>());
        let curve = pruned.report.curve;
        assert_eq!(pruned.report.cut.unwrap().step, 0);
        let distances: Vec<f64> = curve.iter().map(|point| point.distillation.unwrap()).collect();
        assert!(distances.iter().all(|distance| *distance < 1e-4), "{family:?}: {distances:?}");
    }
}

#[test]
fn early_stopping_is_refused_under_a_penalty_that_never_lets_go() {
    let check = |form, activations, gate: Option<&str>| {
        let gate = gate.map(|schedule| schedule.parse().unwrap());
        let mut config = RegularizeConfig { form, activations, gate, ..RegularizeConfig::default() };
        config.train.early_stopping = Some(EarlyStopping::default());
        config.check()
    };
    for (form, activations) in [(PenaltyForm::Loss, 0.0), (PenaltyForm::Off, 1.0)] {
        let error = check(form, activations, None).unwrap_err().to_string();
        assert!(error.contains("without early stopping") && error.contains("a gate"), "{error}");
        assert!(check(form, activations, Some("linear:0.5")).is_ok());
    }
    assert!(check(PenaltyForm::Off, 0.0, None).is_ok() && check(PenaltyForm::Proximal, 1.0, None).is_ok());
}

#[test]
fn penalised_activations_fall_and_a_normalised_penalty_starts_at_its_weight() {
    let shares = |activations| {
        let mut config = RegularizeConfig {
            form: PenaltyForm::Off,
            penalty: PenaltyKind::L2,
            activations,
            normalize: true,
            ..RegularizeConfig::default()
        };
        config.train.learning_rate.peak = 1e-2;
        run(Family::Llama, AxisKind::Ffn, config).curve
    };
    let penalised = shares(10.0);
    assert!(penalised[19].penalty < 0.5 * penalised[0].penalty, "{penalised:?}");
    let normal = RegularizeConfig {
        form: PenaltyForm::Loss,
        lambda: 0.25,
        normalize: true,
        ..RegularizeConfig::default()
    };
    let start = run(Family::Phi, AxisKind::Residual, normal).curve[0].penalty;
    assert!((start - 0.25).abs() < 1e-3, "{start}");
}

#[test]
fn with_kept_weights_alone_only_proximal_steps_move_the_selected() {
    let config = |form| RegularizeConfig { form, kept_only: true, ..RegularizeConfig::default() };
    let fixed = run(Family::Opt, AxisKind::Ffn, config(PenaltyForm::Off)).curve;
    assert!((fixed[19].selected_norm / fixed[0].selected_norm - 1.0).abs() < 1e-6);
    let moved = run(Family::Opt, AxisKind::Ffn, config(PenaltyForm::Proximal));
    assert_eq!(moved.curve[19].selected_norm, 0.0);
    let error = config(PenaltyForm::Loss).check().unwrap_err().to_string();
    assert!(error.contains("cannot shrink weights that are not trained"), "{error}");
}

#[test]
fn a_run_interrupted_before_and_after_the_slice_ends_as_one_that_was_not() {
    /// Panics when so many steps are done.
    struct Interrupt(u64);
    impl Progress for Interrupt {
        fn advanced(&self, _stage: &Stage, at: &Advance) {
            assert!(at.done < self.0, "interrupted on purpose");
        }
    }
    let place = tempfile::tempdir().unwrap();
    let config = |name: &str| {
        let mut config = gated("cosine:0.5", GateNorms::Count);
        config.train.run_dir = Some(place.path().join(name));
        config.train.checkpoint_every = Some(dress_train::CheckpointEvery::Steps(3));
        config
    };
    let pruned = |name: &str, progress: &dyn Progress| -> Pruned<AnyModel> {
        let target = AxisTarget { kind: AxisKind::Residual, ratio: Ratio::new(0.5).unwrap(), tile: 1 };
        let stock = StockTarget::Dress;
        let config =
            PruneConfig { regularize: Some(config(name)), stock, seed: 7, ..PruneConfig::new(vec![target]) };
        let scorer = Criterion::MagnitudeL1.scorer::<AnyModel>(7);
        prune(Shape::example().model(), scorer.as_ref(), &calibration(), &config, progress).unwrap()
    };
    let whole = pruned("whole", &NoProgress);
    for steps in [5, 8, 14] {
        let interrupt = Interrupt(steps);
        assert!(catch_unwind(AssertUnwindSafe(|| pruned("broken", &interrupt))).is_err());
    }
    let resumed = pruned("broken", &NoProgress);
    let losses = |pruned: &Pruned<AnyModel>| -> Vec<f64> {
        pruned.report.curve.iter().map(|point| point.loss).collect()
    };
    assert_eq!(losses(&whole), losses(&resumed));
    assert_eq!(whole.report.cut, resumed.report.cut);
    let bits = |pruned: &Pruned<AnyModel>| logits(&pruned.model).into_data();
    bits(&whole).assert_eq(&bits(&resumed), true);
}

#[test]
fn rounds_reach_the_ratio_and_their_plan_is_one_of_the_original_model() {
    let ratio = Ratio::new(0.75).unwrap();
    let targets = [AxisKind::Residual, AxisKind::Ffn].map(|kind| AxisTarget { kind, ratio, tile: 1 });
    let regularize = Some(RegularizeConfig::default());
    let stock = StockTarget::Dress;
    let config = PruneConfig { regularize, stock, seed: 7, ..PruneConfig::new(targets.to_vec()) };
    let scorer = Criterion::MagnitudeL1.scorer::<AnyModel>(7);
    let model = Shape { width_a_head: 8, ..Shape::example() }.model();
    let once = prune(model.clone(), scorer.as_ref(), &calibration(), &config, &NoProgress).unwrap();
    let pruned =
        prune_in_rounds(model.clone(), scorer.as_ref(), &calibration(), &config, 3, &NoProgress).unwrap();
    let kept = |plan: &SlicePlan| -> Vec<(Axis, usize)> {
        plan.selection.iter().map(|(axis, chosen)| (axis, chosen.kept_len())).collect()
    };
    assert_eq!(kept(&pruned.plan), kept(&once.plan));
    assert_eq!((pruned.report.rounds.len(), pruned.report.curve.len()), (3, 60));
    assert!(pruned.report.slicing_error.unwrap() < 1e-4);
    let shapes = |model: &AnyModel| -> Vec<Vec<usize>> {
        parameters::list(model).into_iter().map(|p| p.shape).collect()
    };
    assert_eq!(shapes(&apply(model.clone(), &pruned.plan).unwrap()), shapes(&pruned.model));
}

#[test]
fn rounds_of_whole_layers_and_of_layers_that_differ_are_refused() {
    let ratio = Ratio::new(0.5).unwrap();
    let of_kind = |kind| PruneConfig::new(vec![AxisTarget { kind, ratio, tile: 1 }]);
    let per_layer = PerLayer { budget: None, tolerance: 1.0, comparable: true, served_by: Vec::new() };
    let uneven = [Allocation::PerLayer(per_layer), Allocation::Sparing { first: 0, last: 1 }];
    let stock = StockTarget::Dress;
    let mut refused = vec![of_kind(AxisKind::Depth)];
    refused.extend(uneven.map(|allocation| PruneConfig { allocation, stock, ..of_kind(AxisKind::Ffn) }));
    for config in refused {
        let scorer = Criterion::MagnitudeL1.scorer::<AnyModel>(7);
        let model = Shape::example().model();
        let error = prune_in_rounds(model, scorer.as_ref(), &calibration(), &config, 2, &NoProgress);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("`rounds = 1`"), "{error}");
    }
}

#[test]
fn a_gate_on_low_rank_factors_closes_to_the_sliced_model_too() {
    for kind in KINDS {
        let mut config = gated("linear:0.5", GateNorms::Fixed);
        let lora = LoraConfig { rank: 2, alpha: 8.0, ..LoraConfig::default() };
        config.train.trainable = Trainable::Lora(lora);
        config.train.learning_rate.peak = 1e-2;
        let report = run(Family::Llama, kind, config);
        assert_eq!((report.cut.map(|cut| cut.step), report.curve.len()), (Some(9), 20));
        assert!(report.slicing_error.unwrap() < 1e-4, "{kind}: {:?}", report.slicing_error);
    }
}

#[test]
fn a_penalty_in_the_loss_shrinks_what_is_selected_more_than_training_alone() {
    let last = |lambda| {
        let mut config = RegularizeConfig {
            penalty: PenaltyKind::Group,
            form: PenaltyForm::Loss,
            lambda,
            ..RegularizeConfig::default()
        };
        config.train.learning_rate.peak = 1e-2;
        let report = run(Family::Llama, AxisKind::Ffn, config);
        assert_eq!(report.curve.len(), 20);
        report.curve.last().unwrap().selected_norm
    };
    assert!(last(1.0) < 0.9 * last(0.0), "{} {}", last(1.0), last(0.0));
}

#[test]
fn squared_l2_has_no_proximal_step_and_says_so() {
    let target = AxisTarget { kind: AxisKind::Ffn, ratio: Ratio::new(0.5).unwrap(), tile: 1 };
    let regularize = RegularizeConfig { penalty: PenaltyKind::L2, ..RegularizeConfig::default() };
    let config = PruneConfig { regularize: Some(regularize), seed: 7, ..PruneConfig::new(vec![target]) };
    let scorer = Criterion::MagnitudeL1.scorer::<AnyModel>(7);
    let model = Shape::example().model();
    let error = prune(model, scorer.as_ref(), &calibration(), &config, &NoProgress).unwrap_err().to_string();
    assert!(error.contains("`l2` has no proximal step") && error.contains("group"), "{error}");
}
