//! `config.json` of every family: what is accepted is written back to something that means the same.
#![no_main]

use dress_models::decoder::DecoderConfig;
use dress_models::gpt_neox::GptNeoxConfig;
use dress_models::opt::OptConfig;
use dress_models::phi::PhiConfig;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    let path = Path::new("config.json");
    if let Ok(config) = DecoderConfig::from_json(text, path) {
        let again = DecoderConfig::from_json(&config.to_json("float32"), path).unwrap();
        assert_eq!((again.hidden_size, again.head_dim), (config.hidden_size, config.head_dim));
    }
    if let Ok(config) = OptConfig::from_json(text, path) {
        let again = OptConfig::from_json(&config.to_json("float32"), path).unwrap();
        assert_eq!((again.hidden_size, again.head_dim), (config.hidden_size, config.head_dim));
    }
    if let Ok(config) = GptNeoxConfig::from_json(text, path) {
        let again = GptNeoxConfig::from_json(&config.to_json("float32"), path).unwrap();
        assert_eq!((again.hidden_size, again.head_dim), (config.hidden_size, config.head_dim));
    }
    if let Ok(config) = PhiConfig::from_json(text, path) {
        let again = PhiConfig::from_json(&config.to_json("float32"), path).unwrap();
        assert_eq!((again.hidden_size, again.head_dim), (config.hidden_size, config.head_dim));
    }
});
