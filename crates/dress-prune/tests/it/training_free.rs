//! What is done to a model without training it: other coordinates, and making up for what goes.

use crate::small_models::{FAMILIES, Family, Shape, distance, logits, runner, selection, shapes, some_of};
use dress_core::burn::tensor::Tensor;
use dress_core::{AxisKind, Basis, Calibration, CausalLm, Forward, NoProgress, NoTap, Ratio, parameters};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{
    AxisTarget, Compensation, PruneConfig, compensate, mask, prune, rotate_to_principal_components, slice,
};
use proptest::prelude::*;

fn calibration() -> Calibration {
    let block = |n: usize| (0..24).map(|i| ((i * i * 3 + i * n + 11 * n) % 37) as u32).collect();
    Calibration::from_blocks((0..8).map(block).collect())
}

fn turnable() -> impl Iterator<Item = Family> {
    FAMILIES.into_iter().filter(|family| family.can_be_turned())
}

#[test]
fn e4_a_rotated_model_has_the_same_logits_and_its_energy_in_front() {
    for family in turnable() {
        let check = |shape: Shape| {
            let model = shape.model();
            let rotated = rotate_to_principal_components(model.clone(), &calibration(), &NoProgress).unwrap();
            let moved = distance(logits(&rotated.model), logits(&model));
            prop_assert!(moved < 1e-4, "{family:?}: {moved}");
            prop_assert!(rotated.energy.windows(2).all(|pair| pair[0] >= pair[1]));
            let head = ["lm_head.weight", "embed_out.weight"];
            let tied = parameters::list(&model).iter().all(|p| !head.contains(&p.name.as_str()));
            let untied = parameters::count(&rotated.model) - parameters::count(&model);
            let (vocab, width) = (model.vocab_size() as u64, rotated.energy.len() as u64);
            prop_assert_eq!(untied, if tied { vocab * width } else { 0 });
            Ok(())
        };
        runner(12).run(&shapes(family), check).unwrap();
    }
}

#[test]
fn norms_behind_attention_cannot_be_rotated() {
    for family in FAMILIES.into_iter().filter(|family| !family.can_be_turned()) {
        let model = Shape { family, ..Shape::example() }.model();
        let error =
            rotate_to_principal_components(model, &calibration(), &NoProgress).unwrap_err().to_string();
        let said = error.contains("behind attention") && error.contains("`basis = identity`");
        assert!(said, "{family:?}: {error}");
    }
}

/// The last channels of the rotated model are those that carry least: without them it is closer to the dense
/// one than a model that loses as many channels by chance, and a layer norm still finds a stream of mean
/// zero.
#[test]
fn the_width_is_cut_where_the_energy_ends() {
    for family in turnable() {
        let model =
            Shape { family, width_a_head: 8, groups: 2, heads_per_group: 1, ..Shape::example() }.model();
        let target = AxisTarget { kind: AxisKind::Residual, ratio: Ratio::new(0.25).unwrap(), tile: 1 };
        let moved = |basis| {
            let stock = dress_core::StockTarget::Dress;
            let config = PruneConfig { basis, stock, ..PruneConfig::new(vec![target]) };
            let scorer = Criterion::Random.scorer(3);
            let pruned = prune(model.clone(), scorer.as_ref(), &calibration(), &config, &NoProgress).unwrap();
            assert_eq!(pruned.plan.basis, basis);
            distance(logits(&pruned.model), logits(&model))
        };
        let (by_chance, by_energy) = (moved(Basis::Identity), moved(Basis::Pca));
        assert!(by_energy < by_chance, "{family:?}: {by_energy} {by_chance}");
    }
}

/// What the first layer makes of the calibration blocks.
fn outputs(model: &AnyModel) -> Vec<Tensor<3>> {
    let output = |block: Vec<u32>| {
        let mut tap = NoTap;
        let mut pass = Forward::new(&mut tap);
        let stream = model.embed(Calibration::tensor(&[block], &model.device()), &mut pass);
        model.layer(0, stream, &mut pass)
    };
    calibration().blocks.into_iter().map(output).collect()
}

