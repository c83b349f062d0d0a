//! The index of a sharded checkpoint: no file name leads out of its directory.
#![no_main]

use dress_models::checkpoint::ShardIndex;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    if let Ok(index) = ShardIndex::parse(text, Path::new("model.safetensors.index.json")) {
        let directory = Path::new("directory");
        for file in index.files() {
            assert_eq!(directory.join(file).parent(), Some(directory));
        }
    }
});
