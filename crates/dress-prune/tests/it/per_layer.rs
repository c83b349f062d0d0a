//! Layers that differ: sliced as the identities have it, planned to a budget, saved, and refused where they
//! have to be.

use crate::declared_models::{declared, smollm2};
use crate::small_models::{
    FAMILIES, Family, KINDS, Shape, distance, logits, runner, selection, shapes, some_of, uneven,
};
use dress_core::burn::tensor::Device;
use dress_core::{
    Axis, AxisKind, CausalLm, NoProgress, Ratio, Scorer, Scores, Selection, StockTarget, parameters,
};
use dress_engines::{EngineTable, ModelShape};
use dress_importance::Criterion;
use dress_models::checkpoint::{RewriteConfig, read_config, rewrite, save};
use dress_models::{AnyModel, LoadConfig, SaveConfig};
use dress_prune::{
    Allocation, AxisTarget, Budget, Measure, PerLayer, PruneConfig, TOLERANCE, edits, mask, plan_of_scores,
    recentre, slice,
};
use proptest::prelude::*;

const DRESS: StockTarget = StockTarget::Dress;

fn exact(family: Family) -> Vec<AxisKind> {
    let kinds = KINDS.into_iter();
    kinds.filter(|kind| family != Family::Opt350m || *kind != AxisKind::Residual).collect()
}

#[test]
fn slicing_layers_differently_equals_masking_them() {
    for family in FAMILIES {
        let inputs = (shapes(family), 1u64..);
        let check = |(shape, seed): (Shape, u64)| {
            let model = shape.model();
            for kinds in [vec![AxisKind::Ffn], vec![AxisKind::Heads], exact(family)] {
                let selected = uneven(&model, &kinds, seed);
                let zeroed = recentre(mask(model.clone(), &selected).unwrap(), &selected).unwrap();
                let sliced = slice(zeroed.clone(), &selected).unwrap();
                let moved = distance(logits(&sliced), logits(&zeroed));
                prop_assert!(moved < 1e-4, "{family:?} {kinds:?}: {moved}");
                prop_assert_eq!(widths(&sliced), left(&model, &selected));
            }
            Ok(())
        };
        runner(12).run(&inputs, check).unwrap();
    }
}

/// How many structures each axis has.
fn widths(model: &AnyModel) -> Vec<(Axis, usize)> {
    model.coupling().iter().map(|(axis, slots)| (axis, slots.len)).collect()
}

fn left(model: &AnyModel, selection: &Selection) -> Vec<(Axis, usize)> {
    let kept = |(axis, len)| (axis, selection.get(axis).map_or(len, |chosen| chosen.kept_len()));
    widths(model).into_iter().map(kept).collect()
}

#[test]
fn a_checkpoint_whose_layers_differ_is_read_back_streamed_and_pruned_again() {
    for family in FAMILIES {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let shape = Shape { family, groups: 3, layers: 3, biases: true, ..Shape::example() };
        let load = |name: &str| AnyModel::load(&at(name), &LoadConfig::default(), &Device::flex()).unwrap();
        let keep = |model: &AnyModel, name: &str, target| {
            let config = SaveConfig { target, ..SaveConfig::default() };
            save(model, &at(name), &config).map(|_| ())
        };
        let model = shape.model();
        keep(&model, "dense", DRESS).unwrap();
        let selected = uneven(&model, &[AxisKind::Ffn, AxisKind::Heads], 0x5a5a);
        let sliced = slice(model, &selected).unwrap();
        for target in [StockTarget::All, StockTarget::Transformers] {
            let refused = keep(&sliced, "refused", target).unwrap_err().to_string();
            assert!(refused.contains("`stock = dress`"), "{family:?}: {refused}");
        }
        keep(&sliced, "sliced", DRESS).unwrap();
        assert_eq!(logits(&load("sliced")).into_data(), logits(&sliced).into_data(), "{family:?}");

        let (text, path) = read_config(&at("dense")).unwrap();
        let declared = AnyModel::from_config(&text, &path, &Device::flex()).unwrap();
        let stream = |target| {
            let config = RewriteConfig { target, ..RewriteConfig::default() };
            let resized = declared.clone().resized(&selected).unwrap();
            let edits = edits(&declared, &selected).unwrap();
            let places = [at("dense"), at("streamed")];
            let places = [places[0].as_path(), places[1].as_path()];
            rewrite(&declared, &resized, &edits, places, &config, &NoProgress).map(|_| ())
        };
        assert!(stream(StockTarget::All).unwrap_err().to_string().contains("`stock = dress`"));
        stream(DRESS).unwrap();
        assert_eq!(logits(&load("streamed")).into_data(), logits(&sliced).into_data(), "{family:?}");

        let again = selection(&sliced, &[AxisKind::Ffn], |len| some_of(len, 9));
        let (loaded, twice) = (load("sliced"), slice(sliced, &again).unwrap());
        let budget = Budget { measure: Measure::Parameters, left: 0.9 * parameters::count(&loaded) as f64 };
        let fit = budget.targets(&loaded, &[AxisKind::Ffn], DRESS, 1).unwrap();
        assert!(fit.left < parameters::count(&loaded) as f64);
        assert_eq!(logits(&slice(loaded, &again).unwrap()).into_data(), logits(&twice).into_data());
    }
}

