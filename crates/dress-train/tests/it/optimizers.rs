//! Every optimizer, and steps that half-precision weights cannot express.

use crate::small::{config, data, model, weights, worst};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Axis, AxisSelection, Calibration, NoProgress, Selection};
use dress_models::AnyModel;
use dress_prune::{PenaltyForm, SelectedPenalty};
use dress_regularize::{ComponentWeights, PenaltyKind, Regularizer, Schedule, SlotChoice};
use dress_train::{Decay, LearningRate, NoRegularization, OptimizerConfig, Precision, TrainConfig, train};

struct Half;

impl ParameterMapper for Half {
    fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        value.cast(DType::BF16)
    }
}

#[test]
fn every_optimizer_learns() {
    for (name, peak) in [("adamw", 1e-2), ("adafactor", 1e-2), ("sgd", 0.3), ("muon", 1e-2)] {
        let optimizer: OptimizerConfig = name.parse().unwrap();
        assert_eq!(optimizer.to_string(), name);
        let learning_rate = LearningRate { peak, warmup_steps: 2, ..LearningRate::default() };
        let config = TrainConfig { optimizer, learning_rate, ..config() };
        let curve = train(model(), &data(), &config, &NoRegularization, &NoProgress).unwrap().curve;
        let (first, last) = (curve[0].loss, curve.last().unwrap().loss);
        assert!(last < 0.85 * first, "{name}: {first} {last}");
    }
    let error = "adam".parse::<OptimizerConfig>().unwrap_err().to_string();
    assert!(error.contains("adafactor") && error.contains("muon"), "{error}");
}

#[test]
fn muon_makes_matrices_inside_layers_orthogonal_steps_and_leaves_the_rest_to_adamw() {
    let start = model();
    let learning_rate = LearningRate { peak: 1e-2, warmup_steps: 0, end: 1.0, decay: Decay::Constant };
    let optimizer = "muon".parse().unwrap();
    let config =
        TrainConfig { optimizer, learning_rate, epochs: 1, batch_size: 16, clip_norm: None, ..config() };
    let end = train(start.clone(), &data(), &config, &NoRegularization, &NoProgress).unwrap().model;
    let step = |wanted: &str| -> Vec<f32> {
        let mut all = Named { wanted, numbers: Vec::new() };
        parameters::visit(&start, &mut all);
        let before = std::mem::take(&mut all.numbers);
        parameters::visit(&end, &mut all);
        before.iter().zip(&all.numbers).map(|(a, b)| a - b).collect()
    };
    // AdamW's first step is as long as the rate wherever there is a gradient.
    let norm = step("model.norm.weight");
    assert!(norm.iter().all(|by| (by.abs() - 1e-2).abs() < 1e-4), "{norm:?}");
    // Muon's has singular values near 0.2 sqrt(16) of the rate.
    let square: f32 = step("model.layers.0.self_attn.q_proj.weight").iter().map(|by| by * by).sum();
    let mean = (square / 16.0).sqrt() / 1e-2;
    assert!((0.5..1.1).contains(&mean), "{mean}");
}

struct Named<'a> {
    wanted: &'a str,
    numbers: Vec<f32>,
}

impl parameters::ParameterVisitor for Named<'_> {
    fn visit<const D: usize>(
        &mut self,
        name: &str,
        _layout: Layout,
        parameter: &dress_core::burn::module::Param<Tensor<D>>,
    ) {
        if name == self.wanted {
            self.numbers = parameter.val().into_data().iter().collect();
        }
    }
}

#[test]
fn bf16_alone_stalls_and_neither_f32_masters_nor_rounding_at_random_do() {
    let start = model();
    let half = parameters::map(start.clone(), &mut Half);
    let learning_rate = LearningRate { peak: 1e-4, warmup_steps: 0, end: 1.0, decay: Decay::Constant };
    let run = |model: AnyModel, precision| {
        let config = TrainConfig { epochs: 40, learning_rate, precision, ..config() };
        let trained = train(model, &data(), &config, &NoRegularization, &NoProgress).unwrap();
        (trained.curve[0].loss - trained.curve.last().unwrap().loss, weights(&trained.model))
    };
    let (full, _) = run(start.clone(), Precision::AsIs);
    let (stalled, same) = run(half.clone(), Precision::AsIs);
    let unmoved = same.iter().zip(weights(&half)).filter(|(a, b)| **a == *b).count() as f64;
    assert!(unmoved / same.len() as f64 > 0.6 && stalled < 0.6 * full, "{unmoved} {stalled} {full}");
    for precision in [Precision::MasterWeights, Precision::StochasticRounding] {
        let (gained, _) = run(half.clone(), precision);
        assert!(gained > 0.85 * full, "{precision}: {gained} {full}");
    }
}

#[test]
fn masters_follow_what_else_sets_the_weights() {
    let half = parameters::map(model(), &mut Half);
    let config = TrainConfig { precision: Precision::MasterWeights, ..config() };
    let trained = train(half, &data(), &config, &SetToFourOnce, &NoProgress).unwrap();
    // The twelve steps after that start from there, and not from the masters of before.
    let furthest = worst(&weights(&trained.model), &vec![4.0; weights(&trained.model).len()]);
    assert!(furthest > 0.0 && furthest < 0.5, "{furthest}");
}

/// Sets every weight to four in the middle of the run.
struct SetToFourOnce;

impl dress_train::Regularization<AnyModel> for SetToFourOnce {
    fn after_step(
        &self,
        model: AnyModel,
        step: &dress_train::StepInfo,
    ) -> Result<AnyModel, dress_core::Error> {
        struct Four;
        impl ParameterMapper for Four {
            fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
                value.zeros_like() + 4.0
            }
        }
        Ok(if step.reached == 0.5 { parameters::map(model, &mut Four) } else { model })
    }
}

#[test]
fn proximal_steps_below_the_last_bit_of_a_weight_take_it_to_zero_all_the_same() {
    let last = |len: usize| AxisSelection::new(len, (3 * len / 4..len).collect()).unwrap();
    let selection = Selection::new().with(Axis::Residual, last(16)).with(Axis::Ffn { layer: 0 }, last(32));
    let start = parameters::map(model(), &mut Half);
    let (penalty, slots) = (PenaltyKind::Group, SlotChoice::All);
    let regularizer =
        Regularizer::new(&start, &selection, penalty, ComponentWeights::default(), slots).unwrap();
    // A thousandth of the norm at the start a step.
    let steps = 1200;
    let regularization = SelectedPenalty {
        regularizer: &regularizer,
        form: PenaltyForm::Proximal,
        lambda: 0.001 * steps as f64,
        schedule: Schedule::Constant,
        gate: None,
        refit: None,
        activations: None,
        kept_only: false,
        slicer: None,
    };
    let block = Calibration::from_blocks(vec![vec![1, 3, 5, 7]]);
    let learning_rate = LearningRate { peak: 1e-7, warmup_steps: 0, end: 1.0, decay: Decay::Constant };
    for precision in [Precision::AsIs, Precision::MasterWeights] {
        let config = TrainConfig { epochs: steps, learning_rate, precision, ..config() };
        let curve = train(start.clone(), &block, &config, &regularization, &NoProgress).unwrap().curve;
        let norms: Vec<f64> = [0, 500, 1199].map(|step| curve[step].selected_norm).to_vec();
        assert!((norms[1] / norms[0] - 0.5).abs() < 0.05 && norms[2] == 0.0, "{precision}: {norms:?}");
    }
}
