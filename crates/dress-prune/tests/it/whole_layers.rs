//! E5 for whole layers: where what a layer writes reached zero, taking it out changes nothing.

use crate::regularized::calibration;
use crate::small_models::{FAMILIES, Family, KINDS, Shape, distance, logits, selection};
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::Layout;
use dress_core::{
    Advance, Axis, AxisKind, CausalLm, NoProgress, Progress, Ratio, Selection, Stage, StockTarget,
};
use dress_importance::Criteria;
use dress_models::AnyModel;
use dress_prune::{
    AxisTarget, Distill, PenaltyForm, PruneConfig, Pruned, RegularizeConfig, apply, mask, prune,
};
use dress_regularize::{ComponentWeights, GateNorms, PenaltyKind, Regularizer, SlotChoice};
use dress_train::{CheckpointEvery, DistillationConfig, GradientCheckpointing, LoraConfig, Trainable};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Families that are tried in every way: norms of both kinds, one and two before a layer's parts.
const IN_EVERY_WAY: [Family; 3] = [Family::Llama, Family::Opt, Family::Phi];

/// The families whose layers only add to the residual stream.
pub fn adding() -> impl Iterator<Item = Family> {
    FAMILIES.into_iter().filter(|family| *family != Family::Opt350m)
}

/// Each of these families in one of `ways`, in turn, and three of them in all ways.
pub fn tried<T: Clone>(ways: &[T]) -> Vec<(Family, T)> {
    let of_family = |(number, family): (usize, Family)| {
        let all = IN_EVERY_WAY.contains(&family);
        let place = number % ways.len();
        let tried = if all { ways } else { &ways[place..=place] };
        tried.iter().map(move |way| (family, way.clone()))
    };
    adding().enumerate().flat_map(of_family).collect()
}

pub const LAYERS: usize = 4;

/// How far a slice of what is at zero may move the logits.
pub const EXACT: f64 = 1e-5;

pub fn model(family: Family) -> AnyModel {
    Shape { family, layers: LAYERS, width_a_head: 8, ..Shape::example() }.model()
}

fn config(kinds: &[AxisKind], regularize: RegularizeConfig) -> PruneConfig {
    let ratio = Ratio::new(0.5).unwrap();
    let targets = kinds.iter().map(|&kind| AxisTarget { kind, ratio, tile: 1 }).collect();
    let (regularize, stock) = (Some(regularize), StockTarget::Dress);
    PruneConfig { regularize, stock, seed: 7, ..PruneConfig::new(targets) }
}

fn pruned_of(
    model: AnyModel,
    kinds: &[AxisKind],
    regularize: RegularizeConfig,
    progress: &dyn Progress,
) -> Pruned<AnyModel> {
    let scorer = Criteria::new(&[], kinds, 7);
    prune(model, &scorer, &calibration(), &config(kinds, regularize), progress).unwrap()
}

fn run(family: Family, kinds: &[AxisKind], regularize: RegularizeConfig) -> Pruned<AnyModel> {
    pruned_of(model(family), kinds, regularize, &NoProgress)
}

fn gated(schedule: &str) -> RegularizeConfig {
    let gate = Some(schedule.parse().unwrap());
    RegularizeConfig { form: PenaltyForm::Off, gate, ..RegularizeConfig::default() }
}

fn losses(pruned: &Pruned<AnyModel>) -> Vec<f64> {
    pruned.report.curve.iter().map(|point| point.loss).collect()
}

#[test]
fn layers_are_sliced_as_soon_as_they_write_nothing_or_at_the_end() {
    for (family, slice_early) in tried(&[true, false]) {
        let pruned =
            run(family, &[AxisKind::Depth], RegularizeConfig { slice_early, ..RegularizeConfig::default() });
        let report = &pruned.report;
        assert_eq!((report.curve.len(), pruned.model.num_layers()), (20, LAYERS / 2), "{family:?}");
        assert_eq!(report.curve.last().unwrap().selected_norm, 0.0, "{family:?}");
        if slice_early {
            let cut = report.cut.unwrap();
            assert!((3..10).contains(&cut.step), "{cut:?}");
            assert!(report.curve[cut.step - 1].selected_norm > 0.0 && report.curve[0].selected_norm > 0.0);
        }
        assert_eq!(report.cut.is_some(), slice_early);
        assert!(report.slicing_error.unwrap() <= EXACT, "{family:?}: {:?}", report.slicing_error);
    }
}

