//! Shapes that are found by measuring the loss.

use crate::small_models::{FAMILIES, Family, Shape};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{
    Axis, AxisKind, Calibration, CausalLm, Forward, NoProgress, NoTap, Progress, Stage, StockTarget,
    parameters,
};
use dress_engines::{EngineTable, ModelShape};
use dress_importance::{Criteria, Criterion};
use dress_models::AnyModel;
use dress_prune::{
    Budget, Candidate, Compensation, FoundShape, Goal, HowMuch, Measure, Order, Recipe, Search,
};
use std::path::Path;
use std::sync::Mutex;

fn calibration() -> Calibration {
    let block = |n: usize| (0..24).map(|i| ((i * i * 3 + i * n + 11 * n) % 37) as u32).collect();
    Calibration::from_blocks((0..8).map(block).collect())
}

fn loss(model: &AnyModel) -> f64 {
    let tokens = Calibration::tensor(&calibration().blocks[6..], &model.device());
    f64::from(model.next_token_loss(tokens, &mut Forward::new(&mut NoTap)).into_scalar::<f32>())
}

fn search(model: &AnyModel, share: f64, per_layer: bool) -> Search {
    let budget = Budget::share(model, Measure::Parameters, share);
    Search {
        goal: Goal::Budget(budget),
        stock: StockTarget::Dress,
        tile: 1,
        per_layer,
        order: Order::Expected,
        held_back: 2,
        blocks: 8,
        served_by: Vec::new(),
    }
}

fn found(model: &AnyModel, search: &Search, kinds: &[AxisKind]) -> Result<FoundShape, dress_prune::Error> {
    search.run(model, kinds, &Criteria::new(&[], kinds, 1), &calibration(), None, &NoProgress)
}

