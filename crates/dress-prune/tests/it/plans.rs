//! Plans replay on the model they were made from, and on no other.

use crate::small_models::{Shape, logits};
use dress_core::{AxisKind, Calibration, Error, NoProgress, Ratio, SlicePlan, parameters};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{AxisTarget, PruneConfig, apply, prune};
use std::path::Path;

fn config(kind: AxisKind) -> PruneConfig {
    let target = AxisTarget { kind, ratio: Ratio::new(0.5).unwrap(), tile: 1 };
    PruneConfig { targets: vec![target], regularize: None, seed: 7 }
}

fn pruned(model: AnyModel, kind: AxisKind) -> dress_prune::Pruned<AnyModel> {
    let scorer = Criterion::MagnitudeL2.scorer(7);
    prune(model, scorer.as_ref(), &Calibration::default(), &config(kind), &NoProgress).unwrap()
}

#[test]
fn a_plan_read_back_from_json_makes_the_same_model() {
    for kind in [AxisKind::Residual, AxisKind::Ffn, AxisKind::Heads] {
        let model = Shape::example().model();
        let first = pruned(model.clone(), kind);
        let plan = SlicePlan::from_json(&first.plan.to_json(), Path::new("plan.json")).unwrap();
        assert_eq!(plan, first.plan);
        let again = apply(model.clone(), &plan).unwrap();
        assert!(parameters::count(&again) < parameters::count(&model));
        assert_eq!(logits(&again).into_data(), logits(&first.model).into_data());
    }
}

#[test]
fn a_plan_for_another_model_is_refused() {
    let plan = pruned(Shape::example().model(), AxisKind::Ffn).plan;
    let error = apply(Shape::example().model(), &plan).unwrap_err();
    let refused = matches!(error, dress_prune::Error::Core(Error::PlanForAnotherModel { .. }));
    assert!(refused && error.to_string().contains("use the checkpoint the plan was made from"), "{error}");
}

#[test]
fn a_file_that_is_no_plan_or_of_another_format_is_an_error() {
    let read = |text: &str| SlicePlan::from_json(text, Path::new("plan.json")).unwrap_err().to_string();
    assert!(read("{").contains("plan.json: not a slice plan"));
    assert!(read(r#"{"format": 99}"#).contains("plan format 99, this version reads 1"));
}

#[test]
fn the_same_seed_makes_the_same_random_plan() {
    let model = Shape::example().model();
    let plan = |seed| {
        let scorer = Criterion::Random.scorer::<AnyModel>(seed);
        let pruned = prune(
            model.clone(),
            scorer.as_ref(),
            &Calibration::default(),
            &config(AxisKind::Ffn),
            &NoProgress,
        );
        pruned.unwrap().plan.selection
    };
    assert_eq!(plan(1), plan(1));
    assert_ne!(plan(1), plan(2));
}
