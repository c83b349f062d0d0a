//! Bytes as served. The megabytes are those of files that llama.cpp v0.5.0 wrote.

use crate::models::{format, shape, smollm2};
use dress_core::AxisKind;
use dress_engines::Demand;
use serde_json::json;

const FORMATS: [&str; 4] = ["llama.cpp:f16", "llama.cpp:q8_0", "llama.cpp:q4_0", "llama.cpp:q4_k_m"];

/// Width, neurons, and the megabytes in each of the formats.
const WRITTEN: [(usize, usize, [f64; 4]); 9] = [
    (576, 1536, [269.1, 143.0, 90.0, 103.7]),
    (432, 1536, [201.8, 176.2, 162.5, 165.8]),
    (384, 1536, [179.4, 95.4, 60.0, 69.1]),
    (480, 1536, [224.3, 119.2, 75.0, 86.4]),
    (512, 1536, [239.2, 127.2, 73.9, 78.2]),
    (576, 1280, [242.6, 128.9, 82.5, 94.6]),
    (576, 1152, [229.3, 121.9, 78.8, 93.6]),
    (576, 1024, [216.0, 114.8, 75.0, 85.5]),
    (576, 1001, [213.6, 129.8, 99.2, 107.4]),
];

fn megabytes(name: &str, width: usize, neurons: usize) -> f64 {
    let config = smollm2(&[("hidden_size", json!(width)), ("intermediate_size", json!(neurons))]);
    format(name).bytes(&shape(&config)) as f64 / 1e6
}

#[test]
fn megabytes_are_those_of_the_files_that_llama_cpp_writes() {
    for (width, neurons, written) in WRITTEN {
        for (name, written) in FORMATS.into_iter().zip(written) {
            let counted = megabytes(name, width, neurons);
            assert!(
                (counted / written - 1.0).abs() < 0.002,
                "{width} {neurons} {name}: {counted} for {written}"
            );
        }
    }
}

#[test]
fn what_is_served_adds_up_to_its_bytes() {
    let shape = shape(&smollm2(&[("intermediate_size", json!(1001))]));
    for name in ["llama.cpp:q4_k_m", "mlx:4bit", "bitsandbytes:nf4", "openvino:int4-adjust", "vllm"] {
        let served = format(name).serve(&shape);
        let sum: f64 = served.weights.iter().map(|weight| weight.bytes).sum();
        assert_eq!(served.bytes, sum.round() as u64, "{name}");
        assert_eq!(served.bytes, format(name).bytes(&shape), "{name}");
    }
}

#[test]
fn numbers_that_stay_as_stored_have_the_checkpoint_s_bytes() {
    let shape = shape(&smollm2(&[]));
    let [bf16, f32] = [2, 4].map(|bytes| format("vllm").bytes(&shape.clone().stored_in(bytes)));
    assert_eq!((bf16, f32), (2 * 134_515_008, 4 * 134_515_008));
}

#[test]
fn a_tied_head_that_is_written_beside_its_embedding_counts_twice() {
    let counted = |tied: bool| {
        let shape = shape(&smollm2(&[("tie_word_embeddings", json!(tied))]));
        format("onnxruntime-genai:int4").bytes(&shape)
    };
    assert_eq!(counted(true), counted(false));
}

#[test]
fn what_stays_unquantized_is_named_with_its_type() {
    let narrow = shape(&smollm2(&[("hidden_size", json!(432))]));
    let left = |name: &str| format(name).serve(&narrow).unquantized().filter(|w| w.fallbacks > 0).count();
    // The embedding, and all but `o_proj` and `down_proj` of 30 layers.
    assert_eq!(left("llama.cpp:q4_0"), 1 + 5 * 30);
    assert_eq!(
        (left("mlx:4bit"), left("bitsandbytes:nf4"), left("onnxruntime-genai:int4")),
        (1 + 5 * 30, 0, 0)
    );
    let served = format("openvino:int4-adjust").serve(&narrow);
    let query =
        served.weights.iter().find(|weight| weight.name.ends_with("0.self_attn.q_proj.weight")).unwrap();
    assert_eq!(query.found.as_deref(), Some("int8"));
    let dense = format("llama.cpp:q4_k_m").serve(&shape(&smollm2(&[])));
    let types =
        |name: &str| dense.weights.iter().find(|weight| weight.name == name).unwrap().found.clone().unwrap();
    assert_eq!(types("model.embed_tokens.weight"), "q8_0");
    assert_eq!(types("model.layers.0.mlp.down_proj.weight"), "q6_k");
    assert_eq!(types("model.layers.3.mlp.down_proj.weight"), "q4_k");
    assert_eq!(types("model.layers.3.mlp.up_proj.weight"), "q5_0");
}

#[test]
fn sizes_that_are_taken_in_full_are_multiples_of_what_rows_want() {
    let dense = shape(&smollm2(&[]));
    let steps = |name: &str, demand| {
        [AxisKind::Residual, AxisKind::Ffn, AxisKind::Heads]
            .map(|kind| format(name).step(&dense, kind, demand))
    };
    assert_eq!(steps("llama.cpp:q8_0", Demand::InFull), [32, 32, 1]);
    // Three heads of 64 a group: four groups make a multiple of 256.
    assert_eq!(steps("llama.cpp:q4_k_m", Demand::InFull), [256, 256, 4]);
    // 576 is no multiple of 256, and 1,536 is.
    assert_eq!(steps("llama.cpp:q4_k_m", Demand::AsTheyAre), [32, 256, 1]);
    // Q5_0 and Q8_0 take the place of Q4_K and Q6_K in rows of 32.
    assert_eq!(steps("llama.cpp:q4_k_m", Demand::Quantized), [32, 32, 1]);
    assert_eq!(["mlx:4bit", "vllm"].map(|name| steps(name, Demand::Quantized)), [[64, 64, 1], [1, 1, 1]]);
    assert_eq!(steps("mlx:4bit", Demand::InFull), [64, 64, 1]);
    assert_eq!(steps("vllm", Demand::InFull), [1, 1, 1]);
    assert_eq!(steps("onnxruntime-genai", Demand::InFull), [1, 1, 1]);
}