fn random_scores(model: &AnyModel, kinds: &[AxisKind], seed: u64) -> Scores {
    let axes: Vec<Axis> = kinds.iter().flat_map(|kind| model.coupling().of_kind(*kind).unwrap()).collect();
    let random: Box<dyn Scorer<AnyModel>> = Criterion::Random.scorer(seed);
    random.score(model, &Default::default(), &axes, &NoProgress).unwrap()
}

fn targets(kinds: &[AxisKind], ratio: f64) -> Vec<AxisTarget> {
    let ratio = Ratio::new(ratio).unwrap();
    kinds.iter().map(|&kind| AxisTarget { kind, ratio, tile: 1 }).collect()
}

fn planned(
    model: &AnyModel,
    scores: &Scores,
    targets: Vec<AxisTarget>,
    per_layer: PerLayer,
) -> Result<Selection, dress_prune::Error> {
    let allocation = Allocation::PerLayer(per_layer);
    let config = PruneConfig { stock: DRESS, allocation, ..PruneConfig::new(targets) };
    let fingerprint = dress_core::Fingerprint::builder().finish();
    Ok(plan_of_scores(model, fingerprint, "random", None, scores, &config)?.selection)
}

fn to(budget: Budget) -> PerLayer {
    PerLayer { budget: Some(budget), tolerance: f64::INFINITY, comparable: false, served_by: Vec::new() }
}

#[test]
fn the_planner_meets_its_budget_over_axes_and_layers_of_real_shapes() {
    let model = smollm2();
    for (number, kinds) in
        [&[AxisKind::Ffn][..], &[AxisKind::Ffn, AxisKind::Heads], &KINDS].into_iter().enumerate()
    {
        let scores = random_scores(&model, kinds, number as u64);
        for (measure, share) in [(Measure::Parameters, 0.9), (Measure::Parameters, 0.7), (Measure::Macs, 0.8)]
        {
            let per_layer = PerLayer { tolerance: TOLERANCE, ..to(Budget::share(&model, measure, share)) };
            let selection = planned(&model, &scores, targets(kinds, 0.0), per_layer).unwrap();
            assert!(selection.iter().all(|(_, chosen)| chosen.kept_len() >= 1));
            if measure == Measure::Parameters {
                let sliced = model.clone().resized(&selection).unwrap();
                let sliced = declared(&sliced.config_json("float32"));
                let found = parameters::count(&sliced) as f64 / parameters::count(&model) as f64;
                assert!((found / share - 1.0).abs() < TOLERANCE, "{kinds:?} {share}: {found}");
            }
        }
    }
}

/// Q4_K_M has more bits for the down projections of some layers, and other types for rows that are no
/// multiple of 256.
#[test]
fn a_budget_of_bytes_as_served_counts_what_every_layer_takes() {
    let model = smollm2();
    let format = EngineTable::built_in().format("llama.cpp:q4_k_m").unwrap();
    let (dense, scores) = (ModelShape::of(&model), random_scores(&model, &[AxisKind::Ffn], 5));
    for share in [0.9, 0.75] {
        let budget = Budget { measure: Measure::Bytes, left: share * format.bytes(&dense) as f64 };
        let per_layer = PerLayer { tolerance: TOLERANCE, served_by: vec![format.clone()], ..to(budget) };
        let target = AxisTarget { tile: 256, ..targets(&[AxisKind::Ffn], 0.0)[0] };
        let selection = planned(&model, &scores, vec![target], per_layer).unwrap();
        let left = format.bytes(&dense.sliced(&selection)) as f64 / budget.left;
        assert!((left - 1.0).abs() <= TOLERANCE, "{share}: {left}");
        assert!(selection.iter().all(|(_, chosen)| chosen.kept_len().is_multiple_of(256)));
    }
}

