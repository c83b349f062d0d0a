//! What engines do with shapes, as it was tried in November 2026.

use crate::models::{format, shape, smollm2};
use dress_engines::{ModelShape, Verdict};
use serde_json::{Value, json};

const ENGINES: [&str; 7] =
    ["transformers", "vllm", "mlx", "llama.cpp", "ctranslate2", "mistral.rs", "keras-hub"];

/// Two layers, as they were tried.
fn llama(keys: &[(&str, Value)]) -> ModelShape {
    shape(&smollm2(&[&[("num_hidden_layers", json!(2))], keys].concat()))
}

fn phi(width: usize, heads: usize) -> ModelShape {
    shape(&json!({
        "model_type": "phi", "vocab_size": 64, "hidden_size": width, "intermediate_size": 256, "head_dim": 32,
        "num_hidden_layers": 2, "num_attention_heads": heads, "partial_rotary_factor": 0.5,
    }))
}

fn opt(width: usize, heads: usize) -> ModelShape {
    shape(&json!({
        "model_type": "opt", "vocab_size": 64, "hidden_size": width, "ffn_dim": 256, "head_dim": 32,
        "word_embed_proj_dim": width, "num_hidden_layers": 2, "num_attention_heads": heads,
    }))
}

/// One letter an engine: it loads, comes out wrong, is refused, was not tried.
fn letters(shape: &ModelShape) -> String {
    let letter = |name: &&str| match format(name).verdict(shape) {
        Verdict::Loads | Verdict::LoadsAs { .. } => 'l',
        Verdict::Wrong { .. } => 'w',
        Verdict::Refused { .. } => 'r',
        Verdict::Untried => '?',
    };
    ENGINES.iter().map(letter).collect()
}

#[test]
fn a_width_that_is_not_its_heads_is_for_some_engines() {
    let p432 = llama(&[("hidden_size", json!(432))]);
    let h2 = llama(&[("num_attention_heads", json!(6)), ("num_key_value_heads", json!(2))]);
    assert_eq!([&llama(&[]), &p432, &h2].map(letters), ["lllllll", "llllrrr", "llllrrr"]);
    let says = format("ctranslate2").verdict(&p432).to_string();
    assert!(
        says.contains("432 is not 9 query heads of 64") && says.contains("fails at the first token"),
        "{says}"
    );
}

#[test]
fn heads_that_share_nothing_are_taken_for_others_without_a_word() {
    let alone = |width: usize| llama(&[("hidden_size", json!(width)), ("num_key_value_heads", json!(9))]);
    assert_eq!([&alone(576), &alone(432)].map(letters), ["lllllll", "llllwrr"]);
    let says = format("ctranslate2").verdict(&alone(432)).to_string();
    assert!(says.contains("without a word"), "{says}");
}

#[test]
fn a_width_of_440_is_refused_by_the_configuration_of_transformers() {
    let shape = llama(&[("hidden_size", json!(440))]);
    assert_eq!(letters(&shape), "rrllrrr");
}

#[test]
fn any_number_of_neurons_loads() {
    for neurons in [1001, 1152] {
        assert_eq!(letters(&llama(&[("intermediate_size", json!(neurons))])), "lllllll");
    }
}

#[test]
fn biases_are_left_out_without_a_word_by_some() {
    let biased = llama(&[("attention_bias", json!(true)), ("mlp_bias", json!(true))]);
    assert_eq!(letters(&biased), "lllllww");
    let says = format("mistral.rs").verdict(&biased).to_string();
    assert!(says.contains("bias") && says.contains("without a word"), "{says}");
}

#[test]
fn rotary_settings_in_the_newer_spelling_alone_are_lost_on_some() {
    let newer = llama(&[]).with_rope_parameters_alone(true);
    assert_eq!(letters(&newer), "llwllrl");
    assert!(format("mlx").verdict(&newer).to_string().contains("older keys"));
}

