//! Gradients through whole small models against finite differences.

use dress_core::burn::module::{Module, Param};
use dress_core::burn::optim::GradientsParams;
use dress_core::burn::tensor::{Device, Tensor, TensorData, Tolerance};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{Axis, AxisSelection, Calibration, CausalLm, Error, Forward, Penalty, Selection, Site, Tap};
use dress_models::AnyModel;
use dress_regularize::{
    ActivationPenalty, ComponentWeights, Gate, GateNorms, PenaltyKind, Regularizer, Schedule, SlotChoice,
    Thresholds,
};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const LLAMA: &str = r#"{"model_type":"llama","vocab_size":11,"hidden_size":8,"intermediate_size":12,
    "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":2,"head_dim":4,
    "tie_word_embeddings":true,"initializer_range":0.3,"rms_norm_eps":1e-3}"#;
const PHI: &str = r#"{"model_type":"phi","vocab_size":11,"hidden_size":8,"intermediate_size":12,
    "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":2,"head_dim":4,
    "partial_rotary_factor":1.0,"initializer_range":0.3,"layer_norm_eps":1e-3}"#;

/// With norms behind attention and feed-forward network, whose gains are filed as one less than what they
/// multiply by.
const GEMMA: &str = r#"{"model_type":"gemma2","vocab_size":11,"hidden_size":8,"intermediate_size":12,
    "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":2,"head_dim":4,
    "query_pre_attn_scalar":4,"initializer_range":0.3,"rms_norm_eps":1e-3}"#;

/// A random model, the same each time: Burn has one generator for the whole process, so no two tests draw at
/// once.
fn model(config: &str) -> AnyModel {
    static DRAWING: Mutex<()> = Mutex::new(());
    let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex();
    device.seed(5);
    let model = AnyModel::from_config(config, Path::new("config.json"), &device).unwrap();
    parameters::map(model, &mut Nudge { name: "", index: 0, by: 0.0 })
}

/// The last quarter of the width, half of the heads, and a third of the neurons.
fn selection() -> Selection {
    let last = |len: usize, gone: usize| AxisSelection::new(len, (len - gone..len).collect()).unwrap();
    Selection::new()
        .with(Axis::Residual, last(8, 2))
        .with(Axis::Ffn { layer: 0 }, last(12, 4))
        .with(Axis::Heads { layer: 0 }, last(2, 1))
}

/// A model of two layers, the first of which goes, and some neurons of the other.
fn of_layers(config: &str) -> (String, Selection) {
    let selection = Selection::new()
        .with(Axis::Depth, AxisSelection::new(2, vec![0]).unwrap())
        .with(Axis::Ffn { layer: 1 }, AxisSelection::new(12, (8..12).collect()).unwrap());
    (config.replace("\"num_hidden_layers\":1", "\"num_hidden_layers\":2"), selection)
}

fn tokens() -> Vec<Vec<u32>> {
    vec![(0..7).map(|i| (i * i + 3) % 11).collect()]
}

/// Adds to one number of one parameter.
struct Nudge<'a> {
    name: &'a str,
    index: usize,
    by: f32,
}

impl ParameterMapper for Nudge<'_> {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        if name != self.name {
            return value;
        }
        let (dims, device) = (value.dims(), value.device());
        let mut numbers: Vec<f32> = value.into_data().iter().collect();
        numbers[self.index] += self.by;
        Tensor::from_data(TensorData::new(numbers, dims), &device)
    }
}

/// The numbers of every parameter's gradient.
fn gradients(model: &AnyModel, loss: Tensor<1>) -> Vec<(String, Vec<f32>)> {
    struct All(dress_core::burn::tensor::Gradients, Vec<(String, Vec<f32>)>);
    impl ParameterVisitor for All {
        fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            if let Some(gradient) = parameter.val().grad(&self.0) {
                self.1.push((name.into(), gradient.into_data().iter().collect()));
            }
        }
    }
    let mut all = All(loss.backward(), Vec::new());
    parameters::visit(model, &mut all);
    all.1
}

