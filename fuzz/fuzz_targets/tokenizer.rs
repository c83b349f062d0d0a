//! A tokenizer's files, with a zero byte between two: `tokenizer.json`, `tokenizer_config.json`,
//! `added_tokens.json`, `special_tokens_map.json`, `vocab.json` and `merges.txt`. One that is accepted gives
//! the same ids twice, and text of them.
#![no_main]

use dress_data::Tokenizer;
use libfuzzer_sys::fuzz_target;

const FILES: [&str; 6] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
];

fuzz_target!(|input: &[u8]| {
    let directory = std::env::temp_dir().join(format!("dress-fuzz-tokenizer-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut parts = input.split(|&byte| byte == 0);
    for name in FILES {
        let path = directory.join(name);
        match parts.next().filter(|part| !part.is_empty()) {
            Some(part) => std::fs::write(path, part).unwrap(),
            None => drop(std::fs::remove_file(path)),
        }
    }
    let Ok(tokenizer) = Tokenizer::from_directory(&directory) else { return };
    let text = "<s> In the beginning, caf\u{e9} 123\n\n<|im_end|>";
    if let Ok(ids) = tokenizer.encode(text, true) {
        assert_eq!(tokenizer.encode(text, true).unwrap(), ids);
        let _ = tokenizer.decode(&ids);
    }
    let _ = tokenizer.encode_with_ends(text, false);
});
