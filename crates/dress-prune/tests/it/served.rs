//! Shapes that engines take, of checkpoints whose weights are never made.

use crate::declared_models::{declared, resolved, small_opt, smollm2};
use crate::small_models::runner;
use dress_core::burn::tensor::DType;
use dress_core::{
    Axis, AxisKind, AxisSelection, CausalLm, Fingerprint, Ratio, Selection, SlicePlan, StockTarget,
};
use dress_engines::{EngineFormat, EngineTable, ModelShape};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{
    Allocation, Amount, Budget, Error, Goal, HowMuch, Measure, Preset, PresetSettings, QuantizationLoss,
    Recipe,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn formats(names: &str) -> Vec<EngineFormat> {
    let names: Vec<&str> = names.split(',').collect();
    EngineTable::built_in().formats(&names).unwrap()
}

/// A run without weights, data and training: how much goes is all that is asked.
fn recipe(axes: &[AxisKind], how_much: HowMuch, served_by: &str) -> Recipe {
    let recipe = Recipe::new(axes.to_vec(), how_much).without_training();
    Recipe { criteria: vec![Criterion::MagnitudeL2], served_by: formats(served_by), ..recipe }
}

fn by_ratios(axes: &[AxisKind], ratios: &[f64], served_by: &str) -> Recipe {
    let ratios = ratios.iter().map(|&ratio| Ratio::new(ratio).unwrap()).collect();
    recipe(axes, HowMuch::Ratios(ratios), served_by)
}

fn stays(axes: &[AxisKind], measure: Measure, share: f64, served_by: &str) -> Recipe {
    recipe(axes, HowMuch::Stays { measure, share }, served_by)
}

fn kept(recipe: &Recipe) -> Vec<usize> {
    resolved(&smollm2(), recipe).unwrap().1
}

fn refused(recipe: &Recipe) -> String {
    resolved(&smollm2(), recipe).unwrap_err().to_string()
}

use AxisKind::{Ffn, Heads, Residual};

#[test]
fn sizes_are_the_nearest_that_all_engines_take_in_full() {
    for (ratio, served_by, expected) in [
        (0.25, "llama.cpp:q8_0", 1152),
        (0.3, "llama.cpp:q8_0", 1088),
        (0.3, "llama.cpp:q8_0,mlx:4bit", 1088),
        (0.26, "llama.cpp:q8_0,mlx:4bit", 1152),
        // Both neighbours are as near: the smaller one.
        (0.25, "llama.cpp:q4_k_m", 1024),
        (0.2, "llama.cpp:q4_k_m,vllm,mlx:4bit", 1280),
        (0.25, "vllm", 1152),
        (0.3, "vllm", 1075),
    ] {
        assert_eq!(kept(&by_ratios(&[Ffn], &[ratio], served_by)), [expected], "{ratio} {served_by}");
    }
    let tiled = Recipe { tile: 96, ..by_ratios(&[Ffn], &[0.25], "llama.cpp:q8_0") };
    assert_eq!(kept(&tiled), [1152]);
}

#[test]
fn a_width_that_no_engine_takes_in_full_names_another_mix() {
    let said = refused(&by_ratios(&[Residual], &[0.25], "llama.cpp:q8_0"));
    for part in ["llama.cpp:q8_0", "(288 of 576)", "`axes = residual,heads`", "`axes = ffn`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(kept(&by_ratios(&[Residual], &[0.5], "llama.cpp:q8_0")), [288]);
    // What it names can be asked for.
    let both = by_ratios(&[Residual, Heads], &[0.3333], "llama.cpp:q8_0");
    let (resolved, kept) = resolved(&smollm2(), &both).unwrap();
    assert_eq!(kept, [384, 2]);
    // The nine query heads that the configuration has now would want a multiple of 288.
    assert_eq!(resolved.config.allocation, Allocation::Together);
    assert_eq!(resolved.config.served_by, ["llama.cpp:q8_0"]);
}

#[test]
fn where_no_size_gets_the_types_that_a_format_has_those_of_the_dense_model_count() {
    // 576 is no multiple of 256, so that its rows are Q5_0 and Q8_0, and so are rows of 384.
    assert_eq!(kept(&by_ratios(&[Residual, Heads], &[0.3333], "llama.cpp:q4_k_m")), [384, 2]);
}

#[test]
fn budgets_of_bytes_are_as_the_engines_serve_them() {
    let of = |share, served_by| kept(&stays(&[Ffn], Measure::Bytes, share, served_by));
    // 103.7 MB: 94.6 with 1,280 neurons and 85.5 with 1,024.
    assert_eq!((of(0.92, "llama.cpp:q4_k_m"), of(0.9, "llama.cpp:q4_k_m")), (vec![1280], vec![1024]));
    assert_eq!(of(0.83, "llama.cpp:q4_k_m"), [1024]);
    // Of several the greatest share counts: in bf16 1,280 neurons are 0.902 of 269.1 MB.
    assert_eq!(
        (of(0.905, "vllm,llama.cpp:q8_0"), of(0.905, "vllm,llama.cpp:q4_k_m")),
        (vec![1280], vec![1024])
    );
    let parameters = kept(&stays(&[Ffn], Measure::Parameters, 0.82, "llama.cpp:q4_k_m"));
    assert_eq!(parameters, [1024]);
    let (model, recipe) = (smollm2(), stays(&[Ffn], Measure::Bytes, 0.75, "llama.cpp:q8_0"));
    let (resolved, _) = resolved(&model, &recipe).unwrap();
    let shape = ModelShape::of(&model);
    let left = shape.sliced(&resolved.known_selection(&model).unwrap().unwrap());
    let share = recipe.served_by[0].bytes(&left) as f64 / recipe.served_by[0].bytes(&shape) as f64;
    assert!((0.735..=0.7538).contains(&share), "{share}");
}

#[test]
fn a_budget_that_no_shape_meets_is_refused() {
    let said = refused(&stays(&[Ffn], Measure::Bytes, 0.2, "llama.cpp:q8_0"));
    assert!(said.contains("at most 0.2") && said.contains("possible are"), "{said}");
}

#[test]
fn a_search_keeps_to_the_engines_sizes_and_counts_what_they_serve() {
    let model = smollm2();
    let q4_k_m = formats("llama.cpp:q4_k_m");
    let search = |measure, share| {
        let recipe = Recipe { served_by: q4_k_m.clone(), ..Recipe::searched(measure, share) };
        recipe.resolve(&model, DType::F32).unwrap().search.unwrap()
    };
    let budget = |measure, share| match search(measure, share).goal {
        Goal::Budget(budget) => budget,
        goal => panic!("{goal:?}"),
    };
    let left = 0.83 * q4_k_m[0].bytes(&ModelShape::of(&model)) as f64;
    assert_eq!(budget(Measure::Bytes, 0.83), Budget { measure: Measure::Bytes, left });
    assert_eq!(budget(Measure::Parameters, 0.8).left, 0.8 * 134_515_008.0);
    let search = search(Measure::Bytes, 0.83);
    assert_eq!((search.tile, &search.served_by), (256, &q4_k_m));
    let few = Recipe { served_by: q4_k_m.clone(), ..Recipe::searched(Measure::Bytes, 0.2) };
    assert!(few.resolve(&model, DType::F32).unwrap_err().to_string().contains("at most 0.2"));
}

#[test]
fn engines_that_do_not_load_the_family_or_the_layers_are_named() {
    let said = resolved(&small_opt(), &by_ratios(&[Ffn], &[0.5], "llama.cpp:q8_0")).unwrap_err().to_string();
    assert!(said.contains("llama.cpp:q8_0") && said.contains("it has no OPTForCausalLM"), "{said}");
    let per_layer = |served_by| {
        let recipe = by_ratios(&[Ffn], &[0.25], served_by);
        Recipe { per_layer: true, stock: StockTarget::Dress, ..recipe }.resolve(&smollm2(), DType::F32)
    };
    let said = per_layer("vllm").unwrap_err().to_string();
    assert!(said.contains("vllm") && said.contains("one number for all"), "{said}");
    assert_eq!(per_layer("llama.cpp:q8_0").unwrap().config.targets[0].tile, 32);
    // Its model type of layers that differ has neurons in multiples of 256 alone.
    assert_eq!(per_layer("mlx:4bit").unwrap().config.targets[0].tile, 256);
    assert_eq!(kept(&by_ratios(&[Ffn], &[0.3], "mlx:4bit")), [1088]);
    // The width has to be the heads times their width there.
    assert!(refused(&by_ratios(&[Residual], &[0.5], "ctranslate2")).contains("not 9 query heads of 64"));
}

fn without(model: &AnyModel, kind: AxisKind, gone: usize) -> Selection {
    let map = model.coupling();
    let gone = |axis: &Axis| {
        let len = map.axis(*axis).unwrap().len;
        AxisSelection::new(len, (len - gone..len).collect()).unwrap()
    };
    map.of_kind(kind).unwrap().iter().fold(Selection::new(), |all, axis| all.with(*axis, gone(axis)))
}

#[test]
fn a_plan_that_an_engine_does_not_take_in_full_is_refused() {
    let model = smollm2();
    let planned = |gone, served_by| {
        let selection = without(&model, Ffn, gone);
        let fingerprint = Fingerprint::builder().finish();
        let scores = Default::default();
        let plan =
            SlicePlan::with_fingerprint(&model, fingerprint, "random", 1, None, &scores, selection).unwrap();
        let recipe = recipe(&[], HowMuch::Planned(Box::new(plan)), served_by);
        Recipe { criteria: Vec::new(), ..recipe }.resolve(&model, DType::F32)?.check(&model)
    };
    planned(384, "llama.cpp:q8_0").unwrap();
    let said = planned(535, "llama.cpp:q8_0").unwrap_err().to_string();
    assert!(
        said.contains("down_proj") && said.contains("rows of 1001") && said.contains("gets f16"),
        "{said}"
    );
    planned(535, "vllm").unwrap();
}

#[test]
fn what_would_not_be_quantized_is_said_with_its_megabytes() {
    let model = smollm2();
    let loss =
        |kind, gone| QuantizationLoss::of(&model, &without(&model, kind, gone), &EngineTable::built_in());
    // 1,152 neurons and 512 channels are whole blocks of every format that has 1,536 and 576 in whole blocks.
    for taken in [loss(Ffn, 384), loss(Residual, 64)] {
        assert!(taken.is_none(), "{}", taken.unwrap());
    }
    let narrow = loss(Residual, 144).unwrap();
    let lost = narrow.formats.iter().find(|lost| lost.format.to_string() == "llama.cpp:q4_0").unwrap();
    let megabytes = lost.bytes.map(|bytes| (bytes as f64 / 1e5).round() / 10.0);
    assert_eq!((lost.matrices, megabytes), (1 + 5 * 30, [89.9, 162.5]));
    assert!(narrow.to_string().contains("would not be quantized in full"), "{narrow}");
    let neurons = loss(Ffn, 535).unwrap();
    assert!(neurons.formats.iter().all(|lost| lost.matrices == 30 && lost.format.is_quantized()));
}

#[test]
fn presets_keep_to_the_engines_sizes() {
    let of = |preset: Preset, served_by| {
        let settings = PresetSettings {
            served_by: formats(served_by),
            ..PresetSettings::new(Amount::Parameters(Ratio::new(0.25).unwrap()))
        };
        preset.of(&smollm2(), &settings)
    };
    let run = of(Preset::Magnitude, "llama.cpp:q4_k_m").unwrap();
    for target in &run.config.targets {
        let len = if target.kind == Ffn { 1536 } else { 3 };
        let kept = target.ratio.kept(len, target.tile);
        assert!(target.kind == Heads || kept % 256 == 0, "{kept}");
    }
    assert!(of(Preset::Flap, "vllm").unwrap_err().to_string().contains("one number for all"));
}

/// Configurations of every family with sizes of all kinds.
fn configs() -> impl Strategy<Value = Value> {
    let sizes = (0..3usize, 1..4usize, 1..5usize, 0..3usize, 1..5usize, 3..40usize, 0..3usize, 1..3usize);
    sizes.prop_map(|(family, per_group, groups, head, wide, neurons, odd, layers)| {
        let (heads, head_dim) = (per_group * groups, [16, 32, 64][head]);
        let width = if family == 1 { heads * head_dim } else { heads * 16 * wide };
        let neurons = 16 * neurons + odd;
        let name = ["llama", "opt", "phi"][family];
        json!({
            "model_type": name, "vocab_size": 64, "hidden_size": width,
            "intermediate_size": neurons, "ffn_dim": neurons, "num_hidden_layers": layers, "head_dim": head_dim,
            "num_attention_heads": heads, "num_key_value_heads": groups, "partial_rotary_factor": 0.5,
            "tie_word_embeddings": family != 2 && odd == 1,
        })
    })
}

const SERVED_BY: [&str; 8] = [
    "llama.cpp:q8_0",
    "llama.cpp:q4_k_m",
    "mlx:4bit-g32",
    "vllm",
    "transformers",
    "torchao:int4",
    "bitsandbytes:nf4",
    "llmcompressor:w4a16",
];

#[test]
fn a_shape_that_is_chosen_is_taken_in_full_by_all_engines() {
    let chosen = std::cell::Cell::new(0);
    let check = |(config, engines, axes, ratio, by_bytes): (Value, u8, u8, u32, bool)| {
        let pick = |set: u8, count: usize| (0..count).filter(move |index| set >> index & 1 == 1);
        let names: Vec<&str> = pick(engines, SERVED_BY.len()).map(|index| SERVED_BY[index]).collect();
        let axes: Vec<AxisKind> = pick(axes, 3).map(|index| [Residual, Ffn, Heads][index]).collect();
        let (model, ratio, served_by) =
            (declared(&config.to_string()), f64::from(ratio) / 100.0, names.join(","));
        let recipe = match by_bytes {
            true => stays(&axes, Measure::Bytes, 1.0 - ratio, &served_by),
            false => by_ratios(&axes, &[ratio], &served_by),
        };
        let resolved = match resolved(&model, &recipe) {
            Ok((resolved, _)) => resolved,
            Err(Error::NoServedShape { .. } | Error::NotServed { .. }) => return Ok(()),
            Err(error) => panic!("{error}"),
        };
        let selection = resolved.known_selection(&model).unwrap().unwrap();
        model.check_stock(&selection, StockTarget::All).unwrap();
        let dense = ModelShape::of(&model);
        let shape = dense.sliced(&selection);
        for format in formats(&served_by) {
            prop_assert!(format.verdict(&shape).is_right(), "{format} {shape:?}");
            let before = format.serve(&dense).weights;
            for (weight, before) in format.serve(&shape).weights.iter().zip(&before) {
                prop_assert_eq!(&weight.name, &before.name);
                prop_assert!(weight.fallbacks <= before.fallbacks, "{format} {weight:?} {before:?}");
            }
            let share = format.bytes(&shape) as f64 / format.bytes(&dense) as f64;
            prop_assert!(!by_bytes || share <= (1.0 - ratio) * 1.0051, "{format} {share} {ratio}");
        }
        chosen.set(chosen.get() + 1);
        Ok(())
    };
    let cases = (configs(), 1u8..=255, 1u8..8, 10u32..60, any::<bool>());
    runner(200).run(&cases, check).unwrap();
    assert!(chosen.get() > 0, "no case chose a shape");
}
