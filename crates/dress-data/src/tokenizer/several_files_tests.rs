//! Tests of tokenizers that are put together from several files, as `transformers` 5.24 puts them together.

use super::class::Class;
use crate::{Error, Tokenizer};
use serde_json::{Value, json};
use std::path::Path;

/// 2048 byte-level tokens, of which `<|endoftext|>` is the first.
const BYTE_LEVEL: &[u8] = include_bytes!("../../../../examples/models/opt-kjv/tokenizer.json");
const TEXT: &str = "And the <|a|> lamb said";

fn byte_level() -> Value {
    serde_json::from_slice(BYTE_LEVEL).unwrap()
}

fn write(directory: &Path, files: &[(&str, Value)]) {
    for (name, content) in files {
        let text = content.as_str().map_or_else(|| content.to_string(), String::from);
        std::fs::write(directory.join(name), text).unwrap();
    }
}

/// The tokenizer of a directory with these files beside `tokenizer.json`.
fn beside(files: &[(&str, Value)]) -> Tokenizer {
    let at = tempfile::tempdir().unwrap();
    write(at.path(), &[("tokenizer.json", byte_level())]);
    write(at.path(), files);
    Tokenizer::from_directory(at.path()).unwrap()
}

/// The tokenizer of a directory with `vocab.json`, `merges.txt` and these files.
fn of_vocabulary(files: &[(&str, Value)]) -> Result<Tokenizer, Error> {
    let (at, model) = (tempfile::tempdir().unwrap(), byte_level()["model"].take());
    let merges = model["merges"].as_array().unwrap().iter();
    let line = |pair: &Value| format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    let merges = "#version: 0.2\n".to_string() + &merges.map(line).collect::<String>();
    write(at.path(), &[("vocab.json", model["vocab"].clone()), ("merges.txt", merges.into())]);
    write(at.path(), files);
    Tokenizer::from_directory(at.path())
}

fn entry(content: &str, special: bool) -> Value {
    json!({"content": content, "special": special, "lstrip": false, "rstrip": false,
           "single_word": false, "normalized": false})
}

#[test]
fn tokens_are_added_by_added_tokens_json_in_the_order_of_their_ids() {
    let plain = beside(&[]);
    assert_eq!((plain.vocab_size(), plain.token_id("<|a|>")), (2048, None));
    let made = beside(&[("added_tokens.json", json!({"lamb": 2049, "<|a|>": 2048}))]);
    assert_eq!([made.token_id("<|a|>"), made.token_id("lamb")], [Some(2048), Some(2049)]);
    let ids = made.encode(TEXT, false).unwrap();
    assert!(ids.contains(&2048) && ids.contains(&2049), "{ids:?}");
    assert_ne!(ids, plain.encode(TEXT, false).unwrap());
}

#[test]
fn added_tokens_decoder_lists_all_and_goes_before_the_older_files() {
    let config =
        json!({"added_tokens_decoder": {"0": entry("<|endoftext|>", true), "2048": entry("<|a|>", true)}});
    let older = ("added_tokens.json", json!({"lamb": 2048}));
    let map = ("special_tokens_map.json", json!({"pad_token": "<pad>"}));
    let made = beside(&[("tokenizer_config.json", config), older, map]);
    assert_eq!(made.token_id("<|a|>"), Some(2048));
    assert_eq!([made.token_id("lamb"), made.token_id("<pad>")], [None, None]);
    let stripping =
        json!({"added_tokens_decoder": {"2048": {"content": "<|a|>", "lstrip": true, "rstrip": true}}});
    let made = beside(&[("tokenizer_config.json", stripping)]);
    let around = made.encode("And <|a|> lamb", false).unwrap();
    let bare = [made.encode("And", false).unwrap(), vec![2048], made.encode("lamb", false).unwrap()];
    assert_eq!(around, bare.concat());
}

#[test]
fn special_tokens_map_goes_before_tokenizer_config_and_new_ones_are_added() {
    let config = json!({"bos_token": "<|first|>", "eos_token": {"content": "</s>", "__type": "AddedToken"},
                        "additional_special_tokens": ["<|a|>"]});
    let map = json!({"bos_token": {"content": "<|endoftext|>"}});
    let made = beside(&[("tokenizer_config.json", config), ("special_tokens_map.json", map)]);
    let named = |name: &str| made.special_tokens().iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!((named("bos_token"), named("eos_token")), ("<|endoftext|>".into(), "</s>".into()));
    assert_eq!(made.token_id("<|first|>"), None);
    assert!(made.token_id("</s>") >= Some(2048) && made.token_id("<|a|>") >= Some(2048));
    assert!(made.encode(TEXT, false).unwrap().contains(&made.token_id("<|a|>").unwrap()));
}

