//! A configuration says that the head is the embedding; the files say what is so.

use crate::altered::{Tensors, altered, edit_config, read};
use crate::parity::{assert_parity, logits};
use crate::reference::{Reference, fixture, load};
use dress_core::burn::tensor::Device;
use dress_core::{CausalLm, Fingerprint, NoProgress, Parts, StockTarget};
use dress_models::checkpoint::{RewriteConfig, fingerprint, read_config, rewrite, save};
use dress_models::{AnyModel, CheckpointParts, LoadConfig, SaveConfig};
use std::collections::BTreeMap;
use std::path::Path;

const HEAD: &str = "lm_head.weight";

/// Tied fixtures of one file, and what their embedding is called.
const TIED: [(&str, &str); 3] = [
    ("llama3_gqa_tied", "model.embed_tokens.weight"),
    ("opt_pre_norm", "model.decoder.embed_tokens.weight"),
    ("opt_350m_layout", "model.decoder.embed_tokens.weight"),
];

/// The embedding with its rows in reverse.
fn other_head(tensors: &Tensors, embedding: &str) -> (safetensors::Dtype, Vec<usize>, Vec<u8>) {
    let (dtype, shape, bytes) = tensors[embedding].clone();
    let rows: Vec<&[u8]> = bytes.chunks(bytes.len() / shape[0]).collect();
    (dtype, shape, rows.into_iter().rev().flatten().copied().collect())
}

fn declared(directory: &Path) -> AnyModel {
    let (text, path) = read_config(directory).unwrap();
    AnyModel::from_config(&text, &path, &Device::flex()).unwrap()
}

fn is_tied(directory: &Path) -> bool {
    let (text, _) = read_config(directory).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["tie_word_embeddings"] == true
}

fn ids() -> Vec<Vec<u32>> {
    vec![(0..20).collect()]
}

#[test]
fn a_head_of_its_own_is_loaded_scored_and_written() {
    for (name, embedding) in TIED {
        let copy = altered(name, |tensors| {
            let head = other_head(tensors, embedding);
            tensors.insert(HEAD.into(), head);
        });
        let model = load(copy.path());
        assert!(!is_tied(copy.path()), "{name}");
        // Logits of a head in reverse are logits in reverse.
        let mut expected = logits(&load(&fixture(name)), &ids());
        expected.chunks_mut(model.vocab_size()).for_each(<[f32]>::reverse);
        let found = logits(&model, &ids());
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{name}: {worst}");
        assert_eq!(fingerprint(&declared(copy.path()), copy.path()).unwrap(), Fingerprint::of(&model));
        let parts = CheckpointParts::open(copy.path(), &LoadConfig::default(), &Device::flex()).unwrap();
        let whole = parts.filled(&|_| true).unwrap();
        assert_eq!(Fingerprint::of(&whole), Fingerprint::of(&model));

        let parent = tempfile::tempdir().unwrap();
        let saved = parent.path().join("saved");
        let config = SaveConfig { source: Some(copy.path().into()), ..SaveConfig::default() };
        save(&model, &saved, &config).unwrap();
        let rewritten = parent.path().join("rewritten");
        let (dense, places) = (declared(copy.path()), [copy.path(), rewritten.as_path()]);
        let config = RewriteConfig { target: StockTarget::Transformers, ..RewriteConfig::default() };
        rewrite(&dense, &dense, &BTreeMap::new(), places, &config, &NoProgress).unwrap();
        let head = &read(&copy.path().join("model.safetensors"))[HEAD];
        for out in [saved, rewritten] {
            assert_eq!(&read(&out.join("model.safetensors"))[HEAD], head, "{name}");
            let text = std::fs::read_to_string(out.join("config.json")).unwrap();
            assert!(text.contains("\"tie_word_embeddings\": false"), "{text}");
            assert_eq!(logits(&load(&out), &ids()), found, "{name}");
        }
    }
}

#[test]
fn a_head_that_is_the_embedding_is_tied_and_written_once() {
    for (name, embedding) in TIED {
        let copy = altered(name, |tensors| {
            let same = tensors[embedding].clone();
            tensors.insert(HEAD.into(), same);
        });
        assert_eq!(
            fingerprint(&declared(copy.path()), copy.path()).unwrap(),
            Fingerprint::of(&load(&fixture(name)))
        );
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("out");
        save(&load(copy.path()), &out, &SaveConfig::default()).unwrap();
        assert!(!read(&out.join("model.safetensors")).contains_key(HEAD));
    }
}

#[test]
fn a_tied_file_that_holds_the_head_alone_is_the_same_model() {
    for (name, embedding) in TIED {
        for prefix in ["", "model."] {
            let copy = altered(name, |tensors| {
                let only = tensors.remove(embedding).unwrap();
                tensors.insert(format!("{prefix}{HEAD}"), only);
            });
            assert_parity(copy.path(), &Reference::read(&copy.path().join("reference.safetensors")));
            let expected = Fingerprint::of(&load(&fixture(name)));
            assert_eq!(fingerprint(&declared(copy.path()), copy.path()).unwrap(), expected);
            let parent = tempfile::tempdir().unwrap();
            let out = parent.path().join("out");
            let dense = declared(copy.path());
            let places = [copy.path(), out.as_path()];
            rewrite(&dense, &dense, &BTreeMap::new(), places, &RewriteConfig::default(), &NoProgress)
                .unwrap();
            assert!(read(&out.join("model.safetensors")).contains_key(embedding), "the usual name");
            assert_eq!(Fingerprint::of(&load(&out)), expected);
        }
    }
}

#[test]
fn a_phi_whose_config_ties_a_head_that_is_there_is_loaded_with_it() {
    let copy = altered("phi_2", |_| {});
    edit_config(copy.path(), "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
    assert_parity(copy.path(), &Reference::read(&copy.path().join("reference.safetensors")));
}

#[test]
fn the_head_of_a_pytorch_file_counts_too() {
    let reference = Reference::read(&fixture("bin_own_head").join("reference.safetensors"));
    assert_parity(&fixture("bin_own_head"), &reference);
}

#[test]
fn a_model_declared_tied_does_not_lose_a_head_of_its_own() {
    let copy = altered("llama3_gqa_tied", |tensors| {
        let head = other_head(tensors, TIED[0].1);
        tensors.insert(HEAD.into(), head);
    });
    let text = std::fs::read_to_string(copy.path().join("config.json")).unwrap();
    let tied = AnyModel::from_config(&text, Path::new("config.json"), &Device::flex()).unwrap();
    let error = fingerprint(&tied, copy.path()).unwrap_err().to_string();
    assert!(error.contains(HEAD) && error.contains("read_config"), "{error}");
}

#[test]
fn an_untied_config_without_a_head_says_what_to_do() {
    let copy = altered("llama2_mha_untied", |tensors| {
        tensors.remove(HEAD).unwrap();
    });
    let error = AnyModel::load(copy.path(), &LoadConfig::default(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("no head (lm_head.weight)") && error.contains("tie_word_embeddings"), "{error}");
}
