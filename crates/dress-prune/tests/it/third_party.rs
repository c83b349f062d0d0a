//! Somebody else's model, scorer and penalty: scored, regularized and sliced by our crates unchanged.

use dress_core::burn::tensor::{Device, Tensor};
use dress_core::{AxisKind, Calibration, CausalLm, Error, NoProgress, Penalty, Ratio, Scorer, parameters};
use dress_importance::{Criteria, Criterion};
use dress_prune::{AxisTarget, PenaltyForm, PruneConfig, Pruned, RegularizeConfig, prune};
use third_party_model::{ElasticNet, GreatestActivation, LargestWeight, ShiftConfig, ShiftLm};

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
    scorers.extend([Box::new(LargestWeight) as Box<dyn Scorer<ShiftLm>>, Box::new(GreatestActivation)]);
    for scorer in scorers {
        let model = ShiftLm::new(29, 16, 24, &Device::flex());
        assert_eq!(parameters::count(&model), 2 * 29 * 16 + 16 + 2 * (16 + 2 * 16 * 24 + 24 + 16));
        let pruned = prune(model, scorer.as_ref(), &calibration(), &config(), &NoProgress).unwrap();
        assert_eq!(parameters::count(&pruned.model), 2 * 29 * 12 + 12 + 2 * (12 + 2 * 12 * 12 + 12 + 12));
        assert_eq!(pruned.plan.criterion, scorer.name());
        assert!(pruned.report.slicing_error.unwrap() < 1e-4, "{}: {:?}", scorer.name(), pruned.report);
    }
}

fn regularized(settings: RegularizeConfig) -> Result<Pruned<ShiftLm>, dress_prune::Error> {
    let config = PruneConfig { regularize: Some(settings), ..config() };
    prune(ShiftLm::new(29, 16, 24, &Device::flex()), &LargestWeight, &calibration(), &config, &NoProgress)
}

#[test]
fn a_penalty_of_others_is_trained_with_in_both_forms() {
    let of = |form| RegularizeConfig { form, ..RegularizeConfig::default() };
    let report = regularized(of(PenaltyForm::Proximal).penalized_by(ElasticNet)).unwrap().report;
    assert_eq!(report.curve.last().unwrap().selected_norm, 0.0);
    assert!(report.slicing_error.unwrap() < 1e-4, "{report:?}");

    let curve = regularized(of(PenaltyForm::Loss).penalized_by(ElasticNet)).unwrap().report.curve;
    let (first, last) = (curve[0], *curve.last().unwrap());
    assert!(last.selected_norm < first.selected_norm && last.penalty < first.penalty, "{curve:?}");
    // Absolute values add up to more than the structures' norms.
    let groups = regularized(of(PenaltyForm::Loss)).unwrap().report.curve[0].penalty;
    assert!(first.penalty > 1.5 * groups, "{} and {groups}", first.penalty);
}

/// Has a step, and cannot take it.
struct Stuck;

impl Penalty for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    fn value(&self, groups: Tensor<2>) -> Result<Tensor<1>, Error> {
        ElasticNet.value(groups)
    }

    fn shrink(&self, _groups: Tensor<2>, _thresholds: Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        Err(Error::other("the table of steps has no row for this matrix"))
    }

    fn thresholds_to_zero(&self, groups: Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        ElasticNet.thresholds_to_zero(groups)
    }
}

#[test]
fn a_run_ends_with_the_cause_of_a_penalty_of_others() {
    let failed = regularized(RegularizeConfig::default().penalized_by(Stuck)).unwrap_err();
    assert_eq!(failed.to_string(), "the table of steps has no row for this matrix");
}

#[test]
fn files_have_the_name_of_a_penalty_of_others_which_is_not_enough_to_train_with() {
    let settings = RegularizeConfig::default().penalized_by(ElasticNet);
    let written = serde_json::to_value(&settings).unwrap();
    assert_eq!(written["own_penalty"], "elastic-net");
    let read: RegularizeConfig = serde_json::from_value(written).unwrap();
    assert_eq!(read, settings);
    assert!(settings.check().is_ok());
    let refused = read.check().unwrap_err().to_string();
    assert!(refused.contains("`elastic-net`") && refused.contains("give it again"), "{refused}");
    assert!(serde_json::to_value(RegularizeConfig::default()).unwrap().get("own_penalty").is_none());
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
