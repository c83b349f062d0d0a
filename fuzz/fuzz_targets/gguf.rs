//! A GGUF file: every tensor it accepts lies in the file and has as many numbers as its shape says, every
//! list can be walked, and configuration and tokenizer are made or refused.
#![no_main]

use dress_models::gguf::{GgufCheckpoint, GgufHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let Ok(header) = GgufHeader::parse(file) else { return };
    for array in header.metadata.values().filter_map(|value| value.array()) {
        assert!(array.iter().count() <= file.len());
    }
    for tensor in header.tensors.values() {
        let bytes = &file[tensor.start..tensor.start + tensor.len];
        if let Some(numbers) = tensor.kind.dequantize(bytes) {
            assert_eq!(numbers.len() / tensor.kind.block(), bytes.len() / tensor.kind.block_bytes());
        }
    }
    let path = std::env::temp_dir().join(format!("dress-fuzz-{}.gguf", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let Ok(checkpoint) = GgufCheckpoint::open(&path) else { return };
    for name in checkpoint.names() {
        let tensor = checkpoint.get(name).unwrap().unwrap();
        if let Some(element) = tensor.element {
            assert_eq!(tensor.bytes.len(), tensor.shape.iter().product::<usize>() * element.size());
        }
    }
    let _ = (checkpoint.config_json(), checkpoint.tokenizer_json());
});