#[test]
fn a_closed_gate_on_layers_is_the_model_without_them() {
    let ways = [GateNorms::Fixed, GateNorms::Count].map(|norms| [(norms, true), (norms, false)]).concat();
    for (family, (gate_norms, slice_early)) in tried(&ways) {
        let settings = RegularizeConfig { slice_early, gate_norms, ..gated("cosine:0.5") };
        let pruned = run(family, &[AxisKind::Depth], settings);
        let gates: Vec<f64> = pruned.report.curve.iter().map(|point| point.gate).collect();
        assert_eq!((gates[8] > 0.0, gates[9], gates.len()), (true, 0.0, 20));
        assert_eq!(pruned.report.cut.map(|cut| cut.step), slice_early.then_some(9));
        assert_eq!(pruned.model.num_layers(), LAYERS / 2);
        let moved = pruned.report.slicing_error.unwrap();
        assert!(moved <= EXACT, "{family:?} {gate_norms} {slice_early}: {moved}");
    }
}

#[test]
fn layers_go_together_with_every_other_axis() {
    let all = [&KINDS[..], &[AxisKind::Depth]].concat();
    let settings = [RegularizeConfig::default(), gated("linear:0.5")];
    let neurons = settings.each_ref().map(|settings| (vec![AxisKind::Depth, AxisKind::Ffn], settings));
    let everything = settings.each_ref().map(|settings| (all.clone(), settings));
    let with_neurons = tried(&neurons).into_iter().filter(|(family, _)| IN_EVERY_WAY.contains(family));
    for (family, (kinds, settings)) in tried(&everything).into_iter().chain(with_neurons) {
        let dense = model(family);
        let pruned = pruned_of(dense.clone(), &kinds, settings.clone(), &NoProgress);
        assert_eq!(pruned.model.num_layers(), LAYERS / 2);
        assert!(pruned.report.cut.is_some(), "{family:?} {kinds:?}: {:?}", pruned.report);
        let moved = pruned.report.slicing_error.unwrap();
        assert!(moved < 1e-4, "{family:?} {kinds:?}: {moved}");
        assert_eq!(pruned.model.coupling(), apply(dense, &pruned.plan).unwrap().coupling());
    }
}

#[test]
fn what_is_left_lies_where_the_plan_says() {
    // Steps that move nothing, so that the numbers are those of the model sliced directly.
    let all = [&KINDS[..], &[AxisKind::Depth]].concat();
    // Not OPT: its head is its embedding, and what is taken off that for a mean of zero shows in the logits.
    let some = [Family::Llama, Family::SmolLm3, Family::Olmo2, Family::Gemma2, Family::GptNeox, Family::Phi];
    for family in some {
        let mut settings = gated("constant");
        settings.train.learning_rate.peak = 1e-9;
        let dense = model(family);
        let pruned = pruned_of(dense.clone(), &all, settings, &NoProgress);
        let direct = apply(dense, &pruned.plan).unwrap();
        let apart = distance(logits(&pruned.model), logits(&direct));
        assert!(apart < 1e-3, "{family:?}: {apart}");
    }
}

#[test]
fn a_run_with_layers_interrupted_before_and_after_the_slice_ends_as_one_that_was_not() {
    /// Panics when so many steps are done.
    struct Interrupt(u64);
    impl Progress for Interrupt {
        fn advanced(&self, _stage: &Stage, at: &Advance) {
            assert!(at.done < self.0, "interrupted on purpose");
        }
    }
    let place = tempfile::tempdir().unwrap();
    let kinds = [AxisKind::Depth, AxisKind::Ffn];
    for (name, settings, moments) in
        [("gate", gated("cosine:0.5"), [5, 8, 14]), ("steps", RegularizeConfig::default(), [3, 7, 13])]
    {
        let settings = |run: &str| {
            let mut settings = settings.clone();
            settings.train.run_dir = Some(place.path().join(format!("{name} {run}")));
            settings.train.checkpoint_every = Some(CheckpointEvery::Steps(2));
            settings
        };
        let pruned = |run: &str, progress: &dyn Progress| {
            pruned_of(model(Family::Llama), &kinds, settings(run), progress)
        };
        let whole = pruned("whole", &NoProgress);
        for steps in moments {
            let interrupt = Interrupt(steps);
            assert!(catch_unwind(AssertUnwindSafe(|| pruned("broken", &interrupt))).is_err());
        }
        let resumed = pruned("broken", &NoProgress);
        assert_eq!(losses(&whole), losses(&resumed), "{name}");
        assert_eq!(whole.report.cut, resumed.report.cut, "{name}");
        assert!(whole.report.cut.is_some());
        logits(&whole.model).into_data().assert_eq(&logits(&resumed.model).into_data(), true);
    }
}

