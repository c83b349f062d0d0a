//! Sizes that usual quantizers take, of checkpoints whose weights are never made and for which no engine is
//! named.

use crate::declared_models::{llama, resolved, small_opt, smollm2};
use AxisKind::{Ffn, Heads, Residual};
use dress_core::burn::tensor::DType;
use dress_core::{AxisKind, Ratio, StockTarget};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{Allocation, HowMuch, Measure, Recipe, RoundedSize, SizeRounding, Sizes};

/// The small model that ships: 2,361,408 parameters, of which a neuron of every layer has 2,880.
fn small() -> AnyModel {
    llama([192, 512, 5, 6, 2, 2048])
}

fn recipe(axes: &[AxisKind], how_much: HowMuch) -> Recipe {
    let recipe = Recipe::new(axes.to_vec(), how_much).without_training();
    Recipe { criteria: vec![Criterion::MagnitudeL2], ..recipe }
}

fn by_ratios(axes: &[AxisKind], ratios: &[f64]) -> Recipe {
    recipe(axes, HowMuch::Ratios(ratios.iter().map(|&ratio| Ratio::new(ratio).unwrap()).collect()))
}

fn sized(model: &AnyModel, recipe: &Recipe) -> (Vec<usize>, Option<SizeRounding>) {
    let (resolved, kept) = resolved(model, recipe).unwrap();
    (kept, resolved.size_rounding)
}

#[test]
fn neurons_within_two_hundredths_of_the_parameters_of_a_size_that_is_quantized_become_it() {
    let (kept, rounding) = sized(&small(), &by_ratios(&[Ffn], &[0.4]));
    assert_eq!(kept, [320]);
    let Some(SizeRounding::Rounded { sizes, moved, formats }) = &rounding else { panic!("{rounding:?}") };
    assert_eq!(*sizes, [RoundedSize { kind: Ffn, len: 512, asked: 307, nearest: 320 }]);
    assert!((moved - 13.0 * 2880.0 / 2_361_408.0).abs() < 1e-12, "{moved}");
    assert_eq!(formats.iter().map(ToString::to_string).collect::<Vec<_>>(), Sizes::FORMATS);
    // 384 are six times 64. In full would be 256 or 512.
    assert_eq!(sized(&small(), &by_ratios(&[Ffn], &[0.25])), (vec![384], None));
    // 1,275 of 1,536: five more are a multiple of 256, so that no weight gets a larger type.
    assert_eq!(sized(&smollm2(), &by_ratios(&[Ffn], &[0.17])).0, [1280]);
    assert_eq!(sized(&smollm2(), &by_ratios(&[Ffn], &[0.25])), (vec![1152], None));
}

