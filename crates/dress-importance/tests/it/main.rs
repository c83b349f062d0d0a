//! Every criterion against a plain computation of its definition.

mod reference;

use dress_core::burn::module::{Module, Param};
use dress_core::burn::tensor::{Device, Gradients, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{Axis, Calibration, CausalLm, Forward, NoProgress, NoTap, Role, Scores, Site, Tap};
use dress_importance::{Criterion, Taylor};
use dress_models::AnyModel;
use std::collections::HashMap;
use std::path::Path;

const CONFIG: &str = r#"{"model_type":"llama","vocab_size":23,"hidden_size":12,"intermediate_size":10,
    "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"rms_norm_eps":1e-3,
    "tie_word_embeddings":false,"attention_bias":true,"initializer_range":0.3}"#;
/// With norms whose gains are filed as one less than they are.
const GEMMA: &str = r#"{"model_type":"gemma2","vocab_size":23,"hidden_size":12,"intermediate_size":10,
    "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"rms_norm_eps":1e-3,
    "query_pre_attn_scalar":4,"initializer_range":0.3}"#;
const AXES: [Axis; 3] = [Axis::Residual, Axis::Ffn { layer: 1 }, Axis::Heads { layer: 0 }];

fn model() -> AnyModel {
    AnyModel::from_config(CONFIG, Path::new("config.json"), &Device::flex()).unwrap()
}

fn calibration() -> Calibration {
    Calibration::from_blocks((0..3).map(|n| (0..9).map(|i| (i * i + 5 * n) % 23).collect()).collect())
}

fn score(model: &AnyModel, criterion: Criterion) -> Scores {
    criterion.scorer(5).score(model, &calibration(), &AXES, &NoProgress).unwrap()
}

/// Parameters as rows of numbers in the layout of the files.
struct Filed(HashMap<String, (Vec<usize>, Vec<f32>)>);

impl ParameterVisitor for Filed {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let value = parameter.val();
        let filed = if layout == Layout::Transposed { value.swap_dims(0, 1) } else { value };
        let entry = (filed.dims().to_vec(), filed.into_data().iter().collect());
        self.0.insert(name.into(), entry);
    }
}

fn filed(model: &AnyModel) -> Filed {
    let mut filed = Filed(HashMap::new());
    parameters::visit(model, &mut filed);
    filed
}

impl Filed {
    /// Every (structure, index of the input, weight) of one slot.
    fn of_slot(&self, slot: &dress_core::Slot) -> Vec<(usize, usize, f64)> {
        let (shape, numbers) = &self.0[&slot.parameter];
        let columns = if shape.len() == 2 { shape[1] } else { 1 };
        let places = numbers.iter().enumerate().map(|(flat, &w)| {
            let index = [flat / columns, flat % columns][slot.dim];
            (index / slot.block, flat % columns, f64::from(w))
        });
        places.collect()
    }
}

fn assert_close(found: &Scores, axis: Axis, expected: &[f64], name: &str) {
    let found = found.get(axis).unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= 1e-4 * expected.abs().max(1e-6),
            "{name} {axis}: {found} {expected}"
        );
    }
}

#[test]
fn magnitudes_are_the_norms_of_all_that_a_structure_owns() {
    let model = model();
    let filed = filed(&model);
    for axis in AXES {
        let map = model.coupling();
        let slots = map.axis(axis).unwrap();
        let (mut l1, mut l2) = (vec![0.0; slots.len], vec![0.0; slots.len]);
        for (structure, _, w) in slots.slots.iter().flat_map(|slot| filed.of_slot(slot)) {
            l1[structure] += w.abs();
            l2[structure] += w * w;
        }
        l2.iter_mut().for_each(|square| *square = square.sqrt());
        assert_close(&score(&model, Criterion::MagnitudeL1), axis, &l1, "l1");
        assert_close(&score(&model, Criterion::MagnitudeL2), axis, &l2, "l2");
    }
}

