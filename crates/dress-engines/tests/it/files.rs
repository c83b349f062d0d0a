//! The files of engines: those that ship, one of a user's own, and bad ones.

use crate::models::{format, shape, smollm2};
use dress_engines::{EngineTable, Verdict};
use std::path::PathBuf;

const MINE: &str = r#"
name = "mine"
tried = "1.0"
default = "int3"
loads_like = "vllm"

[types.int3]
numbers = 48
bytes = 20
otherwise = "stored"

[formats.int3]
weights = "int3"
vectors = "stored"

[[formats.int3.except]]
names = ["*embed_tokens.weight"]
type = "stored"
"#;

/// The text in a file.
fn file(directory: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("mine.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What is said of a file with a part of it written otherwise.
fn refused(from: &str, to: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    assert!(MINE.contains(from), "{from}");
    let path = file(&directory, &MINE.replacen(from, to, 1));
    let says = EngineTable::built_in().with_file(&path).unwrap_err().to_string();
    assert!(says.contains("mine.toml"), "{says}");
    says
}

#[test]
fn every_file_that_ships_is_read_and_every_name_reads_back() {
    let table = EngineTable::built_in();
    for found in table.all_formats() {
        assert_eq!(table.format(&found.to_string()).unwrap(), found);
        let whole = format!("{}:{}", found.engine().name, found.format_name());
        assert_eq!(table.format(&whole).unwrap(), found);
        assert!(!found.engine().tried.is_empty());
    }
    let named = [
        "llama.cpp:q4_k_m",
        "llama.cpp:q8_0",
        "llama.cpp:f16",
        "vllm",
        "mlx:4bit",
        "mlx",
        "transformers",
        "ctranslate2",
        "mistral.rs",
        "keras-hub",
        "openvino:int4",
        "torchao:int4",
        "llmcompressor:w4a16",
        "onnxruntime-genai:int4",
    ];
    assert_eq!(table.formats(&named).unwrap().len(), named.len());
    assert_eq!(table.formats(&["all", "vllm"]).unwrap(), table.all_formats());
}

#[test]
fn an_engine_of_one_s_own_is_read_like_those_that_ship() {
    let directory = tempfile::tempdir().unwrap();
    let table = EngineTable::built_in().with_file(&file(&directory, MINE)).unwrap();
    let (mine, shape) = (table.format("mine").unwrap(), shape(&smollm2(&[])));
    assert_eq!(mine.verdict(&shape), Verdict::Loads);
    // 576 and 1,536 are multiples of 48; the embedding and the norms keep their 2 bytes.
    let matrices = 30 * 576 * (2 * 576 + 2 * 192 + 3 * 1536);
    let others = 2 * (49152 * 576 + 61 * 576);
    assert_eq!(mine.bytes(&shape), (matrices / 48 * 20 + others) as u64);
}

#[test]
fn an_engine_takes_the_place_of_one_that_has_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let table =
        EngineTable::built_in().with_file(&file(&directory, &MINE.replace("\"mine\"", "\"mlx\""))).unwrap();
    assert_eq!(table.engines().filter(|engine| engine.name == "mlx").count(), 1);
    assert!(table.format("mlx:int3").is_ok() && table.format("mlx:4bit").is_err());
}

#[test]
fn a_bad_file_is_an_error_that_names_the_place() {
    for (from, to, says) in [
        ("tried = \"1.0\"\n", "", "missing field `tried`"),
        ("name = \"mine\"", "name = \"mine\"\nspeed = 3", "unknown field `speed`"),
        ("name = \"mine\"", "name = \"mi:ne\"", "`mi:ne` is no name"),
        ("default = \"int3\"", "default = \"int2\"", "`default` is `int2`, and the formats are int3"),
        ("loads_like = \"vllm\"", "loads_like = \"vlm\"", "`loads_like` is `vlm`"),
        ("otherwise = \"stored\"", "otherwise = \"f16\"", "types.int3.otherwise: there is no type `f16`"),
        (
            "otherwise = \"stored\"",
            "otherwise = \"int3\"",
            "types.int3: what takes its place leads back to it",
        ),
        ("numbers = 48", "numbers = 0", "types.int3: `numbers` is 0"),
        ("bytes = 20", "bytes = -1", "types.int3: `bytes` has to be"),
        ("weights = \"int3\"", "weights = \"int4\"", "formats.int3: there is no type `int4`"),
        ("type = \"stored\"", "layers = { below = [1, 0] }\ntype = \"stored\"", "the whole is not 0"),
        ("type = \"stored\"", "layers = { every = 0 }\ntype = \"stored\"", "`every` is 0"),
        ("name = \"mine\"", "name = ", "TOML parse error"),
    ] {
        let said = refused(from, to);
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_file_that_is_not_there_and_names_that_are_not_say_what_there_is() {
    let table = EngineTable::built_in();
    let absent = table.clone().with_file("nowhere.toml".as_ref()).unwrap_err().to_string();
    assert!(absent.contains("nowhere.toml"), "{absent}");
    let engine = table.format("llama.ccp:q8_0").unwrap_err().to_string();
    assert!(
        engine.contains("`llama.ccp`") && engine.contains("mlx") && engine.contains("`engines`"),
        "{engine}"
    );
    let format = table.format("mlx:5bit").unwrap_err().to_string();
    assert!(format.contains("`5bit`") && format.contains("4bit, 4bit-g32, 8bit"), "{format}");
}

#[test]
fn an_engine_alone_means_its_default_format() {
    assert_eq!(format("llama.cpp"), format("llama.cpp:f16"));
    assert_eq!(
        (format("mlx:4bit").to_string(), format("vllm:stored").to_string()),
        ("mlx:4bit".into(), "vllm".into())
    );
}
