//! Principal components under a head that is the embedding.

use crate::small_models::{Family, Shape, distance, logits, runner, shapes};
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{AxisKind, Basis, Calibration, CausalLm, NoProgress, Ratio, StockTarget};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{AxisTarget, PruneConfig, best_basis, prune, rotate_tied, rotate_to_principal_components};
use proptest::prelude::*;

fn calibration() -> Calibration {
    let block = |n: usize| (0..24).map(|i| ((i * i * 3 + i * n + 11 * n) % 37) as u32).collect();
    Calibration::from_blocks((0..8).map(block).collect())
}

/// The last norm's gains, each multiplied by the number with its index, over and over.
struct ScaleLast(&'static [f32]);

impl ParameterMapper for ScaleLast {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        if name != "model.norm.weight" {
            return value;
        }
        let gains = (0..value.dims()[0]).map(|i| self.0[i % self.0.len()]).collect::<Vec<f32>>();
        Tensor::from_data(dress_core::burn::tensor::TensorData::new(gains, value.dims()), &value.device())
    }
}

fn last_gains(model: AnyModel, gains: &'static [f32]) -> AnyModel {
    parameters::map(model, &mut ScaleLast(gains))
}

#[test]
fn with_gains_alike_the_tied_rotation_is_exact_and_adds_no_parameter() {
    let check = |shape: Shape| {
        let model = last_gains(Shape { tied: true, ..shape }.model(), &[1.7]);
        let turned = rotate_tied(model.clone(), &calibration(), &NoProgress).unwrap();
        let moved = distance(logits(&turned.model), logits(&model));
        prop_assert!(moved < 1e-4, "{moved}");
        prop_assert_eq!(parameters::count(&turned.model), parameters::count(&model));
        prop_assert!(turned.energy.windows(2).all(|pair| pair[0] >= pair[1]));
        prop_assert!((turned.energy.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        Ok(())
    };
    runner(12).run(&shapes(Family::Llama), check).unwrap();
}

/// One channel in twelve may have a gain of its own at no cost, however great.
#[test]
fn the_channels_whose_gains_differ_keep_their_direction() {
    let shape = Shape { groups: 2, heads_per_group: 2, width_a_head: 6, ..Shape::example() };
    let few = &[1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    let many = &[1.0, 5.0, -3.0, 9.0];
    let moved = |gains| {
        let model = last_gains(shape.model(), gains);
        let turned = rotate_tied(model.clone(), &calibration(), &NoProgress).unwrap();
        distance(logits(&turned.model), logits(&model))
    };
    let (few, many) = (moved(few), moved(many));
    assert!(few < 1e-4, "{few}");
    assert!(many > 1e-2, "{many}");
}

#[test]
fn a_head_of_its_own_is_rotated_exactly() {
    let model = Shape { tied: false, ..Shape::example() }.model();
    let [tied, exact] = [rotate_tied, rotate_to_principal_components]
        .map(|rotate| rotate(model.clone(), &calibration(), &NoProgress).unwrap());
    assert_eq!(logits(&tied.model).into_data(), logits(&exact.model).into_data());
}

#[test]
fn a_tied_head_behind_layer_norms_cannot_be_rotated_without_a_head_of_its_own() {
    let model = Shape { family: Family::Opt, tied: true, ..Shape::example() }.model();
    let error = rotate_tied(model, &calibration(), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("layer norms") && error.contains("`basis = identity`"), "{error}");
}

#[test]
fn the_best_basis_never_adds_parameters() {
    let expected = [
        (Family::Llama, true, Basis::PcaTied),
        (Family::Llama, false, Basis::Pca),
        (Family::Opt, true, Basis::Identity),
        (Family::Opt350m, true, Basis::Identity),
    ];
    for (family, tied, basis) in expected {
        let model = Shape { family, tied, ..Shape::example() }.model();
        assert_eq!(best_basis(&model.coupling(), &[AxisKind::Residual]), basis, "{family:?}");
    }
    let phi = Shape { family: Family::Phi, ..Shape::example() }.model();
    assert_eq!(best_basis(&phi.coupling(), &[AxisKind::Residual]), Basis::Pca);
    assert_eq!(best_basis(&phi.coupling(), &[AxisKind::Ffn]), Basis::Identity, "no width goes");
}

#[test]
fn a_width_cut_in_tied_components_is_nearer_than_one_cut_by_chance_and_as_small() {
    let model = Shape { width_a_head: 8, groups: 2, heads_per_group: 1, ..Shape::example() }.model();
    let target = AxisTarget { kind: AxisKind::Residual, ratio: Ratio::new(0.25).unwrap(), tile: 1 };
    let cut = |basis| {
        let config = PruneConfig { basis, stock: StockTarget::Dress, ..PruneConfig::new(vec![target]) };
        let scorer = Criterion::Random.scorer(3);
        let pruned = prune(model.clone(), scorer.as_ref(), &calibration(), &config, &NoProgress).unwrap();
        (distance(logits(&pruned.model), logits(&model)), parameters::count(&pruned.model))
    };
    let (by_chance, by_energy) = (cut(Basis::Identity), cut(Basis::PcaTied));
    assert!(by_energy.0 < by_chance.0, "{by_energy:?} {by_chance:?}");
    assert_eq!(by_energy.1, by_chance.1);
}