#[test]
fn every_optimizer_goes_on_with_the_layers_that_stay() {
    for name in ["adamw", "adafactor", "sgd", "muon"] {
        let losses = |slice_early| {
            let mut settings = RegularizeConfig { slice_early, ..gated("linear:0.5") };
            settings.train.optimizer = name.parse().unwrap();
            // The clipped norm would count what is about to go.
            settings.train.clip_norm = None;
            losses(&run(Family::Llama, &[AxisKind::Depth], settings))
        };
        let (early, late) = (losses(true), losses(false));
        let apart = early.iter().zip(&late).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-3, "{name}: {early:?} {late:?}");
    }
}

#[test]
fn a_penalty_in_the_loss_shrinks_what_a_layer_writes_more_than_training_alone() {
    let last = |lambda| {
        let mut settings =
            RegularizeConfig { form: PenaltyForm::Loss, lambda, ..RegularizeConfig::default() };
        settings.train.learning_rate.peak = 1e-2;
        let pruned = run(Family::Opt, &[AxisKind::Depth], settings);
        assert_eq!((pruned.report.cut, pruned.model.num_layers()), (None, LAYERS / 2));
        pruned.report.curve.last().unwrap().selected_norm
    };
    assert!(last(1.0) < 0.9 * last(0.0), "{} {}", last(1.0), last(0.0));
}

#[test]
fn a_penalty_on_what_a_layer_adds_makes_it_add_less_and_is_heard_beside_a_teacher() {
    for (penalty, hidden) in [(PenaltyKind::L2, 0.0), (PenaltyKind::Group, 0.0), (PenaltyKind::L1, 0.1)] {
        let objective = DistillationConfig { hidden, ..DistillationConfig::default() };
        let distill = (hidden > 0.0).then_some(Distill { objective, cache: false });
        let mut settings = RegularizeConfig {
            form: PenaltyForm::Off,
            penalty,
            activations: 10.0,
            normalize: true,
            distill,
            ..RegularizeConfig::default()
        };
        settings.train.learning_rate.peak = 1e-2;
        let curve = run(Family::Llama, &[AxisKind::Depth], settings).report.curve;
        let (first, last) = (curve[0].penalty, curve[19].penalty);
        assert!(first > 0.0 && last < 0.7 * first, "{penalty}: {first} {last}");
    }
}

#[test]
fn with_kept_weights_alone_only_proximal_steps_move_layers_that_go() {
    let settings = |form| RegularizeConfig { form, kept_only: true, ..RegularizeConfig::default() };
    let fixed = run(Family::Opt, &[AxisKind::Depth], settings(PenaltyForm::Off)).report.curve;
    assert!((fixed[19].selected_norm / fixed[0].selected_norm - 1.0).abs() < 1e-6);
    let moved = run(Family::Opt, &[AxisKind::Depth], settings(PenaltyForm::Proximal)).report;
    assert_eq!(moved.curve[19].selected_norm, 0.0);
    assert!(moved.slicing_error.unwrap() <= EXACT);

    // Nothing of the layer is trained, what reads the stream included.
    let model = model(Family::Llama);
    let selected = selection(&model, &[AxisKind::Depth], |_| vec![0]);
    let (weights, slots) = (ComponentWeights::default(), SlotChoice::All);
    let regularizer = Regularizer::new(&model, &selected, PenaltyKind::Group, weights, slots).unwrap();
    let left = |layer: usize| {
        let ones = Tensor::<2>::ones([4, 4], &model.device());
        let name = format!("model.layers.{layer}.self_attn.q_proj.weight");
        regularizer.zero_selected(&name, Layout::Transposed, ones).sum().into_scalar::<f32>()
    };
    assert_eq!((left(0), left(1)), (0.0, 16.0));
}

#[test]
fn low_rank_factors_close_with_the_gate_of_their_layer() {
    let mut settings = gated("linear:0.5");
    settings.train.trainable = Trainable::Lora(LoraConfig { rank: 2, alpha: 8.0, ..LoraConfig::default() });
    settings.train.learning_rate.peak = 1e-2;
    let others = [Family::Olmo2, Family::Gemma3, Family::GptNeox];
    for family in IN_EVERY_WAY.into_iter().chain(others) {
        let pruned = run(family, &[AxisKind::Depth], settings.clone());
        let report = &pruned.report;
        assert_eq!((report.cut.map(|cut| cut.step), report.curve.len()), (Some(9), 20));
        assert_eq!(pruned.model.num_layers(), LAYERS / 2);
        assert!(report.slicing_error.unwrap() <= EXACT, "{family:?}: {:?}", report.slicing_error);
    }
}

