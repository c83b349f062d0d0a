//! E5: where regularization reached zero, slicing changes nothing.

use crate::small_models::{FAMILIES, Family, KINDS, Shape, VOCAB};
use dress_core::{AxisKind, Calibration, NoProgress, Ratio, StockTarget};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{AxisTarget, PruneConfig, PruneReport, RegularizeConfig, prune};
use dress_regularize::PenaltyKind;
use dress_train::PenaltyForm;

fn calibration() -> Calibration {
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