/// Every gradient of `loss` against the slope over a small step, at a few places of every parameter.
fn check(config: &str, what: &str, loss: impl Fn(&AnyModel) -> Tensor<1>) {
    let start = model(config).train();
    let number = |model: &AnyModel| f64::from(loss(model).into_scalar::<f32>());
    let mut checked = 0;
    for (name, gradient) in gradients(&start, loss(&start)) {
        for index in [0, gradient.len() / 2, gradient.len() - 1] {
            let by = 4e-3f32;
            let moved = |by| number(&parameters::map(start.clone(), &mut Nudge { name: &name, index, by }));
            let slope = (moved(by) - moved(-by)) / (2.0 * f64::from(by));
            let found = f64::from(gradient[index]);
            let tolerance = 2e-3 + 2e-2 * slope.abs();
            assert!((found - slope).abs() < tolerance, "{what}, {name}[{index}]: {found} {slope}");
            checked += 1;
        }
    }
    assert!(checked > 20, "{what}: {checked}");
}

#[test]
fn the_gradient_through_a_gate_is_that_of_the_gated_loss() {
    for config in [LLAMA, PHI] {
        for norms in [GateNorms::Fixed, GateNorms::Count] {
            for g in [1.0, 0.6, 0.0] {
                let gate = Gate::new(&model(config), &selection(), Schedule::Constant, norms).unwrap();
                check(config, &format!("gate {norms} at {g}"), |model| {
                    let tokens = Calibration::tensor(&tokens(), &model.device());
                    let (viewed, mut tap) = (gate.apply(model, g), gate.tap(g));
                    viewed.next_token_loss(tokens, &mut Forward::new(&mut tap))
                });
            }
        }
    }
}

#[test]
fn the_gradient_through_a_gate_on_a_layer_is_that_of_the_gated_loss() {
    for (config, selection) in [of_layers(LLAMA), of_layers(GEMMA)] {
        for g in [1.0, 0.6, 0.0] {
            let gate = Gate::new(&model(&config), &selection, Schedule::Constant, GateNorms::Fixed).unwrap();
            check(&config, &format!("gate at {g}"), |model| {
                let tokens = Calibration::tensor(&tokens(), &model.device());
                let (viewed, mut tap) = (gate.apply(model, g), gate.tap(g));
                viewed.next_token_loss(tokens, &mut Forward::new(&mut tap))
            });
        }
    }
}

#[test]
fn the_gradient_of_a_penalty_on_what_a_layer_adds_is_that_of_its_value() {
    let (config, selection) = of_layers(LLAMA);
    for penalty in [PenaltyKind::L1, PenaltyKind::L2, PenaltyKind::Group] {
        let penalty = ActivationPenalty::new(&model(&config), &selection, penalty, false).unwrap();
        check(&config, &format!("{penalty:?}"), |model| {
            let tokens = Calibration::tensor(&tokens(), &model.device());
            let mut tap = penalty.tap();
            let loss = model.next_token_loss(tokens, &mut Forward::new(&mut tap));
            tap.mean().unwrap() + loss * 0.1
        });
    }
}

#[test]
fn what_a_layer_adds_is_a_share_of_the_stream_in_front_of_it() {
    let (config, selection) = of_layers(LLAMA);
    let penalty = ActivationPenalty::new(&model(&config), &selection, PenaltyKind::Group, true).unwrap();
    let share = |layer: usize, scale: f64| {
        let mut tap = penalty.tap();
        let before = Tensor::<3>::ones([1, 3, 8], &Device::flex()) * scale;
        tap.after_layer(layer, &before, &(before.clone() * 1.25));
        tap.mean().map(|mean| f64::from(mean.into_scalar::<f32>()))
    };
    for scale in [1.0, 30.0] {
        assert!((share(0, scale).unwrap() - 0.25).abs() < 1e-4, "{scale}");
    }
    assert_eq!(share(1, 1.0), None, "that layer stays");
}