#[test]
fn computing_layers_again_changes_nothing_of_a_run_that_loses_some() {
    for settings in [RegularizeConfig::default(), gated("linear:0.5")] {
        let losses = |gradient_checkpointing| {
            let mut settings = settings.clone();
            settings.train.gradient_checkpointing = gradient_checkpointing;
            losses(&run(Family::Llama, &[AxisKind::Depth], settings))
        };
        let (kept, again) = (losses(GradientCheckpointing::None), losses(GradientCheckpointing::Layers));
        let apart = kept.iter().zip(&again).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-3, "{kept:?} {again:?}");
    }
}

#[test]
fn streams_of_the_layers_that_stay_are_compared_before_and_after_the_slice() {
    for (family, cache) in tried(&[false, true]) {
        // Two layers write nothing: they go, and what stays is at no distance from the dense model's.
        let dense = model(family);
        let silent = selection(&dense, &[AxisKind::Depth], |_| vec![0, 2]);
        let dense = mask(dense, &silent).unwrap();
        let place = tempfile::tempdir().unwrap();
        let objective = DistillationConfig { alpha: 0.0, hidden: 1.0, ..DistillationConfig::default() };
        let distill = Some(Distill { objective, cache });
        let mut settings = RegularizeConfig { distill, ..gated("linear:0.5") };
        settings.train.learning_rate.peak = 1e-9;
        settings.train.run_dir = Some(place.path().into());
        let pruned = pruned_of(dense, &[AxisKind::Depth], settings, &NoProgress);
        assert_eq!(pruned.plan.selection.removed_layers(), [0, 2], "{family:?}");
        let curve = pruned.report.curve;
        assert_eq!(pruned.report.cut.unwrap().step, 9);
        let distances: Vec<f64> = curve.iter().map(|point| point.distillation.unwrap()).collect();
        assert!(distances.iter().all(|distance| *distance < 1e-4), "{family:?}: {distances:?}");
    }
}

/// The kept counts of a plan.
fn kept(pruned: &Pruned<AnyModel>) -> BTreeMap<Axis, usize> {
    pruned.plan.selection.iter().map(|(axis, chosen)| (axis, chosen.kept_len())).collect()
}

#[test]
fn layers_whose_norms_are_on_the_stream_go_first_and_alone_are_refused() {
    let family = Family::Opt350m;
    let pruned = run(family, &[AxisKind::Depth, AxisKind::Ffn], RegularizeConfig::default());
    assert_eq!((pruned.model.num_layers(), kept(&pruned)[&Axis::Depth]), (LAYERS / 2, LAYERS / 2));
    assert!(pruned.report.slicing_error.unwrap() < 1e-4, "only neurons are at zero: {:?}", pruned.report);

    let kinds = [AxisKind::Depth];
    let scorer = Criteria::new(&[], &kinds, 7);
    let settings = config(&kinds, RegularizeConfig::default());
    let refused = prune(model(family), &scorer, &calibration(), &settings, &NoProgress).unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("norms are on the residual stream"), "{refused}");
    assert!(refused.contains("`regularize = none`"), "{refused}");
    let direct = PruneConfig { regularize: None, ..settings };
    let direct = prune(model(family), &scorer, &calibration(), &direct, &NoProgress).unwrap();
    assert_eq!(direct.model.num_layers(), LAYERS / 2);

    let model = model(family);
    let selected = selection(&model, &kinds, |_| vec![3]);
    let (weights, slots) = (ComponentWeights::default(), SlotChoice::All);
    let refused = Regularizer::new(&model, &selected, PenaltyKind::Group, weights, slots).err().unwrap();
    assert!(refused.to_string().contains("layer 3"), "{refused}");
}

#[test]
fn nothing_inside_of_a_layer_that_goes_is_penalised_beside_what_it_writes() {
    for family in adding() {
        let model = model(family);
        let layers = selection(&model, &[AxisKind::Depth], |_| vec![1]);
        let inside = [Axis::Ffn { layer: 1 }, Axis::Heads { layer: 1 }];
        let with_more = inside.into_iter().fold(layers.clone(), |selected, axis| {
            let len = model.coupling().axis(axis).unwrap().len;
            selected.with(axis, dress_core::AxisSelection::new(len, vec![len - 1]).unwrap())
        });
        let norm = |selected: &Selection, slots| {
            let (penalty, weights) = (PenaltyKind::Group, ComponentWeights::default());
            Regularizer::new(&model, selected, penalty, weights, slots).unwrap().selected_norm(&model)
        };
        let alone = norm(&layers, SlotChoice::All);
        assert!(alone > 0.0);
        assert_eq!(norm(&with_more, SlotChoice::All), alone, "{family:?}");
        assert_eq!(norm(&layers, SlotChoice::Readers), alone, "{family:?}");
    }
}