/// The gradient of the mean loss of the calibration blocks, in the layout of the files.
fn gradient(model: &AnyModel) -> Filed {
    struct Read(Gradients, Filed);
    impl ParameterVisitor for Read {
        fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
            let gradient = parameter.val().grad(&self.0).unwrap();
            let filed = if layout == Layout::Transposed { gradient.swap_dims(0, 1) } else { gradient };
            let entry = (filed.dims().to_vec(), filed.into_data().iter().collect());
            self.1.0.insert(name.into(), entry);
        }
    }
    let (model, blocks) = (model.clone().train(), calibration().blocks);
    let loss = |block: &Vec<u32>| {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        model.next_token_loss(tokens, &mut Forward::new(&mut NoTap)) / blocks.len() as f64
    };
    let total = blocks.iter().map(loss).reduce(|sum, loss| sum + loss).unwrap();
    let mut read = Read(total.backward(), Filed(HashMap::new()));
    parameters::visit(&model, &mut read);
    read.1
}

#[test]
fn gains_that_are_filed_as_one_less_are_scored_as_what_they_are() {
    let model = AnyModel::from_config(GEMMA, Path::new("config.json"), &Device::flex()).unwrap();
    let (filed, gradient) = (filed(&model), gradient(&model));
    let map = model.coupling();
    let slots = map.axis(Axis::Residual).unwrap();
    let (mut sizes, mut taylor) = (vec![0.0; slots.len], vec![0.0; slots.len]);
    for slot in &slots.slots {
        let less = if slot.parameter.contains("norm") { 1.0 } else { 0.0 };
        let slopes = gradient.of_slot(slot).into_iter();
        for ((structure, _, w), (_, _, slope)) in filed.of_slot(slot).into_iter().zip(slopes) {
            sizes[structure] += (w + less).abs();
            taylor[structure] += ((w + less) * slope).abs();
        }
    }
    assert_close(&score(&model, Criterion::MagnitudeL1), Axis::Residual, &sizes, "l1");
    let found = score(&model, Criterion::Taylor(Taylor::default()));
    for (found, expected) in found.get(Axis::Residual).unwrap().iter().zip(&taylor) {
        assert!((found - expected).abs() <= 1e-3 * expected, "taylor: {found} {expected}");
    }
}

/// Keeps the squared norm of every channel at every site.
#[derive(Default)]
struct Record(HashMap<Site, Vec<f64>>);

impl Tap for Record {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let width = value.dims()[2];
        let sums = self.0.entry(site).or_insert_with(|| vec![0.0; width]);
        for (index, x) in value.clone().into_data().iter::<f64>().enumerate() {
            sums[index % width] += x * x;
        }
        value
    }
}

fn record(model: &AnyModel) -> Record {
    let mut record = Record::default();
    for block in calibration().blocks {
        model.forward(Calibration::tensor(&[block], &model.device()), &mut Forward::new(&mut record));
    }
    record
}

#[test]
fn wanda_is_weight_times_input_norm_over_the_readers() {
    let model = model();
    let (filed, record) = (filed(&model), record(&model));
    for axis in AXES {
        let map = model.coupling();
        let slots = map.axis(axis).unwrap();
        let mut expected = vec![0.0; slots.len];
        for slot in slots.slots.iter().filter(|slot| slot.role == Role::Reads) {
            let norms = &record.0[&slot.site.unwrap()];
            for (structure, input, w) in filed.of_slot(slot) {
                expected[structure] += w.abs() * norms[input].sqrt();
            }
        }
        assert_close(&score(&model, Criterion::Wanda), axis, &expected, "wanda");
    }
}

