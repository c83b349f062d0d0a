//! The header of a GGUF file: every tensor it accepts lies in the file, and every list can be walked.
#![no_main]

use dress_models::gguf::GgufHeader;
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
});
