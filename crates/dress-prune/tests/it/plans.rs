//! Plans replay on the model they were made from, and on no other.

use crate::small_models::{FAMILIES, Shape, logits, runner, shapes};
use dress_core::{
    AxisKind, Basis, Calibration, Error, NoProgress, Ratio, SlicePlan, StockTarget, parameters,
};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{AxisTarget, PruneConfig, RegularizeConfig, apply, prune, prune_as_planned};
use proptest::prelude::*;
use std::path::Path;

fn config(kind: AxisKind) -> PruneConfig {
    let target = AxisTarget { kind, ratio: Ratio::new(0.5).unwrap(), tile: 1 };
    PruneConfig { seed: 7, ..PruneConfig::new(vec![target]) }
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
fn blocks_that_predict_nothing_or_differ_in_length_are_refused_whatever_scores() {
    let whole = vec![vec![1, 2, 3], vec![4, 5, 6]];
    let with = |block: Vec<u32>| Calibration::from_blocks([whole.clone(), vec![block]].concat());
    for criterion in [Criterion::Random, Criterion::MagnitudeL2, Criterion::ActivationNorm] {
        let refused = |calibration: &Calibration| {
            let scorer = criterion.scorer::<AnyModel>(7);
            let model = Shape::example().model();
            prune(model, scorer.as_ref(), calibration, &config(AxisKind::Ffn), &NoProgress).err()
        };
        assert!(refused(&Calibration::from_blocks(whole.clone())).is_none());
        let short = refused(&with(vec![7]));
        let one = dress_prune::Error::Core(Error::TooShort { who: "pruning".into(), seqlen: 1 }).to_string();
        assert_eq!(short.map(|error| error.to_string()), Some(one), "{criterion}");
        let other = refused(&with(vec![7, 8]));
        let unequal = matches!(
            other,
            Some(dress_prune::Error::Core(Error::UnequalBlocks { block: 2, found: 2, expected: 3 }))
        );
        assert!(unequal, "{criterion}: {other:?}");
    }
}

#[test]
fn a_plan_for_another_model_is_refused() {
    let plan = pruned(Shape::example().model(), AxisKind::Ffn).plan;
    let other = Shape { seed: 2, ..Shape::example() };
    let error = apply(other.model(), &plan).unwrap_err();
    let refused = matches!(error, dress_prune::Error::Core(Error::PlanForAnotherModel { .. }));
    assert!(refused && error.to_string().contains("use the checkpoint the plan was made from"), "{error}");
}

#[test]
fn every_family_models_plan_fits_its_own_model_and_no_other() {
    for family in FAMILIES {
        let check = |(shape, other): (Shape, u64)| {
            let model = shape.model();
            let target = AxisTarget { kind: AxisKind::Ffn, ratio: Ratio::new(0.4).unwrap(), tile: 1 };
            let stock = dress_core::StockTarget::Dress;
            let config = PruneConfig { stock, ..PruneConfig::new(vec![target]) };
            let scorer = Criterion::MagnitudeL2.scorer::<AnyModel>(7);
            let plan =
                dress_prune::plan(&model, scorer.as_ref(), &Calibration::default(), &config, &NoProgress);
            let plan = plan.unwrap();
            prop_assert!(apply(model, &plan).is_ok(), "{family:?}");
            let stranger = Shape { seed: shape.seed ^ other, ..shape }.model();
            let refused = matches!(
                apply(stranger, &plan).unwrap_err(),
                dress_prune::Error::Core(Error::PlanForAnotherModel { .. })
            );
            prop_assert!(refused, "{family:?}");
            Ok(())
        };
        runner(8).run(&(shapes(family), 1u64..), check).unwrap();
    }
}

#[test]
fn a_file_that_is_no_plan_or_of_another_format_is_an_error() {
    let read = |text: &str| SlicePlan::from_json(text, Path::new("plan.json")).unwrap_err().to_string();
    assert!(read("{").contains("plan.json: not a slice plan"));
    assert!(read(r#"{"format": 99}"#).contains("plan format 99, this version reads 2"));
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

#[test]
fn a_shape_stock_software_refuses_is_refused_before_any_training() {
    let shape = Shape { heads_per_group: 1, groups: 3, width_a_head: 5, ..Shape::example() };
    let target = AxisTarget { kind: AxisKind::Heads, ratio: Ratio::new(0.34).unwrap(), tile: 1 };
    let config = PruneConfig { regularize: Some(Default::default()), ..PruneConfig::new(vec![target]) };
    let scorer = Criterion::MagnitudeL1.scorer::<AnyModel>(7);
    // Without data, training would be the first to complain.
    let error =
        prune(shape.model(), scorer.as_ref(), &Calibration::default(), &config, &NoProgress).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("hidden_size 15 is not a multiple of num_attention_heads 2"), "{message}");
    assert!(message.contains("14 and 16"), "{message}");
}

fn blocks(count: u32) -> Calibration {
    let block = |n: u32| (0..24).map(|i| (i * (n % 5 + 1) + n) % 37).collect();
    Calibration::from_blocks((0..count).map(block).collect())
}

#[test]
fn a_plan_made_before_is_regularized_and_sliced_as_if_it_had_been_scored_now() {
    for (kind, basis) in [
        (AxisKind::Residual, Basis::Identity),
        (AxisKind::Residual, Basis::Pca),
        (AxisKind::Ffn, Basis::Identity),
        (AxisKind::Depth, Basis::Identity),
    ] {
        let regularize = Some(RegularizeConfig::default());
        let config = PruneConfig { basis, regularize, stock: StockTarget::Dress, ..config(kind) };
        let criterion =
            if kind == AxisKind::Depth { Criterion::BlockInfluence } else { Criterion::ActivationNorm };
        let scorer = criterion.scorer::<AnyModel>(7);
        let model = Shape::example().model();
        let scored = prune(model.clone(), scorer.as_ref(), &blocks(8), &config, &NoProgress).unwrap();
        // What is asked for beside the plan does not count.
        let other = PruneConfig { targets: Vec::new(), basis: Basis::Identity, ..config };
        let planned = prune_as_planned(model, &scored.plan, &blocks(8), &other, &NoProgress).unwrap();
        assert_eq!(planned.plan, scored.plan, "{kind}");
        assert_eq!(logits(&planned.model).into_data(), logits(&scored.model).into_data(), "{kind} {basis}");
        assert_eq!(planned.report.curve.len(), scored.report.curve.len());
    }
}

#[test]
fn a_plan_of_another_model_or_of_components_of_other_data_is_refused() {
    let model = Shape::example().model();
    let config = PruneConfig { basis: Basis::Pca, stock: StockTarget::Dress, ..config(AxisKind::Residual) };
    let scorer = Criterion::ActivationNorm.scorer::<AnyModel>(7);
    let plan = prune(model.clone(), scorer.as_ref(), &blocks(8), &config, &NoProgress).unwrap().plan;
    let refused = |model: AnyModel, calibration: &Calibration| {
        prune_as_planned(model, &plan, calibration, &config, &NoProgress).unwrap_err().to_string()
    };
    let said = refused(model, &blocks(4));
    assert!(said.contains("8 of 24 tokens") && said.contains("4 of 24 tokens"), "{said}");
    let other = Shape { seed: 2, ..Shape::example() }.model();
    assert!(refused(other, &blocks(8)).contains("use the checkpoint the plan was made from"));
}
