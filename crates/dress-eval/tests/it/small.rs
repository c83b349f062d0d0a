//! Small models of every family, the shipped ones, and the rows that were written for these tests.

use dress_core::burn::tensor::Device;
use dress_data::Tokenizer;
use dress_eval::scoring::{PrefixToken, RequestEncoder};
use dress_eval::tasks::{Rows, Task, TaskFile};
use dress_models::{AnyModel, LoadConfig};
use std::path::{Path, PathBuf};

/// The families' configurations, all with 16 positions and 23 tokens.
pub const CONFIGS: [&str; 3] = [
    r#"{"model_type":"llama","vocab_size":23,"hidden_size":12,"intermediate_size":10,"num_hidden_layers":2,
        "num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":16,"initializer_range":0.3}"#,
    r#"{"model_type":"opt","vocab_size":23,"hidden_size":12,"ffn_dim":10,"num_hidden_layers":2,"num_attention_heads":3,
        "word_embed_proj_dim":12,"max_position_embeddings":16,"init_std":0.3}"#,
    r#"{"model_type":"phi","vocab_size":23,"hidden_size":12,"intermediate_size":10,"num_hidden_layers":2,
        "num_attention_heads":3,"max_position_embeddings":16,"partial_rotary_factor":0.5,"initializer_range":0.3}"#,
];

/// A random model of one of [`CONFIGS`].
pub fn random(config: &str) -> AnyModel {
    let device = Device::flex();
    device.seed(7);
    AnyModel::from_config(config, Path::new("config.json"), &device).unwrap()
}

/// A random LLaMA.
pub fn llama() -> AnyModel {
    random(CONFIGS[0])
}

/// The directory of a model that ships with the examples.
pub fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models").join(name)
}

/// The file of rows, or any other, in `tests/tasks`.
pub fn rows(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tasks").join(name)
}

/// A shipped model with its tokenizer.
pub struct Shipped {
    pub model: AnyModel,
    pub tokenizer: Tokenizer,
    pub prefix: PrefixToken,
}

impl Shipped {
    pub fn load(name: &str) -> Self {
        let directory = shipped(name);
        let model = AnyModel::load(&directory, &LoadConfig::default(), &Device::flex()).unwrap();
        let tokenizer = Tokenizer::from_directory(&directory).unwrap();
        let prefix = PrefixToken { id: 0, text: tokenizer.token(0).unwrap() };
        Self { model, tokenizer, prefix }
    }

    pub fn encoder(&self) -> RequestEncoder<'_> {
        RequestEncoder { tokenizer: &self.tokenizer, prefix: Some(&self.prefix) }
    }
}

/// A built-in task on the rows that were written for these tests.
pub fn task(name: &str) -> Task {
    let file = TaskFile::named(name).unwrap();
    let data = file.find_data(&rows("")).unwrap();
    let fewshot_rows = file.find_fewshot_data(&rows("")).map(|path| Rows::read(&path).unwrap());
    Task { rows: Rows::read(&data).unwrap(), file, fewshot_rows }
}

/// A task of that name on rows that a test writes.
pub fn task_on(name: &str, file: &str, content: &str) -> Result<Task, dress_eval::Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(file);
    std::fs::write(&path, content).unwrap();
    Ok(Task { file: TaskFile::named(name)?, rows: Rows::read(&path)?, fewshot_rows: None })
}
