//! A corpus: the first byte says which ending the file has, the rest are its bytes. Its rows are in its text.
#![no_main]

use dress_data::{Corpus, CorpusFormat};
use libfuzzer_sys::fuzz_target;

const ENDINGS: [&str; 8] = ["txt", "jsonl", "json", "gz", "zst", "parquet", "csv", "json.gz"];

fuzz_target!(|input: &[u8]| {
    let Some((first, content)) = input.split_first() else { return };
    let ending = ENDINGS[usize::from(*first) % ENDINGS.len()];
    let path = std::env::temp_dir().join(format!("dress-fuzz-corpus-{}.{ending}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    if let Ok(corpus) = Corpus::read(&path, CorpusFormat::Auto) {
        assert!(corpus.rows().any(|row| !row.unwrap().trim().is_empty()));
    }
    std::fs::remove_file(&path).unwrap();
});
