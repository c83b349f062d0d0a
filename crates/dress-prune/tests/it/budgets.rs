//! Budgets over the shapes of real checkpoints, whose weights are never made.

use crate::declared_models::{declared, smollm2};
use crate::small_models::{FAMILIES, Family, KINDS, Shape, runner, shapes};
use dress_core::{AxisKind, CausalLm, NoProgress, Scorer, StockTarget, parameters};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{Budget, Latency, Load, Measure, TOLERANCE, edits, select, slice};
use proptest::prelude::*;

const LLAMA3_8B: &str = r#"{"model_type":"llama","vocab_size":128256,"hidden_size":4096,"intermediate_size":14336,
    "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"tie_word_embeddings":false}"#;

/// Parameters of a LLaMA with these sizes, counted by hand.
fn count(model: &AnyModel, looked_up: bool) -> u64 {
    let config: serde_json::Value = serde_json::from_str(&model.config_json("float32")).unwrap();
    let number = |key: &str| config[key].as_u64().unwrap();
    let (width, inner, head) = (number("hidden_size"), number("intermediate_size"), number("head_dim"));
    let (heads, groups) = (number("num_attention_heads"), number("num_key_value_heads"));
    let matrices = width * head * (2 * heads + 2 * groups) + 3 * width * inner;
    let tables = if config["tie_word_embeddings"] == true { 1 } else { 2 };
    if looked_up {
        number("num_hidden_layers") * (matrices + 2 * width) + width + tables * width * number("vocab_size")
    } else {
        number("num_hidden_layers") * matrices + width * number("vocab_size")
    }
}

/// A machine on which layers cost something whatever their width, and the head more than its share.
const COSTS: Latency = Latency { per_layer: 5e-5, in_layers: 1e-10, outside: 3e-10 };

#[test]
fn what_is_timed_is_half_of_every_axis_of_every_family() {
    for family in FAMILIES {
        let model = Shape { family, heads_per_group: 1, ..Shape::example() }.model();
        let dense = Load::of(&model);
        let selections = dress_prune::shapes_to_time(&model);
        assert_eq!(selections.len(), 4, "{family:?}");
        for selection in selections {
            let half = Load::of(&slice(model.clone(), &selection).unwrap());
            assert!(half.in_layers < dense.in_layers, "{family:?} {half:?}");
        }
    }
}

#[test]
fn budgets_are_met_within_half_a_percent() {
    use AxisKind::{Depth, Ffn, Heads, Residual};
    for model in [smollm2(), declared(LLAMA3_8B)] {
        for kinds in [&[Ffn][..], &[Residual, Ffn], &[Ffn, Heads], &[Ffn, Depth], &[Residual, Ffn, Heads]] {
            for (measure, share) in [
                (Measure::Parameters, 0.9),
                (Measure::Parameters, 0.75),
                (Measure::Macs, 0.7),
                (Measure::Bytes, 0.8),
                (Measure::Latency(COSTS), 0.75),
            ] {
                let budget = Budget::share(&model, measure, share);
                let fit = budget.targets_within(&model, kinds, StockTarget::All, 1).unwrap();
                let axes = dress_prune::axes(&model, &fit.targets).unwrap();
                let random: Box<dyn Scorer<AnyModel>> = Criterion::Random.scorer(1);
                let scores = random.score(&model, &Default::default(), &axes, &NoProgress).unwrap();
                let selection = select(&scores, &model.coupling(), &fit.targets, StockTarget::All).unwrap();
                model.check_stock(&selection, StockTarget::All).unwrap();
                let sliced = model.clone().resized(&selection).unwrap();
                let counted = |model| count(model, measure != Measure::Macs);
                let found = match measure {
                    Measure::Latency(costs) => {
                        let sliced = declared(&sliced.config_json("float32"));
                        costs.seconds(Load::of(&sliced)) / costs.seconds(Load::of(&model))
                    }
                    _ => counted(&sliced) as f64 / counted(&model) as f64,
                };
                assert!((found / share - 1.0).abs() <= TOLERANCE, "{kinds:?} {measure:?} {share}: {found}");
                if measure == Measure::Parameters {
                    let edits = edits(&model, &selection).unwrap();
                    let left = |p: parameters::ParameterInfo| match edits.get(&p.name) {
                        Some(edit) => edit.count(&p.shape),
                        None => p.shape.iter().product::<usize>() as u64,
                    };
                    assert_eq!(parameters::list(&model).into_iter().map(left).sum::<u64>(), counted(&sliced));
                }
            }
        }
    }
}

#[test]
fn what_the_planner_says_is_left_is_left_of_random_models() {
    for family in FAMILIES {
        let check = |(shape, percent, seed): (Shape, u32, u64)| {
            let model = shape.model();
            let kinds = if family == Family::Opt350m { &KINDS[1..] } else { &KINDS[..] };
            let budget = Budget::share(&model, Measure::Parameters, f64::from(percent) / 100.0);
            let fit = budget.targets(&model, kinds, StockTarget::Dress, 1).unwrap();
            let random: Box<dyn Scorer<AnyModel>> = Criterion::Random.scorer(seed);
            let axes = dress_prune::axes(&model, &fit.targets).unwrap();
            let scores = random.score(&model, &Default::default(), &axes, &NoProgress).unwrap();
            let selection = select(&scores, &model.coupling(), &fit.targets, StockTarget::Dress).unwrap();
            let found = parameters::count(&slice(model.clone(), &selection).unwrap()) as f64;
            prop_assert_eq!(found, fit.left, "{:?}", family);
            Ok(())
        };
        runner(12).run(&(shapes(family), 30u32..95, any::<u64>()), check).unwrap();
    }
}

#[test]
fn what_no_shape_meets_says_what_comes_nearest() {
    let model = smollm2();
    let budget = Budget::share(&model, Measure::Parameters, 0.9);
    let depth =
        budget.targets_within(&model, &[AxisKind::Depth], StockTarget::All, 1).unwrap_err().to_string();
    assert!(depth.contains("0.9000") && depth.contains("the nearest leaves 0.8"), "{depth}");
    let fit = budget.targets(&model, &[AxisKind::Depth], StockTarget::All, 1).unwrap();
    assert_eq!(fit.targets[0].ratio.kept(30, 1), 26);
    let opt = Shape { family: Family::Opt, ..Shape::example() }.model();
    let alone = Budget::share(&opt, Measure::Parameters, 0.5);
    let refused = alone.targets(&opt, &[AxisKind::Heads], StockTarget::All, 1).unwrap_err().to_string();
    assert!(refused.contains("no shape that the target takes"), "{refused}");
}