#[test]
fn the_gradient_of_a_penalty_on_activations_is_that_of_its_value() {
    for penalty in [PenaltyKind::L1, PenaltyKind::L2, PenaltyKind::Group] {
        let penalty = ActivationPenalty::new(&model(LLAMA), &selection(), penalty, false).unwrap();
        check(LLAMA, &format!("{penalty:?}"), |model| {
            let tokens = Calibration::tensor(&tokens(), &model.device());
            let mut tap = penalty.tap();
            let loss = model.next_token_loss(tokens, &mut Forward::new(&mut tap));
            tap.mean().unwrap() + loss * 0.1
        });
    }
}

#[test]
fn the_gradient_of_a_normalised_penalty_is_that_of_its_value_which_starts_at_one() {
    for penalty in [PenaltyKind::L1, PenaltyKind::L2, PenaltyKind::Group] {
        let (weights, start) = (ComponentWeights::default(), model(PHI));
        let regularizer = Regularizer::new(&start, &selection(), penalty, weights, SlotChoice::All).unwrap();
        let regularizer = regularizer.normalized(&start).unwrap();
        let value = f64::from(regularizer.penalty(&start).unwrap().total().into_scalar::<f32>());
        assert!((value - 1.0).abs() < 1e-3, "{penalty}: {value}");
        check(PHI, &format!("normalised {penalty}"), |model| {
            let tokens = Calibration::tensor(&tokens(), &model.device());
            let loss = model.next_token_loss(tokens, &mut Forward::new(&mut dress_core::NoTap));
            regularizer.penalty(model).unwrap().total() + loss * 0.1
        });
    }
}

#[test]
fn a_penalty_beside_the_loss_has_the_value_and_the_gradients_of_one_in_it() {
    let (gemma, layer) = of_layers(GEMMA);
    let cases = [
        (LLAMA, selection(), PenaltyKind::Group),
        (PHI, selection(), PenaltyKind::L1),
        (LLAMA, selection(), PenaltyKind::L2),
        (gemma.as_str(), layer.clone(), PenaltyKind::L1),
        (gemma.as_str(), layer, PenaltyKind::L2),
    ];
    for (config, selection, penalty) in cases {
        let model = model(config).train();
        let weights = ComponentWeights { attention: 0.5, ..ComponentWeights::default() };
        let regularizer = Regularizer::new(&model, &selection, penalty, weights, SlotChoice::All).unwrap();
        let loss = || {
            let tokens = Calibration::tensor(&tokens(), &model.device());
            model.next_token_loss(tokens, &mut Forward::new(&mut dress_core::NoTap))
        };
        let term = regularizer.penalty(&model).unwrap().total() * 0.3;
        let value = f64::from(term.clone().into_scalar::<f32>());
        let within = GradientsParams::from_grads((loss() + term).backward(), &model);
        let plain = GradientsParams::from_grads(loss().backward(), &model);
        let (beside, found) = regularizer.penalize(&model, plain, 0.3).unwrap();
        assert!((found - value).abs() < 1e-5 * value, "{penalty}: {found} and {value}");
        struct Compare<'a>([&'a GradientsParams; 2]);
        impl ParameterVisitor for Compare<'_> {
            fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
                let [within, beside] = self.0.map(|all| all.get::<D>(parameter.id).expect(name).into_data());
                beside.assert_approx_eq::<f32>(&within, Tolerance::absolute(1e-6));
            }
        }
        parameters::visit(&model, &mut Compare([&within, &beside]));
    }
}

/// A penalty that needs what is not there, from a call of `value` or of `shrink` on.
struct WithoutItsTable {
    has_a_step: bool,
}

impl Penalty for WithoutItsTable {
    fn name(&self) -> &str {
        "without-its-table"
    }

    fn value(&self, _groups: Tensor<2>) -> Result<Tensor<1>, Error> {
        Err(Error::other("the table of penalties has no row for this parameter"))
    }

    fn shrink(&self, groups: Tensor<2>, _thresholds: Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        self.value(groups).map(|_| None)
    }