#[test]
fn the_shape_is_within_the_budget_and_layers_that_may_differ_lose_no_more() {
    for family in FAMILIES {
        let model = Shape { family, layers: 3, ..Shape::example() }.model();
        let run = |per_layer| {
            let search = search(&model, 0.8, per_layer);
            let found = found(&model, &search, &[AxisKind::Ffn, AxisKind::Heads]).unwrap();
            let left = dress_prune::slice(model.clone(), &found.selection).unwrap();
            let (left, whole) = (parameters::count(&left) as f64, parameters::count(&model) as f64);
            assert!(left <= 0.8 * whole && left > 0.7 * whole, "{family:?}: {left} of {whole}");
            assert!((found.report.dense_loss - loss(&model)).abs() < 1e-4, "{family:?}");
            found
        };
        let (uniform, free) = (run(false), run(true));
        let expected: Vec<f64> = free.report.frontier.iter().map(|point| point.expected).collect();
        // It may fall once, where the budget is so small that heads may go too.
        let falls = expected.windows(2).filter(|pair| pair[0] > pair[1] + 1e-9).count();
        assert!(!expected.is_empty() && falls <= 1, "{family:?}: {expected:?}");
        let (even, best) = (free.report.candidates[0].divergence, free.report.found().divergence);
        assert!(best <= even, "{family:?}: the best that was measured: {best} {even}");
        let kept = |kind| {
            let of_kind = uniform.report.found().kept.iter().filter(move |(axis, _)| axis.kind() == kind);
            of_kind.map(|(_, kept)| *kept).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!((kept(AxisKind::Ffn), kept(AxisKind::Heads)), (1, 1), "one number for all layers");
    }
}

/// What is said of a shape is the loss of the model that is sliced there and refitted.
#[test]
fn what_was_measured_is_what_slicing_and_refitting_gives() {
    let model = Shape { layers: 2, ..Shape::example() }.model();
    let fitted = Calibration::from_blocks(calibration().blocks[..6].to_vec());
    let found = found(&model, &search(&model, 0.9, true), &[AxisKind::Ffn]).unwrap();
    let ridge = dress_prune::Compensation::Ridge;
    let (refitted, _) =
        dress_prune::compensate(model.clone(), &found.selection, &fitted, ridge, &NoProgress).unwrap();
    let measured = loss(&dress_prune::slice(refitted, &found.selection).unwrap());
    let said = found.report.found();
    assert!((measured - said.loss).abs() < 1e-3, "{measured} {}", said.loss);
    assert!(said.divergence > 0.0 && said.divergence < 1.0, "{said:?}");
}

#[test]
fn where_the_loss_feels_nothing_of_an_axis_nothing_is_expected_of_it() {
    let model = Shape { layers: 3, ..Shape::example() }.model();
    let search = search(&model, 0.9, true);
    let before = found(&model, &search, &[AxisKind::Ffn]).unwrap().report.sensitivities;
    for seen in &before {
        assert_eq!(seen.expected[0], 0.0);
        assert!(seen.expected.windows(2).all(|pair| pair[0] <= pair[1]), "{seen:?}");
        assert!(*seen.expected.last().unwrap() > 0.0, "{seen:?}");
    }
    // The middle layer's down projection at zero: whatever goes there, nothing changes.
    let silent = parameters::map(model, &mut Silent("model.layers.1.mlp.down_proj.weight"));
    let after = found(&silent, &search, &[AxisKind::Ffn]).unwrap();
    let kept = &after.report.candidates[1].kept;
    assert!(after.report.sensitivities[1].expected.iter().all(|expected| *expected < 1e-12));
    assert!(kept[&Axis::Ffn { layer: 1 }] < kept[&Axis::Ffn { layer: 0 }].min(kept[&Axis::Ffn { layer: 2 }]));
}

/// Sets one parameter to zero.
struct Silent(&'static str);

impl parameters::ParameterMapper for Silent {
    fn map<const D: usize>(&mut self, name: &str, _: parameters::Layout, value: Tensor<D>) -> Tensor<D> {
        if name == self.0 { value.zeros_like() } else { value }
    }
}

#[test]
fn a_searched_recipe_keeps_the_targets_rules_for_every_family() {
    for family in [Family::Llama, Family::Opt, Family::Phi] {
        // A width that is all heads together, as every target wants it.
        let shape =
            Shape { family, layers: 3, heads_per_group: 1, groups: 4, width_a_head: 8, ..Shape::example() };
        let model = shape.model();
        let mut recipe = Recipe::searched(Measure::Parameters, 0.85);
        recipe.sampling.seqlen = Some(24);
        let resolved = recipe.resolve(&model, DType::F32).unwrap();
        // A thousand tokens are 43 of these short blocks.
        let blocks = calibration().blocks.into_iter().cycle().take(60).collect();
        let blocks = Calibration::from_blocks(blocks);
        let pruned = resolved.prune(model.clone(), &blocks, &NoProgress);
        let pruned = pruned.unwrap_or_else(|error| panic!("{family:?}: {error}"));
        let left = parameters::count(&pruned.model) as f64 / parameters::count(&model) as f64;
        assert!(left <= 0.85 && left > 0.7, "{family:?}: {left}");
        assert_eq!(pruned.plan.criterion, "search");
        let heads = pruned.plan.selection.iter().any(|(axis, _)| axis.kind() == AxisKind::Heads);
        assert!(!heads || family != Family::Opt, "OPT has no width of its heads in its config");
        let kept = pruned.report.search.unwrap().found().kept.clone();
        assert!(kept.values().all(|kept| *kept > 0));
    }
}

/// Without criteria the order is that of the least expected loss, whose sum is below that of scores.
#[test]
fn structures_go_by_what_is_expected_unless_a_criterion_says_otherwise() {
    let model = Shape { layers: 3, ..Shape::example() }.model();
    let kinds = [AxisKind::Ffn];
    let expected = search(&model, 0.8, true);
    let scored = Search { order: Order::Scores, ..expected.clone() };
    let (by_loss, by_norm) =
        (found(&model, &expected, &kinds).unwrap(), found(&model, &scored, &kinds).unwrap());
    for (least, other) in by_loss.report.sensitivities.iter().zip(&by_norm.report.sensitivities) {
        assert_ne!(least.order, other.order);
        assert!(least.expected[1..].iter().sum::<f64>() < other.expected[1..].iter().sum::<f64>());
        let scores = by_loss.scores.get(least.axis).unwrap();
        assert!(least.order.windows(2).all(|pair| scores[pair[0]] <= scores[pair[1]]), "{least:?}");
    }
    let order = |criteria| {
        let mut recipe = Recipe { criteria, ..Recipe::searched(Measure::Parameters, 0.85) };
        recipe.sampling.seqlen = Some(24);
        recipe.resolve(&model, DType::F32).unwrap().search.unwrap().order
    };
    assert_eq!(order(Vec::new()), Order::Expected);
    assert_eq!(order(vec![Criterion::ActivationNorm]), Order::Scores);
}

#[test]
fn the_smallest_shape_within_a_perplexity_is_found() {
    let model = Shape { layers: 3, ..Shape::example() }.model();
    let (kinds, times) = ([AxisKind::Ffn], 1.001);
    let goal = Goal::Perplexity { measure: Measure::Parameters, times };
    let search = Search { goal, ..search(&model, 0.5, true) };
    let found = found(&model, &search, &kinds).unwrap();
    let most = found.report.dense_loss + times.ln();
    let size = |candidate: &Candidate| candidate.kept.values().sum::<usize>();
    let best = found.report.found();
    assert!(best.loss <= most, "{best:?}");
    let smaller = found.report.candidates.iter().filter(|other| size(other) < size(best));
    assert!(smaller.clone().all(|other| other.loss > most), "{:?}", found.report.candidates);
}

#[test]
fn bytes_are_those_that_the_engines_serve_of_every_layer_s_own_sizes() {
    let model = Shape { layers: 3, width_a_head: 8, intermediate_size: 256, ..Shape::example() }.model();
    let served_by = EngineTable::built_in().formats(&["llama.cpp:q8_0", "llama.cpp:f16"]).unwrap();
    let dense = ModelShape::of(&model);
    let budget = Budget { measure: Measure::Bytes, left: 0.7 * served_by[0].bytes(&dense) as f64 };
    let goal = Goal::Budget(budget);
    let search = Search { goal, tile: 32, served_by: served_by.clone(), ..search(&model, 0.7, true) };
    let found = found(&model, &search, &[AxisKind::Ffn]).unwrap();
    let shape = dense.sliced(&found.selection);
    let shares = served_by.iter().map(|format| format.bytes(&shape) as f64 / format.bytes(&dense) as f64);
    let greatest = shares.fold(0.0, f64::max);
    assert!(greatest <= 0.7 && greatest > 0.6, "{greatest}");
    assert!((found.report.found().left - greatest).abs() < 1e-9);
    assert!(found.report.found().kept.values().all(|kept| kept.is_multiple_of(32)));
}

/// Counts stages by name, and cancels in one of them.
#[derive(Default)]
struct Stages {
    names: Mutex<Vec<String>>,
    last: Option<usize>,
}

impl Stages {
    fn count(&self, name: &str) -> usize {
        self.names.lock().unwrap().iter().filter(|other| *other == name).count()
    }
}

impl Progress for Stages {
    fn started(&self, stage: &Stage) {
        self.names.lock().unwrap().push(stage.name.clone());
    }

    fn is_cancelled(&self) -> bool {
        self.last.is_some_and(|last| self.names.lock().unwrap().len() > last)
    }
}

#[test]
fn an_interrupted_search_goes_on_from_what_it_found_and_ends_with_the_same_shape() {
    let model = Shape { layers: 3, ..Shape::example() }.model();
    let (search, kinds) = (search(&model, 0.8, true), [AxisKind::Ffn]);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("out.run").join("search.json");
    let run = |search: &Search, file: Option<&Path>, progress: &Stages| {
        search.run(&model, &kinds, &Criteria::new(&[], &kinds, 1), &calibration(), file, progress)
    };
    let whole = Stages::default();
    let found = run(&search, None, &whole).unwrap();
    assert_eq!((whole.count("curvature"), whole.count("compensation")), (1, found.report.candidates.len()));
    // Cancelled in every third stage, each time going on from what is there.
    let mut refitted = Vec::new();
    loop {
        let cancelled = Stages { last: Some(2), ..Stages::default() };
        let ended = run(&search, Some(&file), &cancelled);
        refitted.push(cancelled.count("compensation"));
        match ended {
            Err(error) => assert!(error.to_string().contains("cancelled"), "{error}"),
            Ok(ended) => {
                assert_eq!(ended, found);
                break;
            }
        }
    }
    assert!(refitted.len() > 1 && refitted.len() < 5, "{refitted:?}");
    assert!(*refitted.last().unwrap() < found.report.candidates.len(), "{refitted:?}");
    let again = Stages::default();
    assert_eq!(run(&search, Some(&file), &again).unwrap(), found);
    assert!(again.names.lock().unwrap().is_empty(), "all of it is known");
    // Another search does not take these for its own.
    let other = Search { per_layer: false, ..search.clone() };
    assert_eq!(run(&other, Some(&file), &again).unwrap(), run(&other, None, &Stages::default()).unwrap());
    assert_eq!(again.count("curvature"), 1);
    // Nor does it take them away.
    let (known, of_other) = (Stages::default(), Stages::default());
    assert_eq!(run(&search, Some(&file), &known).unwrap(), found);
    run(&other, Some(&file), &of_other).unwrap();
    assert!(known.names.lock().unwrap().is_empty() && of_other.names.lock().unwrap().is_empty());
}

#[test]
fn the_recommended_run_of_a_search_refits_and_does_not_train() {
    let (measure, share) = (Measure::Parameters, 0.8);
    let searched = HowMuch::Searched { measure, share };
    let ways = [searched.clone(), HowMuch::Within { measure, times: 1.2 }];
    for recipe in ways.map(|how_much| Recipe::new(vec![AxisKind::Ffn], how_much)) {
        assert_eq!((recipe.compensation, recipe.regularize), (Compensation::Ridge, None));
    }
    assert_eq!(Recipe::searched(measure, share), Recipe::new(Vec::new(), searched));
    let given = Recipe::new(vec![AxisKind::Ffn], HowMuch::Stays { measure, share });
    assert!(given.compensation == Compensation::None && given.regularize.is_some());
}

#[test]
fn a_search_looks_at_as_many_blocks_as_it_is_told() {
    let model = Shape { layers: 3, ..Shape::example() }.model();
    let kinds = [AxisKind::Ffn];
    let run = |blocks: usize, data: &Calibration| {
        let search = Search { blocks, ..search(&model, 0.8, true) };
        let scorer = Criteria::new(&[], &kinds, 1);
        search.run(&model, &kinds, &scorer, data, None, &NoProgress).unwrap()
    };
    let six = Calibration::from_blocks(calibration().blocks[..6].to_vec());
    let (some, the_same, all) = (run(6, &calibration()), run(6, &six), run(8, &calibration()));
    assert_eq!((some.selection, some.scores), (the_same.selection, the_same.scores));
    assert_eq!(some.report.passes.backward, 4);
    assert_ne!(some.report.dense_loss, all.report.dense_loss);
    assert_eq!((Search::blocks_to_look_at(1024), Search::blocks_to_look_at(128)), (16, 128));
    assert_eq!(Search::blocks_to_look_at(32_768), 2);
}

#[test]
fn a_search_costs_no_more_for_blocks_that_it_does_not_look_at() {
    let model = Shape { layers: 3, ..Shape::example() }.model();
    let recipe = Recipe {
        axes: vec![AxisKind::Ffn],
        stock: StockTarget::Dress,
        ..Recipe::searched(Measure::Parameters, 0.92)
    };
    let resolved = recipe.resolve(&model, DType::F32).unwrap();
    let most = resolved.search.as_ref().unwrap().blocks;
    let backward = |blocks: usize| resolved.passes(blocks).backward;
    assert!(backward(most) > backward(most / 2));
    assert_eq!(backward(2 * most), backward(most), "nothing else goes back");
}

#[test]
fn a_search_by_drawn_scores_is_another_one_for_another_seed() {
    let model = Shape { layers: 3, ..Shape::example() }.model();
    let kinds = [AxisKind::Ffn];
    let search = Search { order: Order::Scores, ..search(&model, 0.8, true) };
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("search.json");
    let order = |seed: u64, file: Option<&Path>| {
        let scorer = Criteria::new(&[Criterion::Random], &kinds, seed);
        search.run(&model, &kinds, &scorer, &calibration(), file, &NoProgress).unwrap().report.sensitivities
    };
    let first = order(1, Some(&file));
    assert_eq!(order(2, Some(&file)), order(2, None));
    assert_ne!(order(2, None), first);
}

#[test]
fn a_search_leaves_what_is_protected() {
    let model = Shape { layers: 3, ..Shape::example() }.model();
    let recipe = |text: &str, per_layer| Recipe {
        protected: text.parse().unwrap(),
        stock: StockTarget::Dress,
        per_layer,
        axes: vec![AxisKind::Ffn],
        ..Recipe::searched(Measure::Parameters, 0.92)
    };
    let mut resolved = recipe("layers=0,ffn=1.2-3", true).resolve(&model, DType::F32).unwrap();
    resolved.search.as_mut().unwrap().held_back = 2;
    let selection = resolved.prune(model.clone(), &calibration(), &NoProgress).unwrap().plan.selection;
    assert!(!selection.is_empty() && selection.get(Axis::Ffn { layer: 0 }).is_none(), "{selection:?}");
    let gone = selection.get(Axis::Ffn { layer: 1 }).map_or(&[][..], |chosen| chosen.removed());
    assert!(!gone.contains(&2) && !gone.contains(&3), "{gone:?}");
    let even = recipe("layers=0", false).resolve(&model, DType::F32).unwrap_err().to_string();
    assert!(even.contains("`per_layer`"), "{even}");
}

#[test]
fn too_little_text_and_too_small_a_budget_are_said() {
    let model = Shape::example().model();
    let few = Calibration::from_blocks(calibration().blocks[..2].to_vec());
    let run = |share, data: &Calibration| {
        let kinds = [AxisKind::Ffn];
        let scorer = Criteria::new(&[], &kinds, 1);
        search(&model, share, true)
            .run(&model, &kinds, &scorer, data, None, &NoProgress)
            .unwrap_err()
            .to_string()
    };
    assert!(run(0.9, &few).contains("give more samples"), "{}", run(0.9, &few));
    assert!(run(0.01, &calibration()).contains("choose another budget"), "{}", run(0.01, &calibration()));
    let rounds = Recipe { rounds: 3, ..Recipe::searched(Measure::Parameters, 0.9) };
    assert!(rounds.resolve(&model, DType::F32).unwrap_err().to_string().contains("leave out `rounds`"));
    let recipe = Recipe { axes: vec![AxisKind::Residual], ..Recipe::searched(Measure::Parameters, 0.9) };
    let said = recipe.resolve(&model, DType::F32).unwrap_err().to_string();
    assert!(said.contains("cannot measure axis `residual`"), "{said}");
}