#[test]
fn opt_and_phi_sliced_in_width_and_heads() {
    // Width and heads together, and the width alone.
    assert_eq!([&opt(96, 3), &opt(96, 4)].map(letters), ["llrrlrr", "rrrrrrr"]);
    assert_eq!([&phi(96, 3), &phi(96, 4)].map(letters), ["llllrwr", "lrrrrrr"]);
}

#[test]
fn families_like_llama_load_where_they_were_tried() {
    let of = |model_type: &str, width: usize| {
        let keys = [("model_type", json!(model_type)), ("hidden_size", json!(width))];
        letters(&llama(&keys))
    };
    // Nine heads of 64.
    for (model_type, whole, narrow) in [
        ("mistral", "ll?l???", "ll?l???"),
        ("qwen2", "ll?l???", "lr?r???"),
        ("qwen3", "ll?l???", "ll?l???"),
        ("smollm3", "l??l???", "l??l???"),
        ("gemma2", "l??l???", "rr?l???"),
        ("gemma3_text", "ll?l???", "rr?l???"),
    ] {
        assert_eq!([of(model_type, 576), of(model_type, 440)], [whole, narrow], "{model_type}");
    }
}

#[test]
fn layers_that_differ_load_where_they_are_written_for_it() {
    let differing = |neurons: [usize; 2], heads: [usize; 2]| {
        llama(&[("dress", json!({ "ffn": neurons, "heads": heads }))])
    };
    assert_eq!(letters(&differing([1536, 1001], [3, 2])), "rrrlrrr");
    let says = format("llama.cpp").verdict(&differing([1536, 1001], [3, 2])).to_string();
    assert!(says.contains("deci"), "{says}");
    let mlx = |neurons, heads| format("mlx").verdict(&differing(neurons, heads));
    assert!(matches!(mlx([1536, 1280], [3, 3]), Verdict::LoadsAs { form } if form.contains("nemotron-nas")));
    assert!(mlx([1536, 1001], [3, 3]).to_string().contains("a multiple of 256, which 1001 are not"));
    // What is refused is not wrong as well.
    let biased =
        llama(&[("attention_bias", json!(true)), ("dress", json!({ "ffn": [1536, 1001], "heads": [3, 3] }))]);
    assert_eq!(letters(&biased), "rrrlrrr");
    assert!(mlx([1536, 1280], [3, 2]).to_string().contains("the same number of query heads"));
    assert!(
        format("vllm").verdict(&differing([1536, 1280], [3, 3])).to_string().contains("one number for all")
    );
}

#[test]
fn quantizers_refuse_rows_that_are_no_whole_groups() {
    let width = |width: usize| llama(&[("hidden_size", json!(width))]);
    let refuses =
        |name: &str, shape: &ModelShape| matches!(format(name).verdict(shape), Verdict::Refused { .. });
    // SmolLM2's own width of 576 too.
    for name in ["llmcompressor:w4a16", "llmcompressor:w8a16", "openvino:int4"] {
        assert!(refuses(name, &width(576)), "{name}");
    }
    for name in
        ["llmcompressor:w8a8", "openvino:int4-adjust", "torchao:int4", "torchao:int8", "bitsandbytes:nf4"]
    {
        assert!(!refuses(name, &width(432)), "{name}");
    }
    assert!(refuses("torchao:8da4w", &width(432)) && !refuses("torchao:8da4w", &width(576)));
    // A release before took a type without a smaller block at its word.
    assert!(refuses("llama.cpp-b10361:q8_0", &width(432)) && refuses("llama.cpp-b10361:q4_k_m", &width(432)));
    assert!(!refuses("llama.cpp:q8_0", &width(432)));
    let neurons = llama(&[("intermediate_size", json!(1001))]);
    assert!(refuses("llama.cpp-b10361:q4_0", &neurons) && !refuses("llama.cpp-b10361:q4_k_m", &neurons));
}

#[test]
fn litgpt_knows_published_models_alone() {
    assert!(matches!(format("litgpt").verdict(&llama(&[])), Verdict::Refused { .. }));
}
