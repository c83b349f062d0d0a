//! Checkpoints that are not safetensors: `torch.save`'s, GGUF, and the hub's cache.

use crate::parity::assert_parity;
use crate::reference::{Reference, copy_of, fixture, load, skipped};
use dress_core::burn::tensor::Device;
use dress_models::checkpoint::save;
use dress_models::gguf::{GgufCheckpoint, GgufHeader};
use dress_models::{AnyModel, LoadConfig, SaveConfig};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use safetensors::SafeTensors;
use std::fs;
use std::path::{Path, PathBuf};

fn message(path: &Path) -> String {
    AnyModel::load(path, &LoadConfig::default(), &Device::flex()).unwrap_err().to_string()
}

fn assert_says(message: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` is not in: {message}"));
}

#[test]
fn what_torch_save_wrote_equals_transformers() {
    for name in ["bin_sharded", "bin_without_prefix"] {
        let reference = Reference::read(&fixture(name).join("reference.safetensors"));
        assert_parity(&fixture(name), &reference);
    }
}

#[test]
fn a_pytorch_checkpoint_is_saved_as_safetensors_of_its_type_and_shard_size() {
    let out = tempfile::tempdir().unwrap();
    let source = fixture("bin_sharded");
    let config = SaveConfig { source: Some(source.clone()), ..SaveConfig::default() };
    let report = save(&load(&source), &out.path().join("out"), &config).unwrap();
    assert_eq!(report.shards, 3);
    let again = load(&out.path().join("out"));
    assert_eq!(dress_core::Fingerprint::of(&again), dress_core::Fingerprint::of(&load(&source)));
}

#[test]
fn a_damaged_pytorch_file_and_a_missing_one_are_errors() {
    let copy = copy_of("bin_sharded");
    let shard = copy.path().join("pytorch_model-00002-of-00003.bin");
    let bytes = fs::read(&shard).unwrap();
    for keep in [0, 100, bytes.len() / 2] {
        fs::write(&shard, &bytes[..keep]).unwrap();
        assert_says(&message(copy.path()), &["pytorch_model-00002-of-00003.bin", "download it again"]);
    }
    fs::remove_file(&shard).unwrap();
    assert_says(&message(copy.path()), &["00002-of-00003.bin", "is missing", "pytorch_model.bin.index.json"]);
}

#[test]
fn every_type_of_gguf_equals_the_gguf_package() {
    let bytes = fs::read(fixture("types.gguf")).unwrap();
    let header = GgufHeader::parse(&bytes).unwrap();
    let expected = fs::read(fixture("types.reference.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&expected).unwrap();
    for name in ["Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K"] {
        let info = &header.tensors[name];
        let found = info.kind.dequantize(&bytes[info.start..info.start + info.len]).unwrap();
        let (expected, _) = expected.tensor(name).unwrap().data().as_chunks::<4>();
        let expected: Vec<f32> = expected.iter().map(|x| f32::from_le_bytes(*x)).collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{name}: {worst}");
    }
    assert_eq!(header.tensors.len(), expected.names().len());
}

#[test]
fn a_gguf_file_equals_the_directory_it_was_made_from() {
    for (file, directory) in [("llama2.gguf", "llama2_mha_untied"), ("gpt_neox.gguf", "gpt_neox_sequential")]
    {
        // f16 rounds the weights, and the logits by as much.
        let reference = Reference::read(&fixture(directory).join("reference.safetensors"));
        let found = crate::parity::logits(&load(&fixture(file)), &reference.input_ids);
        let moved = relative(&found, &reference.logits);
        assert!(moved < 2e-3, "{file}: {moved}");
    }
}

/// `|found - expected| / |expected|`.
fn relative(found: &[f32], expected: &[f32]) -> f32 {
    let norm = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>().sqrt();
    norm(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / norm(&mut expected.iter().copied())
}

#[test]
fn a_gguf_file_is_saved_as_a_directory_with_config_and_tokenizer() {
    let path = fixture("llama2.gguf");
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    let config = SaveConfig { source: Some(path.clone()), ..SaveConfig::default() };
    save(&load(&path), &out, &config).unwrap();
    let ids = [(0..20).collect::<Vec<u32>>()];
    let [again, first] = [&out, &path].map(|place| crate::parity::logits(&load(place), &ids));
    // The norms, f32 in the file, are rounded like the rest.
    assert!(relative(&again, &first) < 2e-3, "{}", relative(&again, &first));
    let tokenizer: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("tokenizer.json")).unwrap()).unwrap();
    assert_eq!(tokenizer["model"]["byte_fallback"], true);
    let merges = tokenizer["model"]["merges"].as_array().unwrap();
    // By score: `▁a`, then `ab`, then `▁ab`, in both ways it can be put together.
    let texts: Vec<String> = merges
        .iter()
        .take(4)
        .map(|m| format!("{}+{}", m[0].as_str().unwrap(), m[1].as_str().unwrap()))
        .collect();
    assert_eq!(texts, ["\u{2581}+a", "a+b", "\u{2581}+ab", "\u{2581}a+b"]);
}

#[test]
fn a_damaged_or_foreign_gguf_file_is_an_error() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("model.gguf");
    let bytes = fs::read(fixture("llama2.gguf")).unwrap();
    for keep in [0, 3, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..keep]).unwrap();
        assert_says(&message(&path), &["model.gguf", "download it again"]);
    }
    let text = String::from_utf8_lossy(&bytes).find("llama").unwrap();
    let mut foreign = bytes.clone();
    foreign[text..text + 5].copy_from_slice(b"mamba");
    fs::write(&path, &foreign).unwrap();
    assert_says(
        &message(&path),
        &[
            "model.gguf",
            "`mamba`",
            "llama, deci, qwen2, qwen3, granite, smollm3, olmo2, gemma2, gemma3, phi2, phi3, gptneox",
        ],
    );
}

/// Another one every time, which a failed test shows. `DRESS_TEST_SEED` draws the same again.
fn test_seed() -> u64 {
    let given = std::env::var("DRESS_TEST_SEED").ok().map(|text| text.parse().expect("a number"));
    let seed = given.unwrap_or_else(rand::random);
    println!("drawn with DRESS_TEST_SEED={seed}");
    seed
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(test_seed()), ..ProptestConfig::with_cases(400) })]

    /// What `fuzz/fuzz_targets/gguf.rs` looks for with more patience.
    #[test]
    fn a_gguf_file_with_wrong_bytes_is_read_or_refused(
        wrong in proptest::collection::vec((0usize..1200, any::<u8>()), 1..4),
    ) {
        let mut bytes = fs::read(fixture("llama2.gguf")).unwrap();
        wrong.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.gguf");
        fs::write(&path, bytes).unwrap();
        if let Ok(checkpoint) = GgufCheckpoint::open(&path) {
            for name in checkpoint.names() {
                let tensor = checkpoint.get(name).unwrap().unwrap();
                if let Some(element) = tensor.element {
                    prop_assert_eq!(tensor.bytes.len(), tensor.shape.iter().product::<usize>() * element.size());
                }
            }
            let _ = (checkpoint.tokenizer_json(), checkpoint.config_json());
            let _ = AnyModel::load(&path, &LoadConfig::default(), &Device::flex());
        }
    }
}

/// `DRESS_GGUF` is a file of the same weights as the directory in `DRESS_MODEL`.
#[test]
fn a_real_gguf_file_equals_its_directory() {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(gguf), Some(directory)) = (variable("DRESS_GGUF"), variable("DRESS_MODEL")) else {
        return skipped(
            "DRESS_GGUF",
            "set DRESS_GGUF and DRESS_MODEL to compare a real GGUF file with its directory",
        );
    };
    let ids = [(0..48).map(|i| i * 37 % 4096).collect::<Vec<u32>>()];
    let found = crate::parity::logits(&load(&gguf), &ids);
    let expected = crate::parity::logits(&load(&directory), &ids);
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert_eq!(worst, 0.0);
    assert!(GgufCheckpoint::open(&gguf).unwrap().tokenizer_json().is_ok());
}

#[cfg(feature = "hub")]
mod hub {
    use super::*;
    use dress_models::hub::HubConfig;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn config(cache: &Path) -> HubConfig {
        HubConfig {
            cache: cache.into(),
            offline: true,
            token: None,
            endpoint: "http://127.0.0.1:9".into(),
            progress: false,
        }
    }

    #[test]
    fn a_path_is_taken_as_it_is_and_a_cached_model_is_found_offline() {
        let cache = tempfile::tempdir().unwrap();
        let repo = cache.path().join("models--owner--name");
        let snapshot = repo.join("snapshots/0123");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::write(repo.join("refs/main"), "0123").unwrap();
        let directory = fixture("llama2_mha_untied");
        fs::copy(directory.join("config.json"), snapshot.join("config.json")).unwrap();
        let hub = config(cache.path());
        // Half a download is not a model.
        assert!(hub.locate(Path::new("owner/name")).is_err());
        fs::copy(directory.join("model.safetensors"), snapshot.join("model.safetensors")).unwrap();
        let found = hub.locate(Path::new("owner/name")).unwrap();
        assert!(AnyModel::load(&found, &LoadConfig::default(), &Device::flex()).is_ok());
        assert!(asks_the_hub(&hub, &found));
        fs::write(snapshot.join("tokenizer.json"), "{}").unwrap();
        assert!(!asks_the_hub(&hub, &found), "complete");
        assert_eq!(hub.locate(&directory).unwrap(), directory);
        let elsewhere = Path::new("./no/such/place");
        assert_eq!(hub.locate(elsewhere).unwrap(), elsewhere);
    }

    /// Whether the hub, which here hangs up on everybody, is asked for a model that is at `found`
    /// nevertheless.
    fn asks_the_hub(hub: &HubConfig, found: &Path) -> bool {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicBool::new(false));
        let heard = asked.clone();
        std::thread::spawn(move || listener.incoming().for_each(|_| heard.store(true, Ordering::SeqCst)));
        let online = HubConfig { offline: false, endpoint, ..hub.clone() };
        assert_eq!(online.locate(Path::new("owner/name")).unwrap(), found);
        asked.load(Ordering::SeqCst)
    }

    #[test]
    fn offline_and_out_of_reach_are_said_in_clear_words() {
        let cache = tempfile::tempdir().unwrap();
        let hub = config(cache.path());
        let model = Path::new("owner/name@v1");
        let offline = hub.locate(model).unwrap_err().to_string();
        assert_says(&offline, &["owner/name@v1", "HF_HUB_OFFLINE", "unset it"]);
        let online = HubConfig { offline: false, ..hub };
        let unreachable = online.locate(model).unwrap_err().to_string();
        assert_says(&unreachable, &["owner/name@v1", "cannot be fetched", "HF_TOKEN"]);
    }
}
