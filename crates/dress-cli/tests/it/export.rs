//! Exporting a checkpoint from the command line.

use crate::{Paths, dress, json, model, refusal};
use serde_json::Value;
use std::fs;

#[test]
fn an_exported_checkpoint_writes_the_text_of_its_directory() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let out = paths.path("small.gguf");
    let report = json(&dress(&["export", "--model", &model, "--out", &out, "--type", "f32", "--json"]));
    assert_eq!((report["architecture"].as_str(), report["type"].as_str()), (Some("llama"), Some("f32")));
    assert_eq!(report["bytes"], fs::metadata(&out).unwrap().len());
    assert_eq!(paths.names(), ["small.gguf"], "nothing else is left");
    let text = |model: &str| {
        let args = [
            "generate",
            "--model",
            model,
            "--prompt",
            "And the LORD said",
            "--max-new-tokens",
            "16",
            "--json",
        ];
        json(&dress(&args))["text"].clone()
    };
    assert_eq!(text(&out), text(&model));
}

#[test]
fn a_place_is_checked_before_the_work() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let export =
        |out: &str, more: &[&str]| refusal(&[&["export", "--model", &model, "--out", out], more].concat());
    assert!(export(&paths.path("small.bin"), &[]).contains("ends with .gguf"));
    let there = paths.path("there.gguf");
    fs::write(&there, "precious").unwrap();
    assert!(export(&there, &[]).contains("--force"));
    assert!(export(&there, &["--force"]).contains("not a GGUF file"));
    assert_eq!(fs::read_to_string(&there).unwrap(), "precious");
    let opt = format!("{model}/../opt-kjv");
    let refused = refusal(&["export", "--model", &opt, "--out", &paths.path("opt.gguf")]);
    assert!(refused.contains("llama.cpp has no OPT"), "{refused}");
    assert_eq!(paths.names(), ["there.gguf"]);
}

#[test]
fn a_directory_for_mlx_has_neurons_for_each_layer() {
    let (paths, model) = (Paths::new(), model().display().to_string());
    let out = paths.path("nas");
    let export = |more: &[&'static str]| {
        [&["export", "--model", &model, "--out", &out, "--format", "mlx-nas"], more].concat()
    };
    let refused = refusal(&export(&["--type", "q8_0"]));
    assert!(refused.contains("--type q8_0 has no effect with --format mlx-nas"), "{refused}");
    let report = json(&dress(&export(&["--json"])));
    assert_eq!(report["architecture"], "nemotron-nas");
    let config: Value =
        serde_json::from_str(&fs::read_to_string(paths.path("nas/config.json")).unwrap()).unwrap();
    assert_eq!(config["block_configs"].as_array().map(Vec::len), Some(5));
    assert!(refusal(&export(&[])).contains("--force"));
    json(&dress(&export(&["--force", "--json"])));
    assert_eq!(paths.names(), ["nas"], "nothing else is left");
}