#[test]
fn what_is_further_away_stays_and_it_is_said_what_that_costs() {
    // 282 neurons are 26 above 256, which is 3.2% of the parameters, and 38 below 320.
    let (kept, rounding) = sized(&small(), &by_ratios(&[Ffn], &[0.45]));
    assert_eq!(kept, [282]);
    let Some(SizeRounding::TooFar { sizes, moved, loss, .. }) = &rounding else { panic!("{rounding:?}") };
    assert_eq!(*sizes, [RoundedSize { kind: Ffn, len: 512, asked: 282, nearest: 256 }]);
    assert!((moved - 26.0 * 2880.0 / 2_361_408.0).abs() < 1e-12, "{moved}");
    assert!(loss.formats.len() == 2 && loss.formats.iter().all(|lost| lost.matrices == 5), "{loss}");

    // The width has to be a multiple of six query heads besides, and no multiple of 64 below 192 is.
    let (kept, rounding) = sized(&small(), &by_ratios(&[Residual], &[0.25]));
    assert_eq!(kept, [144]);
    let Some(SizeRounding::NoneNear { asked, .. }) = &rounding else { panic!("{rounding:?}") };
    assert_eq!(*asked, ["residual 144 of 192"]);
    let said = rounding.unwrap().to_string();
    for part in [
        "would not be quantized in full",
        " MB, and ",
        "`for = llama.cpp:q4_k_m,mlx:4bit`",
        "possible are `axes = ffn`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_budget_is_kept() {
    let stays = |share| recipe(&[Ffn], HowMuch::Stays { measure: Measure::Parameters, share });
    // 320 neurons leave 76.6% of the parameters, and 256 leave 68.8%.
    let (kept, rounding) = sized(&small(), &stays(0.75));
    assert_eq!(kept, [307]);
    let Some(SizeRounding::TooFar { sizes, .. }) = &rounding else { panic!("{rounding:?}") };
    assert_eq!(sizes[0].nearest, 256);
    assert_eq!(sized(&small(), &stays(0.77)).0, [320]);
    // Half a percent more than the budget counts as met: 896 neurons leave 75.3%.
    assert_eq!(sized(&smollm2(), &stays(0.75)).0, [896]);
}

#[test]
fn whatever_is_said_of_sizes_stands() {
    let open = by_ratios(&[Ffn], &[0.4]);
    let said = [
        Recipe { sizes: Sizes::AsAsked, ..open.clone() },
        Recipe { stock: StockTarget::Transformers, ..open.clone() },
        Recipe { stock: StockTarget::Dress, ..open.clone() },
        Recipe {
            served_by: dress_engines::EngineTable::built_in().formats(&["vllm"]).unwrap(),
            ..open.clone()
        },
    ];
    for recipe in said {
        assert_eq!(sized(&small(), &recipe), (vec![307], None), "{:?} {}", recipe.sizes, recipe.stock);
    }
    assert_eq!(sized(&small(), &Recipe { tile: 3, ..open.clone() }), (vec![306], None));
    // 324 are near 320, but where 322 of one layer are to stay.
    let near = by_ratios(&[Ffn], &[0.367]);
    assert_eq!(sized(&small(), &near).0, [320]);
    let protected = Recipe { protected: "ffn=0.0-321".parse().unwrap(), ..near };
    assert_eq!(sized(&small(), &protected).0, [324]);
    // Neither format has the family.
    assert_eq!(sized(&small_opt(), &by_ratios(&[Ffn], &[0.4])), (vec![154], None));
}

#[test]
fn width_and_heads_are_rounded_together_in_one_round_alone() {
    // With two of three groups the width is a multiple of 6 query heads, where the model as it is wants one of 9.
    let both = by_ratios(&[Residual, Heads], &[0.343_75, 0.3333]);
    let (resolved_once, kept) = resolved(&smollm2(), &both).unwrap();
    assert_eq!((kept, resolved_once.config.allocation), (vec![384, 2], Allocation::Together));
    let (kept, rounding) = sized(&smollm2(), &Recipe { rounds: 2, ..both });
    assert_eq!(kept, [378, 2]);
    assert!(rounding.is_some_and(|sizes| !sizes.is_rounded()));
}

#[test]
fn a_search_keeps_to_sizes_that_are_near_each_other() {
    let tile =
        |model: &AnyModel, recipe: Recipe| recipe.resolve(model, DType::F32).unwrap().search.unwrap().tile;
    let searched = || Recipe::searched(Measure::Parameters, 0.8);
    // 64 neurons of every layer are 2.5% of SmolLM2's parameters, 0.5% of LLaMA-3.2-1B's; 256 are 1.5% of LLaMA-2-7B's.
    assert_eq!(tile(&smollm2(), searched()), 1);
    let [one, seven] = [[2048, 8192, 16, 32, 8, 128_256], [4096, 11_008, 32, 32, 32, 32_000]].map(llama);
    assert_eq!((tile(&one, searched()), tile(&seven, searched())), (64, 256));
    assert_eq!(tile(&seven, Recipe { sizes: Sizes::AsAsked, ..searched() }), 1);
    assert_eq!(tile(&seven, Recipe { stock: StockTarget::Dress, per_layer: true, ..searched() }), 1);
}