/// One more or one fewer of the ranking would not be nearer.
#[test]
fn no_other_cut_of_the_ranking_is_nearer_to_the_budget() {
    for family in FAMILIES {
        let inputs = (shapes(family), 1u64.., 30u32..95);
        let check = |(shape, seed, percent): (Shape, u64, u32)| {
            let model = shape.model();
            let kinds = [AxisKind::Ffn, AxisKind::Heads];
            let scores = random_scores(&model, &kinds, seed);
            let budget = Budget::share(&model, Measure::Parameters, f64::from(percent) / 100.0);
            let left = |budget: f64| {
                let budget = Budget { measure: Measure::Parameters, left: budget };
                match planned(&model, &scores, targets(&kinds, 0.0), to(budget)) {
                    Ok(selection) => parameters::count(&slice(model.clone(), &selection).unwrap()) as f64,
                    Err(_) => parameters::count(&model) as f64,
                }
            };
            let found = left(budget.left);
            let off = (found - budget.left).abs();
            for other in [0.97, 0.99, 1.01, 1.03].map(|factor| left(factor * budget.left)) {
                prop_assert!((other - budget.left).abs() >= off - 0.5, "{family:?}: {found} {other}");
            }
            Ok(())
        };
        runner(12).run(&inputs, check).unwrap();
    }
}

#[test]
fn the_least_of_all_layers_go_and_ratios_are_over_all_of_them() {
    let model = Shape { layers: 2, intermediate_size: 10, ..Shape::example() }.model();
    let mut scores = Scores::new();
    scores.insert(Axis::Ffn { layer: 0 }, (0..10).map(f64::from).collect()).unwrap();
    scores.insert(Axis::Ffn { layer: 1 }, (0..10).map(|i| 4.5 + f64::from(i)).collect()).unwrap();
    let ratios = |comparable| PerLayer { budget: None, tolerance: 0.0, comparable, served_by: Vec::new() };
    let removed = |comparable| {
        let selection = planned(&model, &scores, targets(&[AxisKind::Ffn], 0.5), ratios(comparable)).unwrap();
        [0, 1].map(|layer| selection.get(Axis::Ffn { layer }).map_or(0, |chosen| chosen.removed().len()))
    };
    // As they are, the first layer has the least; standardized, both are alike.
    assert_eq!(removed(true), [7, 3]);
    assert_eq!(removed(false), [5, 5]);
}

#[test]
fn what_cannot_be_says_so() {
    let model = Shape::example().model();
    let scores = random_scores(&model, &[AxisKind::Ffn], 1);
    let depth = planned(
        &model,
        &scores,
        targets(&[AxisKind::Depth], 0.0),
        to(Budget::share(&model, Measure::Parameters, 0.5)),
    );
    assert!(depth.unwrap_err().to_string().contains("`axes = depth` in a run of its own"));
    let strict = PerLayer { tolerance: TOLERANCE, ..to(Budget::share(&model, Measure::Parameters, 0.01)) };
    let error =
        planned(&model, &scores, targets(&[AxisKind::Ffn], 0.0), strict.clone()).unwrap_err().to_string();
    assert!(error.contains("0.0100") && error.contains("the nearest leaves"), "{error}");
    let allocation = Allocation::PerLayer(strict);
    let config = PruneConfig { allocation, ..PruneConfig::new(targets(&[AxisKind::Ffn], 0.5)) };
    let scorer = Criterion::MagnitudeL2.scorer::<AnyModel>(1);
    let error = dress_prune::plan(&model, scorer.as_ref(), &Default::default(), &config, &NoProgress);
    assert!(error.unwrap_err().to_string().contains("`stock = all` has one number for all"));
}