    fn thresholds_to_zero(&self, groups: Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        Ok(self.has_a_step.then(|| groups.abs().max_dim(1)))
    }
}

#[test]
fn a_penalty_of_another_crate_fails_with_its_own_cause() {
    let model = model(LLAMA);
    let regularizer = |has_a_step| {
        let (penalty, weights) = (Arc::new(WithoutItsTable { has_a_step }), ComponentWeights::default());
        Regularizer::with_penalty(&model, &selection(), penalty, weights, SlotChoice::All).unwrap()
    };
    let step = Thresholds::OfInitial { share: 0.1, least: 0.0 };
    let failures = [
        regularizer(false).penalty(&model).err(),
        regularizer(false).penalize(&model, GradientsParams::new(), 1.0).err(),
        regularizer(false).normalized(&model).err(),
        regularizer(true).shrink(model.clone(), step).err(),
    ];
    for failure in failures {
        let failure = failure.expect("it fails");
        assert!(matches!(failure, Error::Other(_)), "{failure}");
        assert_eq!(failure.to_string(), "the table of penalties has no row for this parameter");
    }
    // It is asked for no step that reaches zero where it has none.
    assert!(regularizer(false).shrink(model.clone(), step).is_ok());
}

#[test]
fn gains_that_are_filed_as_one_less_go_to_minus_one() {
    struct Gains(Vec<f32>);
    impl ParameterVisitor for Gains {
        fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            if name == "model.layers.0.post_feedforward_layernorm.weight" {
                self.0 = parameter.val().into_data().iter().collect();
            }
        }
    }
    let (config, selection) = of_layers(GEMMA);
    let (model, weights) = (model(&config), ComponentWeights::default());
    for penalty in [PenaltyKind::L1, PenaltyKind::Group] {
        let regularizer = Regularizer::new(&model, &selection, penalty, weights, SlotChoice::All).unwrap();
        let shrunk =
            |share| regularizer.shrink(model.clone(), Thresholds::OfInitial { share, least: 0.0 }).unwrap();
        let (partly, entirely) = (shrunk(0.25), shrunk(1.000_001));
        let gains = |model: &AnyModel| {
            let mut gains = Gains(Vec::new());
            parameters::visit(model, &mut gains);
            gains.0
        };
        // A model that was just made multiplies by one, and three quarters are left of that.
        let left = gains(&partly);
        assert!(left.len() == 8 && left.iter().all(|gain| (gain + 0.25).abs() < 1e-6), "{penalty}: {left:?}");
        assert_eq!(gains(&entirely), [-1.0; 8], "{penalty}");
        assert!(regularizer.selected_norm(&partly) > 0.0);
        assert_eq!(regularizer.selected_norm(&entirely), 0.0, "{penalty}");
        // What is at zero from the start is not penalised.
        let left = regularizer.normalized(&entirely).unwrap().penalty(&partly).unwrap().total();
        assert_eq!(left.into_scalar::<f32>(), 0.0, "{penalty}");
    }
}

#[test]
fn relative_activations_are_a_share_of_all_whatever_their_scale() {
    let penalty = ActivationPenalty::new(&model(LLAMA), &selection(), PenaltyKind::L2, true).unwrap();
    let share = |scale: f64| {
        let mut tap = penalty.tap();
        let numbers = Tensor::<1, dress_core::burn::tensor::Int>::arange(0..12, &Device::flex());
        let value = numbers.float().reshape([1, 1, 12]) * scale;
        tap.pass(Site::Ffn { layer: 0 }, value);
        f64::from(tap.mean().unwrap().into_scalar::<f32>())
    };
    let squares = |range: std::ops::Range<u32>| {
        let len = f64::from(range.end - range.start);
        range.map(|i| f64::from(i * i)).sum::<f64>() / len
    };
    let expected = squares(8..12) / squares(0..12);
    assert!((share(1.0) - expected).abs() < 1e-5 && (share(30.0) - expected).abs() < 1e-5);
}
