//! Somebody else's model and scorer, scored, regularized and sliced by our crates unchanged.

use dress_core::burn::tensor::Device;
use dress_core::{AxisKind, Calibration, CausalLm, NoProgress, Ratio, Scorer, parameters};
use dress_importance::{Criteria, Criterion};
use dress_prune::{AxisTarget, PruneConfig, RegularizeConfig, prune};
use third_party_model::{LargestWeight, ShiftConfig, ShiftLm};

fn calibration() -> Calibration {
    Calibration::from_blocks((0..12).map(|n| (0..16).map(|i| (i * n + 3) % 29).collect()).collect())
}

fn config() -> PruneConfig {
    let target = |kind, ratio| AxisTarget { kind, ratio: Ratio::new(ratio).unwrap(), tile: 1 };
    let targets = vec![target(AxisKind::Residual, 0.25), target(AxisKind::Ffn, 0.5)];
    PruneConfig { regularize: Some(RegularizeConfig::default()), ..PruneConfig::new(targets) }
}

#[test]
fn a_model_and_a_scorer_of_others_go_the_whole_way() {
    let ours = Criterion::all().filter(|criterion| criterion.scores_widths());
    let mut scorers: Vec<Box<dyn Scorer<ShiftLm>>> = ours.map(|criterion| criterion.scorer(3)).collect();
    scorers.push(Box::new(LargestWeight));
    for scorer in scorers {
        let model = ShiftLm::new(29, 16, 24, &Device::flex());
        assert_eq!(parameters::count(&model), 2 * 29 * 16 + 16 + 2 * (16 + 2 * 16 * 24 + 24 + 16));
        let pruned = prune(model, scorer.as_ref(), &calibration(), &config(), &NoProgress).unwrap();
        assert_eq!(parameters::count(&pruned.model), 2 * 29 * 12 + 12 + 2 * (12 + 2 * 12 * 12 + 12 + 12));
        assert_eq!(pruned.plan.criterion, scorer.name());
        assert!(pruned.report.slicing_error.unwrap() < 1e-4, "{}: {:?}", scorer.name(), pruned.report);
    }
}

#[test]
fn gains_that_are_filed_as_one_less_are_regularized_and_sliced_as_what_they_are() {
    let shape = ShiftConfig { plus_one: true, ..ShiftConfig::of_two_layers(29, 16, 24) };
    let model = ShiftLm::of_config(shape, &Device::flex());
    let scorer = Criterion::MagnitudeL2.scorer(3);
    let pruned = prune(model, scorer.as_ref(), &calibration(), &config(), &NoProgress).unwrap();
    assert_eq!(pruned.report.curve.last().unwrap().selected_norm, 0.0);
    assert!(pruned.report.slicing_error.unwrap() < 1e-4, "{:?}", pruned.report);
}

#[test]
fn a_layer_of_a_model_of_others_goes_with_whatever_else_goes() {
    let target = |kind| AxisTarget { kind, ratio: Ratio::new(0.5).unwrap(), tile: 1 };
    for kinds in [&[AxisKind::Depth][..], &[AxisKind::Residual, AxisKind::Ffn, AxisKind::Depth]] {
        let targets = kinds.iter().copied().map(target).collect();
        let config =
            PruneConfig { regularize: Some(RegularizeConfig::default()), ..PruneConfig::new(targets) };
        let scorer = Criteria::new(&[], kinds, 3);
        let model = ShiftLm::new(29, 16, 24, &Device::flex());
        let pruned = prune(model, &scorer, &calibration(), &config, &NoProgress).unwrap();
        assert_eq!((pruned.model.num_layers(), pruned.model.config().inner.len()), (1, 1));
        assert_eq!(pruned.report.curve.last().unwrap().selected_norm, 0.0);
        assert!(pruned.report.slicing_error.unwrap() < 1e-4, "{kinds:?}: {:?}", pruned.report);
    }
}