#[test]
fn activation_norm_is_the_norm_at_the_tap_and_relative_energy_on_the_stream() {
    let model = model();
    let record = record(&model);
    let found = score(&model, Criterion::ActivationNorm);
    let ffn: Vec<f64> = record.0[&Site::Ffn { layer: 1 }].iter().map(|s| s.sqrt()).collect();
    assert_close(&found, Axis::Ffn { layer: 1 }, &ffn, "activation-norm");
    let heads: Vec<f64> =
        record.0[&Site::Heads { layer: 0 }].chunks(8).map(|c| c.iter().sum::<f64>().sqrt()).collect();
    assert_close(&found, Axis::Heads { layer: 0 }, &heads, "activation-norm");
    let stream = [Site::Embedding, Site::Residual { layer: 0 }, Site::Residual { layer: 1 }];
    let mut residual = vec![0.0; 12];
    for site in stream {
        let squares = &record.0[&site];
        let mean = squares.iter().sum::<f64>() / 12.0;
        residual.iter_mut().zip(squares).for_each(|(r, s)| *r += s / mean);
    }
    assert_close(&found, Axis::Residual, &residual, "activation-norm");
}

/// Changes one number of one parameter.
struct Nudge<'a> {
    parameter: &'a str,
    flat: usize,
    by: f32,
}

impl ParameterMapper for Nudge<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        if name != self.parameter {
            return value;
        }
        let filed = if layout == Layout::Transposed { value.swap_dims(0, 1) } else { value };
        let (dims, device) = (filed.dims(), filed.device());
        let mut numbers: Vec<f32> = filed.into_data().iter().collect();
        numbers[self.flat] += self.by;
        let data = dress_core::burn::tensor::TensorData::new(numbers, dims);
        let filed = Tensor::from_data(data, &device);
        if layout == Layout::Transposed { filed.swap_dims(0, 1) } else { filed }
    }
}

fn mean_loss(model: &AnyModel) -> f64 {
    let blocks = calibration().blocks;
    let losses = blocks.iter().map(|block| {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        f64::from(model.next_token_loss(tokens, &mut Forward::new(&mut NoTap)).into_scalar::<f32>())
    });
    losses.sum::<f64>() / blocks.len() as f64
}

#[test]
fn taylor_is_weight_times_the_losss_finite_difference() {
    let (model, axis) = (model(), Axis::Ffn { layer: 1 });
    let filed = filed(&model);
    let map = model.coupling();
    let slots = map.axis(axis).unwrap();
    let mut expected = vec![0.0; slots.len];
    for slot in &slots.slots {
        for (flat, (structure, _, w)) in filed.of_slot(slot).into_iter().enumerate() {
            let loss = |by| {
                let nudge = &mut Nudge { parameter: &slot.parameter, flat, by };
                mean_loss(&parameters::map(model.clone(), nudge))
            };
            expected[structure] += (w * (loss(1e-2) - loss(-1e-2)) / 2e-2).abs();
        }
    }
    let found = score(&model, Criterion::Taylor(Taylor::default()));
    for (found, expected) in found.get(axis).unwrap().iter().zip(&expected) {
        // Central differences of an f32 loss are good to about 1e-5 a weight.
        assert!((found - expected).abs() < 0.02 * expected + 1e-4, "{found} {expected}");
    }
}

#[test]
fn random_repeats_for_its_seed_alone() {
    let model = model();
    let draw =
        |seed| Criterion::Random.scorer(seed).score(&model, &calibration(), &AXES, &NoProgress).unwrap();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn what_cannot_be_scored_says_why() {
    let model = model();
    for criterion in [Criterion::ActivationNorm, Criterion::Wanda, Criterion::Taylor(Taylor::default())] {
        let scorer = criterion.scorer::<AnyModel>(0);
        let error =
            scorer.score(&model, &Calibration::default(), &AXES, &NoProgress).unwrap_err().to_string();
        assert!(error.contains(criterion.name()) && error.contains("`calibration`"), "{error}");
    }
    let scorer = Criterion::MagnitudeL1.scorer::<AnyModel>(0);
    let absent = [Axis::Ffn { layer: 9 }];
    let error = scorer.score(&model, &calibration(), &absent, &NoProgress).unwrap_err().to_string();
    assert!(error.contains("`ffn.9`") && error.contains("residual, ffn, heads, depth"), "{error}");
    let error = "bogus".parse::<Criterion>().unwrap_err().to_string();
    assert!(error.contains("bogus") && error.contains("taylor"), "{error}");
}