#[test]
fn new_tokens_get_their_ids_in_the_order_of_stock() {
    // The class's own token comes where its name does: before a model's own names and before a token that pads.
    let family = ("config.json", json!({"model_type": "opt"}));
    let own =
        json!({"extra_special_tokens": {"image_token": "<|a|>"}, "pad_token": "[PAD]", "eos_token": "</s>"});
    let made = beside(&[("tokenizer_config.json", own), family.clone()]);
    let ids = ["</s>", "[PAD]", "<|a|>"].map(|token| made.token_id(token).unwrap());
    assert_eq!(ids, [2048, 2049, 2050]);
    let vocabulary = json!({"unk_token": "<unk>", "pad_token": "[PAD]"});
    let at = tempfile::tempdir().unwrap();
    let mut file = byte_level();
    file["added_tokens"] = json!([]);
    file["model"]["vocab"].as_object_mut().unwrap().remove("<|endoftext|>");
    write(at.path(), &[("tokenizer.json", file), ("tokenizer_config.json", vocabulary), family.clone()]);
    let made = Tokenizer::from_directory(at.path()).unwrap();
    let ids = ["<|endoftext|>", "<unk>", "[PAD]"].map(|token| made.token_id(token).unwrap());
    assert!(ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
    // Tokens of tokenizer.json by the ids that it says, in whatever order it lists them.
    let mut file = byte_level();
    let token = |id: u32, content: &str| {
        let mut token = entry(content, true);
        token["id"] = id.into();
        token
    };
    file["added_tokens"] = json!([token(0, "<|endoftext|>"), token(2049, "<|b|>"), token(2048, "<|a|>")]);
    let at = tempfile::tempdir().unwrap();
    write(at.path(), &[("tokenizer.json", file), family]);
    let made = Tokenizer::from_directory(at.path()).unwrap();
    assert_eq!([made.token_id("<|a|>"), made.token_id("<|b|>")], [Some(2048), Some(2049)]);
}

#[test]
fn vocab_json_with_merges_txt_gives_the_ids_of_tokenizer_json() {
    let class = json!({"tokenizer_class": "GPT2Tokenizer"});
    let made = of_vocabulary(&[("tokenizer_config.json", class)]).unwrap();
    let file = beside(&[]);
    for text in ["And the LORD said unto Moses, 12 times.", " \n\tdon't — é 漢字"] {
        assert_eq!(made.encode(text, true).unwrap(), file.encode(text, true).unwrap(), "{text}");
    }
    // The published OPT checkpoints have no class, only a family, and open each text.
    let opened = json!({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true});
    let family = ("config.json", json!({"model_type": "opt"}));
    let made = of_vocabulary(&[("tokenizer_config.json", opened), family]).unwrap();
    let ids = made.encode("And", true).unwrap();
    assert_eq!(ids, [vec![made.token_id("<s>").unwrap()], made.encode("And", false).unwrap()].concat());
}

#[test]
fn a_vocabulary_that_is_not_read_names_the_line_that_converts_it() {
    let at = tempfile::tempdir().unwrap();
    write(at.path(), &[("vocab.json", json!({"a": 0})), ("config.json", json!({"model_type": "opt"}))]);
    let merges = Tokenizer::from_directory(at.path()).unwrap_err().to_string();
    assert!(merges.contains("merges.txt"), "{merges}");
    std::fs::remove_file(at.path().join("vocab.json")).unwrap();
    std::fs::write(at.path().join("tokenizer.model"), "no protocol buffer").unwrap();
    let error = Tokenizer::from_directory(at.path()).unwrap_err();
    assert!(matches!(error, Error::TokenizerNotConverted { .. }), "{error}");
    assert!(error.to_string().contains("AutoTokenizer.from_pretrained"), "{error}");
}

#[test]
fn a_file_beside_it_that_is_broken_is_named() {
    for name in ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"] {
        let at = tempfile::tempdir().unwrap();
        write(at.path(), &[("tokenizer.json", byte_level()), (name, "{".into())]);
        let error = Tokenizer::from_directory(at.path()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let at = tempfile::tempdir().unwrap();
    let bad = json!({"added_tokens_decoder": {"first": entry("<|a|>", true)}});
    write(at.path(), &[("tokenizer.json", byte_level()), ("tokenizer_config.json", bad)]);
    assert!(Tokenizer::from_directory(at.path()).unwrap_err().to_string().contains("\"first\""));
}

#[test]
fn the_class_is_the_declared_one_then_the_family_s() {
    for (declared, family, class) in [
        (None, Some("opt"), Class::Gpt2),
        (None, Some("phi"), Class::Gpt2),
        (None, Some("llama"), Class::File),
        (None, None, Class::File),
        (Some("GPT2TokenizerFast"), Some("llama"), Class::Gpt2),
        (Some("CodeGenTokenizer"), Some("phi"), Class::CodeGen),
        (Some("LlamaTokenizer"), Some("llama"), Class::Llama),
        (Some("PreTrainedTokenizerFast"), Some("opt"), Class::File),
        (None, Some("qwen3"), Class::Qwen2),
        (None, Some("gemma2"), Class::Gemma),
        (None, Some("gemma3_text"), Class::Gemma),
        (None, Some("gpt_neox"), Class::GptNeox),
        (Some("PreTrainedTokenizerFast"), Some("qwen3"), Class::File),
        (Some("PreTrainedTokenizerFast"), Some("gemma2"), Class::File),
        (Some("Qwen2TokenizerFast"), Some("llama"), Class::Qwen2),
        (Some("GPTNeoXTokenizerFast"), Some("llama"), Class::GptNeox),
        (Some("GemmaTokenizer"), Some("gemma2"), Class::Gemma),
        (Some("PreTrainedTokenizerFast"), Some("qwen2"), Class::Qwen2),
        (Some("LlamaTokenizerFast"), Some("qwen2"), Class::Qwen2),
    ] {
        assert_eq!(Class::of(declared, family, None), class, "{declared:?} {family:?}");
    }
    let file = crate::tokenizer_json::parse(BYTE_LEVEL).unwrap();
    let of_llama3 = Class::of(Some("LlamaTokenizerFast"), Some("llama"), Some(&file));
    assert_eq!(of_llama3, Class::File, "bytes under the name of LLaMA-2's class");
    for family in ["mistral", "phi3", "granite", "olmo2"] {
        for declared in ["GPT2Tokenizer", "CodeGenTokenizer", "LlamaTokenizerFast"] {
            let class = |file| Class::of(Some(declared), Some(family), file);
            assert_eq!(class(Some(&file)), Class::File, "{family} {declared}");
            assert_ne!(
                class(None),
                Class::File,
                "{family} {declared}: without tokenizer.json the class has to read"
            );
        }
    }
}

/// The ids are those of `AutoTokenizer`; the file itself leaves the accent a character of its own.
#[test]
fn a_class_that_stock_makes_anew_gives_stock_s_ids() {
    let text = "don'T say12 e\u{301}  \nAnd";
    let of_family = |family: &str| beside(&[("config.json", json!({"model_type": family}))]);
    let (before, after): ([u32; 7], [u32; 4]) = ([68, 284, 7, 52, 437, 17, 18], [221, 221, 199, 296]);
    for (family, accent) in [
        ("llama", [330, 137, 224]),
        ("opt", [330, 137, 224]),
        ("qwen2", [221, 128, 103]),
        ("qwen3", [221, 128, 103]),
        ("gpt_neox", [221, 128, 103]),
    ] {
        let ids = of_family(family).encode(text, true).unwrap();
        assert_eq!(ids, [&before[..], &accent, &after].concat(), "{family}");
    }
    let named = json!({"tokenizer_class": "PreTrainedTokenizerFast"});
    let of_file =
        beside(&[("config.json", json!({"model_type": "qwen3"})), ("tokenizer_config.json", named)]);
    assert_eq!(of_file.sha256(), beside(&[]).sha256());
}

#[test]
fn gemma_s_class_takes_vocabulary_and_merges_alone() {
    let mut pieces: Vec<String> = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"].map(String::from).into();
    pieces.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    pieces.extend(["\u{2581}", "a", "b", "ab", "\u{2581}a", "\u{2581}ab"].map(String::from));
    let file = |pieces: &[String]| {
        let ids = pieces.iter().zip(0..);
        let vocab: serde_json::Map<_, _> = ids.map(|(piece, id)| (piece.clone(), json!(id))).collect();
        json!({"version": "1.0", "added_tokens": [], "normalizer": {"type": "Lowercase"}, "pre_tokenizer": null,
               "post_processor": null, "decoder": null, "truncation": null, "padding": null,
               "model": {"type": "BPE", "vocab": vocab,
                         "merges": [["a", "b"], ["\u{2581}", "ab"], ["\u{2581}", "a"]]}})
    };
    let read = |file: Value| {
        let at = tempfile::tempdir().unwrap();
        write(at.path(), &[("tokenizer.json", file), ("config.json", json!({"model_type": "gemma2"}))]);
        Tokenizer::from_directory(at.path()).unwrap()
    };
    let made = read(file(&pieces));
    let ids = made.encode("ab A ab\n", true).unwrap();
    assert_eq!(ids, [264, 261, 70, 266, 15], "the letter in upper case and the line's end are bytes");
    assert_eq!(made.decode(&ids).unwrap(), "ab A ab\n");
    // Stock opens none of these, and here the file is taken.
    pieces[3] = "other".into();
    assert_eq!(read(file(&pieces)).encode("abA", true).unwrap(), [264, 262]);
}

#[test]
fn gpt_neox_s_class_leaves_out_the_post_processor_of_the_file() {
    let piece = json!({"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let mut file = byte_level();
    file["post_processor"] = json!({"type": "TemplateProcessing", "single": [piece, text], "pair": [text, text],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}});
    for (family, opens) in [("gpt_neox", false), ("qwen3", true), ("opt", true), ("llama", true)] {
        let at = tempfile::tempdir().unwrap();
        let config = ("config.json", json!({"model_type": family}));
        write(at.path(), &[("tokenizer.json", file.clone()), config]);
        let ids = Tokenizer::from_directory(at.path()).unwrap().encode("And", true).unwrap();
        let expected: &[u32] = if opens { &[0, 296] } else { &[296] };
        assert_eq!(ids, expected, "{family}");
    }
}

#[test]
fn a_name_that_stands_for_nothing_adds_no_token_of_the_class() {
    let mut file = byte_level();
    (file["added_tokens"], file["post_processor"]) = (json!([]), Value::Null);
    file["model"]["vocab"].as_object_mut().unwrap().remove("<|endoftext|>");
    for (family, added) in
        [("opt", vec!["<|endoftext|>"]), ("gpt_neox", vec!["<|endoftext|>", "<|padding|>"])]
    {
        let read = |settings: Value| {
            let at = tempfile::tempdir().unwrap();
            let config = ("config.json", json!({"model_type": family}));
            let settings = ("tokenizer_config.json", settings);
            write(at.path(), &[("tokenizer.json", file.clone()), config, settings]);
            Tokenizer::from_directory(at.path()).unwrap()
        };
        let ids = |made: &Tokenizer| added.iter().map(|token| made.token_id(token)).collect::<Vec<_>>();
        let made = read(json!({}));
        let expected: Vec<Option<u32>> = (2047..).map(Some).take(added.len()).collect();
        assert_eq!(ids(&made), expected, "{family}");
        let null = json!({"bos_token": null, "eos_token": null, "unk_token": null, "pad_token": null});
        let made = read(null);
        assert_eq!(ids(&made), vec![None; added.len()], "{family}");
        assert!(made.special_tokens().is_empty(), "{family}");
    }
}

/// The identity of a file that `change` has changed.
fn identity(change: impl FnOnce(&mut Value)) -> String {
    let mut json = byte_level();
    change(&mut json);
    let text = serde_json::to_string_pretty(&json).unwrap();
    Tokenizer::from_bytes(text.as_bytes(), Path::new("tokenizer.json")).unwrap().sha256().into()
}

#[test]
fn a_tokenizer_that_is_saved_anew_is_the_same() {
    let plain = identity(|_| ());
    let as_text =
        |pair: &Value| json!(format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    let merges = identity(|json| {
        let merges: Value = json["model"]["merges"].as_array().unwrap().iter().map(as_text).collect();
        json["model"]["merges"] = merges;
    });
    assert_eq!(merges, plain, "merges as texts");
    let padded = json!({"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": null,
                        "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"});
    assert_eq!(identity(|json| json["padding"] = padded), plain, "padding");
    assert_eq!(identity(|json| json["decoder"] = Value::Null), plain, "the decoder");
    assert_eq!(identity(|json| json["post_processor"] = Value::Null), plain, "marks of offsets");
    let sequence = json!({"type": "Sequence", "pretokenizers": [byte_level()["pre_tokenizer"]]});
    assert_eq!(identity(|json| json["pre_tokenizer"] = sequence), plain, "a sequence of one");
    assert_eq!(beside(&[]).sha256(), plain);
}

#[test]
fn a_tokenizer_that_gives_other_ids_is_another() {
    let plain = identity(|_| ());
    assert_ne!(identity(|json| json["normalizer"] = json!({"type": "Lowercase"})), plain);
    assert_ne!(identity(|json| json["pre_tokenizer"]["add_prefix_space"] = true.into()), plain);
    assert_ne!(identity(|json| _ = json["model"]["merges"].as_array_mut().unwrap().pop()), plain);
    let token = json!({"id": 2048, "content": "<|a|>", "single_word": false, "lstrip": false, "rstrip": false,
                       "normalized": false, "special": true});
    let added = identity(|json| json["added_tokens"].as_array_mut().unwrap().push(token));
    assert_ne!(added, plain);
    let in_another_file = beside(&[("added_tokens.json", json!({"<|a|>": 2048}))]);
    assert_eq!(in_another_file.sha256(), added, "wherever the token is written down");
}
