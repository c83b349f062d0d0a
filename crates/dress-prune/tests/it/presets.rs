//! Published methods on the small model that ships with the examples.

use crate::small_models::{Family, Shape, distance};
use dress_core::burn::tensor::{Device, Tensor};
use dress_core::{
    Axis, AxisKind, Basis, Calibration, CausalLm, Forward, NoProgress, Ratio, StockTarget, Tap, parameters,
};
use dress_models::{AnyModel, LoadConfig};
use dress_prune::{Allocation, Amount, Compensation, Preset, PresetSettings, Pruned, TOLERANCE, compensate};
use std::collections::BTreeSet;
use std::path::Path;

fn model() -> AnyModel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/llama3-kjv");
    AnyModel::load(&path, &LoadConfig::default(), &Device::flex()).unwrap()
}

fn calibration() -> Calibration {
    let block = |n: u32| (0..24).map(|i| (i * i * 3 + i * n + 11 * n) % 500).collect();
    Calibration::from_blocks((1..3).map(block).collect())
}

fn settings(amount: Amount) -> PresetSettings {
    let mut settings = PresetSettings::new(amount);
    settings.regularize.train.learning_rate.peak = 1e-4;
    settings
}

fn run(preset: Preset, amount: Amount) -> (AnyModel, Pruned<AnyModel>) {
    let model = model();
    let run = preset.of(&model, &settings(amount)).unwrap();
    (model.clone(), run.prune(model, &calibration(), &NoProgress).unwrap())
}

fn ratio(ratio: f64) -> Ratio {
    Ratio::new(ratio).unwrap()
}

/// The cells of a comparison are found by what they depend on as it is written, so that a share of every axis
/// is written as it was before it got its name.
#[test]
fn a_share_of_every_axis_is_written_by_its_first_name_and_read_by_both() {
    let amount = Amount::EveryAxis(ratio(0.5));
    assert_eq!(serde_json::to_value(amount).unwrap(), serde_json::json!({ "width": 0.5 }));
    for written in [r#"{"width":0.5}"#, r#"{"axes":0.5}"#] {
        assert_eq!(serde_json::from_str::<Amount>(written).unwrap(), amount, "{written}");
    }
}

#[test]
fn every_preset_ends_at_the_parameters_that_were_asked_for() {
    for preset in Preset::all() {
        let (dense, pruned) = run(preset, Amount::Parameters(ratio(0.2)));
        let (before, after) = (parameters::count(&dense) as f64, parameters::count(&pruned.model) as f64);
        let off = (after / (0.8 * before) - 1.0).abs();
        match pruned.plan.selection.get(Axis::Depth) {
            // The nearest number of whole layers.
            Some(depth) => {
                let layer = (before - after) / depth.removed().len() as f64;
                assert!((after - 0.8 * before).abs() <= layer / 2.0, "{preset}: {after} of {before}");
            }
            None => assert!(off <= TOLERANCE, "{preset}: {after} of {before}"),
        }
        assert_eq!(pruned.report.curve.is_empty(), !preset.trains(), "{preset}");
        let blocks = calibration();
        let tokens = Calibration::tensor(&blocks.blocks[..1], &dense.device());
        let loss = pruned.model.next_token_loss(tokens, &mut Forward::new(&mut dress_core::NoTap));
        assert!(loss.into_scalar::<f32>().is_finite(), "{preset}");
    }
}

#[test]
fn a_preset_prunes_what_its_paper_prunes() {
    use AxisKind::{Depth, Ffn, Heads, Residual};
    for (preset, criterion, kinds) in [
        (Preset::Magnitude, "magnitude-l2", vec![Ffn, Heads]),
        (Preset::WandaSp, "wanda", vec![Ffn, Heads]),
        (Preset::Flap, "flap", vec![Ffn, Heads]),
        (Preset::LlmPruner, "taylor", vec![Ffn, Heads]),
        (Preset::SlicegptGlobal, "pca", vec![Residual]),
        (Preset::Sleb, "sleb", vec![Depth]),
        (Preset::Shortgpt, "block-influence", vec![Depth]),
        (Preset::Minitron, "minitron", vec![Residual, Ffn, Heads]),
        (Preset::Dress, "pca", vec![Residual]),
    ] {
        let (_, pruned) = run(preset, Amount::EveryAxis(ratio(0.5)));
        let found: BTreeSet<AxisKind> = pruned.plan.selection.iter().map(|(axis, _)| axis.kind()).collect();
        assert_eq!(found, kinds.into_iter().collect(), "{preset}");
        assert_eq!(pruned.plan.criterion, criterion);
        let basis = match preset {
            Preset::SlicegptGlobal => Basis::Pca,
            Preset::Dress => Basis::PcaTied,
            _ => Basis::Identity,
        };
        assert_eq!(pruned.plan.basis, basis, "{preset}");
        assert_eq!(preset.name().parse::<Preset>().unwrap(), preset);
    }
    let error = "bogus".parse::<Preset>().unwrap_err().to_string();
    assert!(error.contains("bogus") && error.contains("slicegpt-global"), "{error}");
}