fn energy(of: &[Tensor<3>], without: &[Tensor<3>]) -> f64 {
    let apart = of.iter().zip(without).map(|(a, b)| a.clone() - b.clone());
    apart.map(|t| f64::from((t.clone() * t).sum().into_scalar::<f32>())).sum()
}

#[test]
fn what_is_made_up_for_is_closer_and_the_figures_say_by_how_much() {
    for (family, kind) in FAMILIES.into_iter().flat_map(|f| [(f, AxisKind::Ffn), (f, AxisKind::Heads)]) {
        let shape = Shape { family, biases: true, heads_per_group: 1, groups: 4, ..Shape::example() };
        let model = shape.model();
        let selected = selection(&model, &[kind], |len| some_of(len, 0x5555_5555));
        let masked = outputs(&mask(model.clone(), &selected).unwrap());
        for how in [Compensation::Bias, Compensation::Ridge] {
            if how == Compensation::Bias && !family.can_have_biases() {
                continue;
            }
            let (made_up, report) =
                compensate(model.clone(), &selected, &calibration(), how, &NoProgress).unwrap();
            assert_eq!(report.len(), model.num_layers());
            for line in &report {
                assert!(line.error_with <= line.error_without * (1.0 + 1e-6), "{family:?} {line:?}");
            }
            let sliced = slice(made_up.clone(), &selected).unwrap();
            // A norm over the queries and keys of all heads sees those that go until they are sliced.
            if (family, kind) != (Family::Olmo2, AxisKind::Heads) {
                let moved = distance(logits(&sliced), logits(&made_up));
                assert!(moved < 1e-4, "{family:?} {kind} {how}: {moved}");
            }
            // Behind a layer's own norm nothing is promised.
            if how == Compensation::Ridge && family.can_be_turned() {
                let dense = outputs(&model);
                let (with, without) = (energy(&outputs(&made_up), &dense), energy(&masked, &dense));
                assert!(with < 0.9 * without, "{family:?} {kind}: {with} {without}");
            }
        }
    }
}

/// The reported error is that of the projection's output, computed here from the activations themselves.
#[test]
fn the_reported_error_is_that_of_the_output() {
    let model = Shape { layers: 1, ..Shape::example() }.model();
    let selected = selection(&model, &[AxisKind::Ffn], |len| some_of(len, 0x1111));
    let (made_up, report) =
        compensate(model.clone(), &selected, &calibration(), Compensation::Ridge, &NoProgress).unwrap();
    let masked = mask(model.clone(), &selected).unwrap();
    let all_but_one = selection(&model, &[AxisKind::Ffn], |len| (1..len).collect());
    let dense = outputs(&model);
    let whole = energy(&dense, &outputs(&silenced(&model, &all_but_one)));
    let (lost, error) = (energy(&outputs(&masked), &dense), energy(&outputs(&made_up), &dense));
    let close = |found: f64, expected: f64| (found - expected).abs() < 1e-3 * expected;
    assert!(close(report[0].error_without, lost / whole), "{} {}", report[0].error_without, lost / whole);
    assert!(close(report[0].error_with, error / whole), "{} {}", report[0].error_with, error / whole);
}

/// `model` whose feed-forward network writes nothing: all but one neuron are masked, and that one too.
fn silenced(model: &AnyModel, but_first: &dress_core::Selection) -> AnyModel {
    let first = selection(model, &[AxisKind::Ffn], |_| vec![0]);
    mask(mask(model.clone(), but_first).unwrap(), &first).unwrap()
}

#[test]
fn nothing_is_made_up_for_without_data() {
    let model = Shape::example().model();
    let selected = selection(&model, &[AxisKind::Ffn], |_| vec![0]);
    let none = Calibration::default();
    let error = compensate(model.clone(), &selected, &none, Compensation::Ridge, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("`calibration`"), "{error}");
    let untouched = compensate(model.clone(), &selected, &none, Compensation::None, &NoProgress).unwrap();
    assert_eq!(logits(&untouched.0).into_data(), logits(&model).into_data());
}
