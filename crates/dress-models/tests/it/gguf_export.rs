//! A checkpoint that is exported as GGUF and opened again is the same model with the same tokens.

use crate::parity::logits;
use crate::reference::{copy_of, fixture, load};
use dress_core::burn::tensor::Device;
use dress_core::{CausalLm, NoProgress};
use dress_models::checkpoint::save;
use dress_models::gguf::{GgufExport, GgufExportConfig, GgufHeader, GgufType, TensorType, export_gguf};
use dress_models::{AnyModel, Checkpoint, SaveConfig};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const TEXTS: [&str; 9] = [
    "And the LORD said unto Moses, 12 times and 345.",
    " \n\tleading and trailing blanks  \n",
    "don't we'll IT'S",
    "caf\u{e9} na\u{ef}ve \u{4f60}\u{597d} \u{41f}\u{440}\u{438} \u{1f600}",
    "a",
    "",
    "bad abba cab, dab!  ba  ab",
    "<|endoftext|>and <s>on</s>",
    "x = y[3] ** 2; // --",
];

pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models").join(name)
}

/// A byte-level tokenizer of a few letters, for models of few tokens.
pub fn letters() -> Value {
    let single: Vec<String> = "\u{120}abcdeilnost.,".chars().map(String::from).collect();
    let pairs = [("a", "b"), ("\u{120}", "a"), ("ab", "b"), ("\u{120}a", "b")];
    let texts = single.into_iter().chain(pairs.map(|(a, b)| format!("{a}{b}")));
    let texts = std::iter::once("<|endoftext|>".to_string()).chain(texts);
    let vocab: serde_json::Map<_, _> = texts.zip(0..).map(|(text, id)| (text, json!(id))).collect();
    json!({ "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{ "id": 0, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true }],
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": pairs.map(|(a, b)| [a, b]) } })
}

/// SentencePiece's kind, with all bytes and a token that opens every text.
pub fn pieces() -> Value {
    let token = |id: u32, text: &str| {
        json!({ "id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true })
    };
    let mut texts: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).into();
    texts.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    texts.extend("\u{2581}abcdt".chars().map(String::from));
    let merges =
        [("a", "b"), ("\u{2581}", "a"), ("\u{2581}a", "b"), ("\u{2581}", "ab"), ("ab", "b"), ("b", "a")];
    for (left, right) in merges {
        let text = format!("{left}{right}");
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let vocab: serde_json::Map<_, _> =
        texts.into_iter().zip(0..).map(|(text, id)| (text, json!(id))).collect();
    let replace =
        |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
    let opened = json!([{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }]);
    json!({ "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [token(0, "<unk>"), token(1, "<s>"), token(2, "</s>")],
        "normalizer": { "type": "Sequence", "normalizers":
            [{ "type": "Prepend", "prepend": "\u{2581}" }, replace(" ", "\u{2581}")] },
        "pre_tokenizer": null,
        "post_processor": { "type": "TemplateProcessing", "single": opened, "pair": opened,
            "special_tokens": { "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } } },
        "decoder": { "type": "Sequence", "decoders": [replace("\u{2581}", " "), { "type": "ByteFallback" },
            { "type": "Fuse" }, { "type": "Strip", "content": " ", "start": 1, "stop": 0 }] },
        "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocab, "merges": merges.map(|(a, b)| [a, b]) } })
}

/// A LLaMA of these keys with weights drawn at random, and a tokenizer.
pub fn drawn(more: Value, tokenizer: &Value) -> tempfile::TempDir {
    let mut config = json!({ "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 300,
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2 });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let model =
        AnyModel::from_config(&config.to_string(), Path::new("config.json"), &Device::flex()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("model");
    let target = dress_core::StockTarget::Dress;
    save(&model, &directory, &SaveConfig { target, ..SaveConfig::default() }).unwrap();
    fs::write(directory.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    place
}

pub fn exported(
    directory: &Path,
    place: &Path,
    tensor_type: Option<GgufType>,
) -> Result<GgufExport, dress_models::Error> {
    let config = GgufExportConfig { tensor_type, force: true };
    export_gguf(&Checkpoint::at(directory)?, place, &config, &NoProgress)
}

/// How far the logits of an export are from its directory's, relative in L2.
fn moved(directory: &Path, file: &Path) -> f32 {
    let ids = [(0..24).map(|i| (i * 7 + 1) % 90).collect::<Vec<u32>>()];
    let [one, other] = [directory, file].map(|place| logits(&load(place), &ids));
    assert_eq!(one.len(), other.len());
    let norm = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>().sqrt();
    norm(&mut one.iter().zip(&other).map(|(a, b)| a - b)) / norm(&mut one.iter().copied())
}

pub fn assert_same_tokens(directory: &Path, file: &Path) {
    let [one, other] = [directory, file].map(|place| Checkpoint::at(place).unwrap().tokenizer().unwrap());
    for text in TEXTS {
        for special in [true, false] {
            let ids = one.encode(text, special).unwrap();
            assert_eq!(other.encode(text, special).unwrap(), ids, "{text:?}");
            assert_eq!(other.decode(&ids).unwrap(), one.decode(&ids).unwrap(), "{text:?}");
        }
    }
}

#[test]
fn every_type_keeps_the_logits_as_far_as_it_can_and_all_tokens() {
    for (name, architecture) in [("llama2-kjv", "llama"), ("llama3-kjv", "llama"), ("phi2-kjv", "phi2")] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("model.gguf");
        let directory = example(name);
        for (tensor_type, allowed) in [
            (GgufType::F32, 0.0),
            (GgufType::Bf16, 0.0),
            (GgufType::F16, 1e-3),
            (GgufType::Q8_0, 0.05),
            (GgufType::Q4_0, 0.6),
        ] {
            let made = exported(&directory, &file, Some(tensor_type)).unwrap();
            assert_eq!((made.architecture, made.bytes), (architecture, fs::metadata(&file).unwrap().len()));
            let moved = moved(&directory, &file);
            assert!(moved <= allowed, "{name} {tensor_type}: {moved}");
        }
        assert_same_tokens(&directory, &file);
        assert_eq!(exported(&directory, &file, None).unwrap().tensor_type, GgufType::Bf16, "the files' own");
    }
}

#[test]
fn biases_ties_groups_of_heads_and_llama_3_s_scaling_come_back_bit_for_bit() {
    for (name, tied) in [
        ("llama2_mha_untied", false),
        ("llama3_gqa_tied", true),
        ("llama_biases_sharded", false),
        ("mistral_wide_heads", false),
        ("qwen2_tied", true),
        ("qwen3_tied", true),
        ("granite_tied", true),
        ("granite_biases", false),
        ("olmo2_plain", false),
        ("phi3_plain", false),
        ("phi3_long_rope", true),
        ("phi_2", false),
        ("gpt_neox_parallel", false),
        ("gpt_neox_sequential", false),
    ] {
        let copy = copy_of(name);
        fs::write(copy.path().join("tokenizer.json"), letters().to_string()).unwrap();
        let file = copy.path().join("model.gguf");
        exported(copy.path(), &file, Some(GgufType::F32)).unwrap();
        assert_eq!(moved(copy.path(), &file), 0.0, "{name}");
        let bytes = fs::read(&file).unwrap();
        let header = GgufHeader::parse(&bytes).unwrap();
        assert_eq!(header.tensors.contains_key("output.weight"), !tied, "{name}");
        assert_eq!(
            header.tensors.contains_key("rope_freqs.weight"),
            name == "llama3_gqa_tied",
            "{name}: the one that is stretched"
        );
        assert_same_tokens(copy.path(), &file);
    }
}

/// llama.cpp wants biases of every GPT-NeoX, and computes one GELU whichever a model was trained with.
#[test]
fn a_gpt_neox_without_biases_gets_them_and_both_forms_of_its_activation_are_told_apart() {
    for (name, activation, biased) in
        [("gpt_neox_no_biases", "gelu_new", false), ("gpt_neox_parallel", "gelu", true)]
    {
        let copy = copy_of(name);
        fs::write(copy.path().join("tokenizer.json"), letters().to_string()).unwrap();
        let file = copy.path().join("model.gguf");
        assert_eq!(exported(copy.path(), &file, Some(GgufType::F32)).unwrap().architecture, "gptneox");
        assert_eq!(moved(copy.path(), &file), 0.0, "{name}");
        let bytes = fs::read(&file).unwrap();
        let header = GgufHeader::parse(&bytes).unwrap();
        let said = header.metadata.get("dress.hidden_act").and_then(|value| value.text());
        assert_eq!(said, (activation != "gelu").then_some(activation), "{name}");
        for layer in 0..2 {
            let info = &header.tensors[format!("blk.{layer}.attn_qkv.bias").as_str()];
            assert_eq!(info.shape, [96], "{name}");
            let all_zero = bytes[info.start..info.start + info.len].iter().all(|&byte| byte == 0);
            assert_eq!(all_zero, !biased, "{name}");
        }
        let AnyModel::GptNeox(read) = load(&file) else { panic!("{name}") };
        assert!(read.config().attention_bias && read.config().use_parallel_residual, "{name}");
    }
}

#[test]
fn every_fourth_layer_of_smollm3_turns_nothing_on_either_side() {
    let copy = copy_of("smollm3_tied");
    let path = copy.path().join("config.json");
    let text =
        fs::read_to_string(&path).unwrap().replace("\"no_rope_layer_interval\": 2", "\"mlp_bias\": false");
    fs::write(&path, text).unwrap();
    fs::write(copy.path().join("tokenizer.json"), letters().to_string()).unwrap();
    let file = copy.path().join("model.gguf");
    assert_eq!(exported(copy.path(), &file, Some(GgufType::F32)).unwrap().architecture, "smollm3");
    assert_eq!(moved(copy.path(), &file), 0.0);
}

/// What is added to a gain on one side is taken off on the other, in f32.
#[test]
fn gains_of_gemma_are_one_more_in_the_file_and_windows_are_kept() {
    for (name, from, to) in [
        ("gemma2_tied", "\"sliding_window\": 9", "\"sliding_window\": 9"),
        ("gemma3_tied", "\"sliding_window_pattern\": 2", "\"sliding_window_pattern\": 6"),
    ] {
        let copy = copy_of(name);
        let path = copy.path().join("config.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name}");
        fs::write(&path, text.replace(from, to)).unwrap();
        fs::write(copy.path().join("tokenizer.json"), letters().to_string()).unwrap();
        let file = copy.path().join("model.gguf");
        exported(copy.path(), &file, Some(GgufType::F32)).unwrap();
        assert!(moved(copy.path(), &file) < 1e-5, "{name}");
        let [AnyModel::Decoder(one), AnyModel::Decoder(other)] = [load(copy.path()), load(&file)] else {
            panic!("{name}")
        };
        assert_eq!(one.config().windows, other.config().windows);
        assert_eq!(one.config().soft_caps, other.config().soft_caps);
        assert_eq!(one.config().max_position_embeddings, other.config().max_position_embeddings);
    }
}

/// llama.cpp has no windows for `llama`, `qwen2` and `qwen3`; a text that is within all of them sees none.
#[test]
fn a_model_of_windows_says_that_it_takes_as_many_tokens_as_one_has() {
    for (name, window) in [("mistral_window", 12), ("qwen2_windows", 10), ("qwen3_layer_types", 9)] {
        let copy = copy_of(name);
        fs::write(copy.path().join("tokenizer.json"), letters().to_string()).unwrap();
        let file = copy.path().join("model.gguf");
        exported(copy.path(), &file, Some(GgufType::F32)).unwrap();
        let (dense, read) = (load(copy.path()), load(&file));
        assert_eq!(read.max_positions(), window, "{name}");
        let ids = [(0..window as u32).collect::<Vec<u32>>()];
        assert_eq!(logits(&read, &ids), logits(&dense, &ids), "{name}");
    }
}

#[test]
fn layers_that_differ_are_the_architecture_deci_and_are_read_again() {
    let widths = json!({ "dress": { "ffn": [96, 64, 90], "heads": [2, 1, 2] }, "tie_word_embeddings": true });
    let place = drawn(widths, &pieces());
    let (directory, file) = (place.path().join("model"), place.path().join("model.gguf"));
    assert_eq!(exported(&directory, &file, None).unwrap().architecture, "deci");
    assert_eq!(moved(&directory, &file), 0.0);
    let AnyModel::Decoder(read) = load(&file) else { panic!("no LLaMA") };
    let widths = &read.config().widths;
    assert_eq!([0, 1, 2].map(|layer| (widths.ffn(layer), widths.heads(layer))), [(96, 2), (64, 1), (90, 2)]);
}

#[test]
fn rows_that_are_no_whole_blocks_stay_f16_and_heads_have_eight_bits() {
    let place = drawn(json!({ "intermediate_size": 90 }), &pieces());
    let (directory, file) = (place.path().join("model"), place.path().join("model.gguf"));
    let made = exported(&directory, &file, Some(GgufType::Q4_0)).unwrap();
    assert_eq!(made.left_f16, [0, 1, 2].map(|layer| format!("blk.{layer}.ffn_down.weight")));
    let bytes = fs::read(&file).unwrap();
    let header = GgufHeader::parse(&bytes).unwrap();
    let kind = |name: &str| header.tensors[name].kind;
    assert_eq!(kind("blk.0.ffn_down.weight"), TensorType::F16);
    assert_eq!([kind("blk.0.ffn_up.weight"), kind("token_embd.weight")], [TensorType::Q4_0; 2]);
    assert_eq!([kind("output.weight"), kind("output_norm.weight")], [TensorType::Q8_0, TensorType::F32]);
    // What was rounded is rounded to itself.
    for tensor_type in [GgufType::Q4_0, GgufType::Q8_0] {
        let (once, again) = (place.path().join("once"), place.path().join("again.gguf"));
        exported(&directory, &file, Some(tensor_type)).unwrap();
        let config = SaveConfig { source: Some(file.clone()), force: true, ..SaveConfig::default() };
        save(&load(&file), &once, &config).unwrap();
        exported(&once, &again, Some(tensor_type)).unwrap();
        let data = |path: &Path| -> Vec<(String, Vec<u8>)> {
            let bytes = fs::read(path).unwrap();
            let header = GgufHeader::parse(&bytes).unwrap();
            let in_blocks = header.tensors.iter().filter(|(_, info)| info.kind.block() == 32);
            in_blocks
                .map(|(name, info)| (name.to_string(), bytes[info.start..info.start + info.len].into()))
                .collect()
        };
        assert_eq!(data(&file).len(), 20, "all matrices but those of odd rows");
        assert_eq!(data(&again), data(&file), "{tensor_type}");
    }
}

#[test]
fn what_llama_cpp_does_not_have_is_refused_and_nothing_is_left() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.gguf");
    let refused = |directory: &Path, says: &str| {
        let message = exported(directory, &file, Some(GgufType::F16)).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    };
    refused(&example("opt-kjv"), "llama.cpp has no OPT");
    let neox = |more: Value| {
        let mut keys = json!({ "model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"] });
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        drawn(keys, &pieces())
    };
    for (more, says) in [
        (json!({ "dress": { "ffn": [96, 64, 90], "heads": [4, 4, 4] } }), "no GPT-NeoX whose layers differ"),
        (json!({ "hidden_size": 48 }), "llama.cpp's gptneox takes a head's width from the quotient"),
        (json!({ "hidden_act": "relu" }), "llama.cpp's gptneox has the activation gelu alone"),
    ] {
        refused(&neox(more).path().join("model"), says);
    }
    refused(&fixture("phi_gqa_half_rotary"), "hidden_size 48 is not 6 heads of 12");
    refused(&fixture("qwen2_wide_heads"), "llama.cpp's qwen2 takes a head's width from the quotient");
    refused(&fixture("smollm3_tied"), "every fourth layer");
    refused(&fixture("olmo2_groups"), "no head that is the embedding");
    refused(&fixture("gemma3_tied"), "the last of every 6 layers sees the whole text");
    refused(&fixture("gemma2_biases"), "llama.cpp's gemma2 has no biases");
    refused(&fixture("gemma2_caps"), "divides scores by the root of 8");
    refused(&fixture("gemma3_list"), "llama.cpp's gemma3 has no biases");
    refused(&fixture("phi3_window"), "llama.cpp's phi3 takes a head's width from the quotient");
    refused(&fixture("qwen3_biases"), "llama.cpp's qwen3 has no biases");
    refused(&fixture("llama2_mha_untied"), "tokenizer.json");
    let with = |change: &dyn Fn(&mut Value)| {
        let copy = copy_of("llama2_mha_untied");
        let mut tokenizer = letters();
        change(&mut tokenizer);
        fs::write(copy.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
        copy
    };
    let split = |tokenizer: &mut Value| tokenizer["pre_tokenizer"]["add_prefix_space"] = true.into();
    refused(with(&split).path(), "none of the ways that llama.cpp has a name for");
    let lower = |tokenizer: &mut Value| tokenizer["normalizer"] = json!({ "type": "Lowercase" });
    refused(with(&lower).path(), "normalizer Lowercase");
    let many = |tokenizer: &mut Value| {
        let vocab = tokenizer["model"]["vocab"].as_object_mut().unwrap();
        (20..120).for_each(|id| _ = vocab.insert(format!("t{id}"), json!(id)));
    };
    refused(with(&many).path(), "the embedding 96 rows");
    let large = crate::altered::altered("llama2_mha_untied", |tensors| {
        let (_, _, bytes) = tensors.get_mut("model.layers.1.mlp.up_proj.weight").unwrap();
        bytes[8..12].copy_from_slice(&1e6f32.to_le_bytes());
    });
    fs::write(large.path().join("tokenizer.json"), letters().to_string()).unwrap();
    refused(
        large.path(),
        "model.layers.1.mlp.up_proj.weight: the numbers from 2 on, 1000000 for one, are beyond",
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_file_is_replaced_only_where_that_is_asked_for_and_never_the_one_that_is_read() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.gguf");
    let checkpoint = Checkpoint::at(example("llama2-kjv")).unwrap();
    let export = |checkpoint: &Checkpoint, force| {
        export_gguf(checkpoint, &file, &GgufExportConfig { tensor_type: None, force }, &NoProgress)
    };
    export(&checkpoint, false).unwrap();
    assert!(export(&checkpoint, false).unwrap_err().to_string().contains("already exists"));
    export(&checkpoint, true).unwrap();
    let message = export(&Checkpoint::at(&file).unwrap(), true).unwrap_err().to_string();
    assert!(message.contains("is the checkpoint that is read"), "{message}");
    // A GGUF file is a checkpoint like another.
    let (copy, config) = (place.path().join("copy.gguf"), GgufExportConfig::default());
    export_gguf(&Checkpoint::at(&file).unwrap(), &copy, &config, &NoProgress).unwrap();
    assert_eq!(moved(&file, &copy), 0.0);
    assert_same_tokens(&file, &copy);
}