#[test]
fn llm_pruner_spares_the_ends_and_prunes_the_middle_evenly() {
    let (dense, pruned) = run(Preset::LlmPruner, Amount::Parameters(ratio(0.1)));
    let run = Preset::LlmPruner.of(&dense, &settings(Amount::Parameters(ratio(0.1)))).unwrap();
    let spared = run.config.allocation.spared(dense.num_layers());
    assert!(!spared.is_empty() && spared.len() < dense.num_layers());
    let kept: BTreeSet<usize> = (0..dense.num_layers())
        .filter_map(|layer| {
            let chosen = pruned.plan.selection.get(Axis::Ffn { layer });
            assert_eq!(chosen.is_none(), spared.contains(&layer), "layer {layer}");
            chosen.map(|chosen| chosen.kept_len())
        })
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
}

#[test]
fn presets_that_treat_layers_differently_are_refused_for_stock_software() {
    let model = model();
    for preset in [Preset::Flap, Preset::LlmPruner] {
        let stock = PresetSettings { stock: StockTarget::All, ..settings(Amount::Parameters(ratio(0.2))) };
        let refused = preset.of(&model, &stock).unwrap_err().to_string();
        assert!(refused.contains("`stock = dress`"), "{refused}");
    }
    let run = Preset::Flap.of(&model, &settings(Amount::EveryAxis(ratio(0.2)))).unwrap();
    assert!(matches!(&run.config.allocation, Allocation::PerLayer(per_layer) if per_layer.comparable));
    assert_eq!(run.config.compensation, Compensation::Bias);
}

/// The mean of what the projection behind a site makes, over all calibration tokens.
struct MeanOutput(Vec<Tensor<1>>);

impl Tap for MeanOutput {
    fn pass(&mut self, _site: dress_core::Site, value: Tensor<3>) -> Tensor<3> {
        value
    }

    fn after_layer(&mut self, layer: usize, before: &Tensor<3>, after: &Tensor<3>) {
        if layer == 0 {
            let [batch, seq, width] = after.dims();
            self.0.push(
                (after.clone() - before.clone()).reshape([batch * seq, width]).mean_dim(0).reshape([-1]),
            );
        }
    }
}

/// Where only neurons of the first layer go, what the layer adds to the stream keeps its mean, exactly: that
/// is what the bias is for. A LLaMA gets the bias that its configuration can say it has.
#[test]
fn a_bias_takes_over_the_mean_of_what_goes() {
    for biases in [false, true] {
        let shape = Shape { biases, layers: 1, seed: 5, ..Shape::example() };
        let model = shape.model().biased();
        let selected = crate::small_models::selection(&model, &[AxisKind::Ffn], |len| (0..len / 2).collect());
        let calibration = Calibration::from_blocks(
            calibration()
                .blocks
                .into_iter()
                .map(|block| block.into_iter().map(|t| t % 37).collect())
                .collect(),
        );
        let made_up =
            compensate(model.clone(), &selected, &calibration, Compensation::Bias, &NoProgress).unwrap().0;
        let masked = dress_prune::mask(model.clone(), &selected).unwrap();
        let mean = |model: &AnyModel| {
            let mut mean = MeanOutput(Vec::new());
            for block in &calibration.blocks {
                let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
                model.forward(tokens, &mut Forward::new(&mut mean));
            }
            mean.0.into_iter().reduce(|sum, next| sum + next).unwrap().unsqueeze::<3>()
        };
        let (with, without) = (distance(mean(&made_up), mean(&model)), distance(mean(&masked), mean(&model)));
        assert!(with < 1e-4 && without > 0.05, "{with} {without}");
    }
}

#[test]
fn a_llama_is_given_biases_that_change_nothing_and_that_its_config_says_it_has() {
    let model = model();
    let biased = model.clone().biased();
    let tokens = || Calibration::tensor(&calibration().blocks[..1], &model.device());
    let logits = |model: &AnyModel| model.forward(tokens(), &mut Forward::new(&mut dress_core::NoTap));
    assert_eq!(logits(&biased).into_data(), logits(&model).into_data());
    let config = biased.config_json("float32");
    assert!(
        config.contains(r#""attention_bias": true"#) && config.contains(r#""mlp_bias": true"#),
        "{config}"
    );
    let declared = AnyModel::from_config(&config, Path::new("config.json"), &Device::flex()).unwrap();
    assert_eq!(parameters::count(&declared), parameters::count(&biased));
    assert!(parameters::count(&biased) > parameters::count(&model));
}

#[test]
fn a_family_without_biases_says_so() {
    let model = Shape { family: Family::Opt350m, biases: false, ..Shape::example() }.model();
    let selected = crate::small_models::selection(&model, &[AxisKind::Ffn], |_| vec![0]);
    let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]]);
    let error = compensate(model, &selected, &calibration, Compensation::Bias, &NoProgress).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("fc2.weight") && error.contains("`compensation = ridge`"), "{error}");
}
