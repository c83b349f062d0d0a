//! Sizes against hand counts, and how far a model is from itself and from others.

use crate::small::{CONFIGS, llama, random};
use dress_core::burn::tensor::{DType, Device, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{AxisKind, Calibration, Fingerprint, NoProgress};
use dress_data::Windows;
use dress_eval::journal::ResultCache;
use dress_eval::{Alignment, Size, SpeedConfig, departure, speed};
use dress_models::AnyModel;
use std::path::Path;
use third_party_model::ShiftLm;

#[test]
fn multiplications_are_those_of_a_hand_count() {
    let size = Size::of(&llama());
    // Two layers: queries and output 12 x 16, keys and values 12 x 8, gate, up and down 12 x 10; then the head.
    let layer = 12 * 16 + 2 * 12 * 8 + 16 * 12 + 3 * 12 * 10;
    assert_eq!(size.macs_per_token, 2 * layer + 23 * 12);
    // Four heads of 4: scores and weighted sum, in two layers.
    assert_eq!(size.attention_macs_per_context_token, 2 * 2 * 16);
    assert_eq!(size.macs_at(0), 2 * layer + 23 * 12 + 64);
    // Embedding and head apart, two norms a layer and the last.
    assert_eq!(size.parameters, 2 * layer + 2 * 23 * 12 + 5 * 12);
    assert_eq!(size.bytes, 4 * size.parameters);
}

#[test]
fn multiplications_follow_from_the_slots_whatever_the_parameters_are_called() {
    let size = Size::of(&ShiftLm::new(23, 12, 10, &Device::flex()));
    // Two layers of two projections, and a head of its own; a row of the embedding is only looked up.
    assert_eq!(size.macs_per_token, 2 * 2 * 12 * 10 + 23 * 12);
}

#[test]
fn a_tied_head_multiplies_and_is_stored_once() {
    let tied = CONFIGS[0].replace("\"model_type\"", "\"tie_word_embeddings\":true,\"model_type\"");
    let (tied, untied) = (Size::of(&random(&tied)), Size::of(&llama()));
    assert_eq!(tied.macs_per_token, untied.macs_per_token);
    assert_eq!(tied.parameters, untied.parameters - 23 * 12);
    let unaligned: Vec<usize> = tied.unaligned.iter().map(|unaligned| unaligned.width).collect();
    assert!(unaligned.contains(&12) && unaligned.contains(&10) && !unaligned.contains(&16), "{unaligned:?}");
}

#[test]
fn where_layers_differ_a_size_has_the_least_and_the_most_of_one() {
    let differing = r#""dress":{"ffn":[10,6],"heads":[2,2]},"model_type""#;
    let size = Size::of(&random(&CONFIGS[0].replace("\"model_type\"", differing)));
    assert_eq!(size.ranges, [(AxisKind::Ffn, [6, 10])]);
    assert!(Size::of(&llama()).ranges.is_empty());
}

fn windows() -> Windows {
    let blocks = (0..3).map(|n| (0..9).map(|i| (i * i + 5 * n) % 23).collect()).collect();
    Windows::from(&Calibration::from_blocks(blocks))
}

#[test]
fn a_model_does_not_depart_from_itself() {
    for config in CONFIGS {
        let model = random(config);
        let found = departure(&model, &model, &Alignment::default(), &windows(), None, &NoProgress).unwrap();
        assert!(found.kl.abs() < 1e-6 && found.top1_agreement == 1.0);
        assert_eq!((found.positions, found.layers.len()), (27, 2));
        assert!(found.layers.iter().all(|at| (at.cosine - 1.0).abs() < 1e-6));
        assert_eq!(found.against, Fingerprint::of(&model));
    }
}

#[test]
fn another_model_is_at_a_distance_and_one_of_another_vocabulary_is_refused() {
    let device = Device::flex();
    device.seed(11);
    let other = AnyModel::from_config(CONFIGS[0], Path::new("config.json"), &device).unwrap();
    let found =
        departure(&other, &random(CONFIGS[2]), &Alignment::default(), &windows(), None, &NoProgress).unwrap();
    assert!(found.kl > 1e-3 && found.top1_agreement < 1.0 && found.kl_standard_error.is_some());
    let narrow = random(&CONFIGS[0].replace("\"vocab_size\":23", "\"vocab_size\":29"));
    let says = departure(&narrow, &other, &Alignment::default(), &windows(), None, &NoProgress).unwrap_err();
    assert!(says.to_string().contains("29 and 23"), "{says}");
}

struct Half;

impl ParameterMapper for Half {
    fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        value.cast(DType::BF16)
    }
}

#[test]
fn what_is_kept_of_one_type_of_weights_is_not_another_types() {
    let (place, other) = (tempfile::tempdir().unwrap(), random(CONFIGS[2]));
    let cache = ResultCache::new(place.path());
    let kl = |model: &AnyModel, against: &AnyModel, cache: Option<&ResultCache>| {
        departure(model, against, &Alignment::default(), &windows(), cache, &NoProgress).unwrap().kl
    };
    let whole = llama();
    let half = parameters::map(whole.clone(), &mut Half);
    assert_eq!(Fingerprint::of(&whole), Fingerprint::of(&half));
    for (model, against) in [(&whole, &other), (&half, &other), (&other, &whole), (&other, &half)] {
        assert_eq!(kl(model, against, Some(&cache)), kl(model, against, None));
    }
    assert_ne!(kl(&whole, &other, None), kl(&half, &other, None));
}

#[test]
fn two_models_are_timed_in_one_run() {
    let (first, second) = (llama(), random(CONFIGS[2]));
    let config = SpeedConfig {
        prefill_tokens: 8,
        prompt_tokens: 4,
        new_tokens: 3,
        batches: vec![1, 2],
        repeats: 3,
        warmup: 1,
    };
    let reports = speed(&[&first, &second], &config, &NoProgress).unwrap();
    for report in &reports {
        assert_eq!((report.prefill_ms.count, report.decode_ms.count), (3, 6));
        assert!(report.prefill_ms.median > 0.0 && report.prefill_ms.p10 <= report.prefill_ms.p90);
        assert_eq!(report.throughput.iter().map(|t| t.batch).collect::<Vec<_>>(), [1, 2]);
        assert!(report.throughput.iter().all(|t| t.tokens_per_second.median > 0.0));
    }
    let long = SpeedConfig { prefill_tokens: 17, ..config };
    assert!(speed(&[&first], &long, &NoProgress).unwrap_err().to_string().contains("16 positions"));
}
