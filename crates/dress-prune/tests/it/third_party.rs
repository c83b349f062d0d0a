//! Somebody else's model and scorer, scored, regularized and sliced by our crates unchanged.

use dress_core::burn::tensor::Device;
use dress_core::{AxisKind, Calibration, NoProgress, Ratio, Scorer, parameters};
use dress_importance::Criterion;
use dress_prune::{AxisTarget, PruneConfig, RegularizeConfig, prune};
use third_party_model::{LargestWeight, ShiftLm};

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
